"""Names in order, so that a page of a listing costs what is on it, however many objects there are.

An order is made when somebody first asks for it, and kept up to date from then on.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Sequence

from triptych.core.compile import Change, Put
from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.model import Key, Kind, L2Gateway, Object, Port, Segment, StaticRoute

Group = tuple[Kind, str, Id]
"""The objects of a kind that refer to another object, by the field that does; field "": all of the kind."""

_NOBODY = ("", "")

MOST = 256
"""Orders that are kept; the one that was made first is forgotten, and made again when it is asked for."""


def everything(kind: Kind) -> Group:
    """All objects of a kind."""
    return kind, "", _NOBODY


class Orders:
    """The names of objects in order, by group."""

    def __init__(self) -> None:
        self._made: dict[Group, list[Id]] = {}

    def copy(self) -> Orders:
        """Independent ones of the same."""
        twin = Orders()
        twin._made = {group: order[:] for group, order in list(self._made.items())}
        return twin

    def of(self, declared: Declared, group: Group) -> Sequence[Id]:
        """The names of a group in order; to be read at once, and never changed."""
        order = self._made.get(group)
        if order is None:
            found = members(declared, group)
            if not found:
                # Who asks for what is not there must not have others forgotten.
                return []
            if len(self._made) >= MOST:
                del self._made[next(iter(self._made))]
            order = self._made[group] = sorted(found)
        return order

    def change(self, declared: Declared, changes: Iterable[Change]) -> None:
        """Follow what is about to change in `declared`; many at once are sorted in together."""
        if not self._made:
            return
        gone: dict[Group, set[Id]] = {}
        new: dict[Group, set[Id]] = {}
        for key, item in {_key(change): _object(change) for change in changes}.items():
            for side, held in ((gone, declared.get(key)), (new, item)):
                for group in groups_of(held) if held is not None else ():
                    if group in self._made:
                        side.setdefault(group, set()).add(key[1:])
        for group in gone.keys() | new.keys():
            self._move(group, gone.get(group, set()), new.get(group, set()))

    def _move(self, group: Group, gone: set[Id], new: set[Id]) -> None:
        order = self._made[group]
        gone, new = gone - new, new - gone
        if len(gone) + len(new) > len(order) // 16:
            self._made[group] = sorted([name for name in order if name not in gone] + list(new))
            return
        for name in gone:
            del order[bisect_left(order, name)]
        for name in new:
            insort(order, name)


def groups_of(item: Object) -> Iterator[Group]:
    """Those that an object is in."""
    kind = item.key.kind
    yield everything(kind)
    match item:
        case Port() | L2Gateway():
            yield kind, "segment", (item.tenant, item.segment)
            if item.host is not None:
                yield kind, "host", ("", item.host)
        case Segment() | StaticRoute():
            if item.router is not None:
                yield kind, "router", (item.tenant, item.router)


def _key(change: Change) -> Key:
    return change.object.key if isinstance(change, Put) else change.key


def _object(change: Change) -> Object | None:
    return change.object if isinstance(change, Put) else None


def members(declared: Declared, group: Group) -> Collection[Id]:
    """The names of a group, in any order."""
    kind, field, name = group
    found: Collection[Id]
    match kind, field:
        case Kind.PORT, "segment":
            found = declared.ports_of_segment.get(name, ())
        case Kind.PORT, "host":
            found = declared.ports_of_host.get(name[1], ())
        case Kind.L2_GATEWAY, "segment":
            found = declared.gateways_of_segment.get(name, ())
        case Kind.L2_GATEWAY, "host":
            found = declared.gateways_of_host.get(name[1], ())
        case Kind.SEGMENT, "router":
            found = declared.segments_of_router.get(name, ())
        case Kind.ROUTE, "router":
            found = declared.routes_of_router.get(name, ())
        case _:
            found = getattr(declared, kind.value)
    return found
