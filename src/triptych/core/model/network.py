"""A whole declared network: every resolved object by its identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from triptych.core.model.nouns import Host, Key, Kind, L2Gateway, Object, Port, Router, Segment, StaticRoute, Tenant

_T = TypeVar("_T", bound=Object)


class Network:
    """An immutable set of objects that refer to each other by name and are known to be consistent.

    `parse` and `resolve` make one from a document; the compiler reads it.
    """

    __slots__ = ("_objects",)

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self._objects: dict[Key, Object] = {item.key: item for item in objects}

    @property
    def objects(self) -> Mapping[Key, Object]:
        """Every object by identity, in the order of declaration."""
        return MappingProxyType(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._objects == other._objects

    __hash__ = None  # type: ignore[assignment]

    def _of(self, cls: type[_T]) -> tuple[_T, ...]:
        return tuple(item for item in self._objects.values() if isinstance(item, cls))

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts."""
        return self._of(Host)

    @property
    def tenants(self) -> tuple[Tenant, ...]:
        """All tenants."""
        return self._of(Tenant)

    @property
    def routers(self) -> tuple[Router, ...]:
        """All routers."""
        return self._of(Router)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments."""
        return self._of(Segment)

    @property
    def ports(self) -> tuple[Port, ...]:
        """All ports, bound or not."""
        return self._of(Port)

    @property
    def routes(self) -> tuple[StaticRoute, ...]:
        """All static routes."""
        return self._of(StaticRoute)

    @property
    def l2_gateways(self) -> tuple[L2Gateway, ...]:
        """All L2 gateways."""
        return self._of(L2Gateway)

    def host(self, name: str) -> Host:
        """The host of that name; KeyError when there is none."""
        return self._get(Host, Key(Kind.HOST, "", name))

    def router(self, tenant: str, name: str) -> Router:
        """The router of that name; KeyError when there is none."""
        return self._get(Router, Key(Kind.ROUTER, tenant, name))

    def segment(self, tenant: str, name: str) -> Segment:
        """The segment of that name; KeyError when there is none."""
        return self._get(Segment, Key(Kind.SEGMENT, tenant, name))

    def port(self, tenant: str, name: str) -> Port:
        """The port of that name; KeyError when there is none."""
        return self._get(Port, Key(Kind.PORT, tenant, name))

    def _get(self, cls: type[_T], key: Key) -> _T:
        item = self._objects[key]
        assert isinstance(item, cls)
        return item
