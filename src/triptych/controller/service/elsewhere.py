"""What present objects have, for the allocation of what a change leaves out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable

from triptych.controller.mirror.numbers import Without
from triptych.controller.mirror.owners import Numbered, Owners, ip_number
from triptych.core.addresses import IPNetwork, Mac
from triptych.core.compile.lookup import Id
from triptych.core.model import Host, Object, Port, Router, Segment
from triptych.core.model.pools import Occupied


class PresentOwners:
    """The numbers and addresses of all objects besides `former`, which are about to be replaced.

    See `triptych.core.model.pools.Elsewhere`; `reserved` are claims as the store's keys.
    """

    def __init__(self, owners: Owners, former: Iterable[Object], reserved: Collection[bytes], skip: int) -> None:
        self._owners = owners
        self._reserved = reserved
        self._skip = skip
        self._host_ids: list[int] = []
        self._router_ids: list[int] = []
        self._vnis: list[int] = []
        self._ports: dict[Id, list[Port]] = defaultdict(list)
        for item in former:
            match item:
                case Port():
                    self._ports[item.tenant, item.segment].append(item)
                case Segment():
                    self._vnis.append(item.vni)
                case Router():
                    self._router_ids.append(item.id)
                case Host():
                    self._host_ids.append(item.id)

    @property
    def host_ids(self) -> Occupied:
        """Of all hosts."""
        return self._numbers(self._owners.host_ids, self._host_ids, "claims/host-id/")

    @property
    def router_ids(self) -> Occupied:
        """Of all routers."""
        return self._numbers(self._owners.router_ids, self._router_ids, "claims/router-id/")

    @property
    def vnis(self) -> Occupied:
        """Of all segments."""
        return self._numbers(self._owners.vnis, self._vnis, "claims/vni/")

    def macs(self, tenant: str, segment: str) -> Container[Mac]:
        """Of the ports of a segment."""
        mine = {port.mac for port in self._ports.get((tenant, segment), ())}
        macs = self._owners.members(tenant, segment).macs
        return _Macs(macs, mine, f"claims/mac/{tenant}/{segment}/", self._reserved)

    def offsets(self, tenant: str, segment: str, cidr: IPNetwork) -> Occupied:
        """Of the addresses in a subnet, counted from its first."""
        first, base = ip_number(cidr.network_address), cidr.network_address
        mine = [ip_number(ip) - first for port in self._ports.get((tenant, segment), ()) for ip in port.ips]
        prefix = f"claims/ip/{tenant}/{segment}/"

        def reserved(offset: int) -> bool:
            return f"{prefix}{base + offset}".encode() in self._reserved

        cursors = self._owners.members(tenant, segment).cursors(cidr)
        return Without(cursors, mine, reserved if self._reserved else None, self._skip)

    def _numbers(self, numbered: Numbered, mine: list[int], prefix: str) -> Occupied:
        def reserved(number: int) -> bool:
            return f"{prefix}{number}".encode() in self._reserved

        return Without(numbered.cursors, mine, reserved if self._reserved else None, self._skip)


class _Macs:
    """The MACs of a segment that a change may not take."""

    def __init__(self, taken: Container[Mac], mine: Container[Mac], prefix: str, reserved: Collection[bytes]) -> None:
        self._taken, self._mine, self._prefix, self._reserved = taken, mine, prefix, reserved

    def __contains__(self, mac: object, /) -> bool:
        if mac in self._mine:
            # As for numbers: whoever had it may keep it, whatever else changes there.
            return False
        return mac in self._taken or f"{self._prefix}{mac}".encode() in self._reserved
