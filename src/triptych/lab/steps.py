"""From one plan to another: which operations, in which order. Pure.

The order is chosen so that a packet never meets a row that points at nothing: what
rows refer to (namespaces, data planes, ports) is made first, then the rows of every
host are written, and only then is removed what no row refers to any more.

A VM that stays keeps its namespace and so its processes, whatever else changes about
it; one that moves to another host keeps even its eth0, as in a live migration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triptych.core.addresses import Mac
from triptych.lab import operations as op
from triptych.lab.names import BRIDGE, ETH0, UNDERLAY
from triptych.lab.plan import HostSpec, Plan, VmSpec


def steps(old: Plan, new: Plan) -> tuple[op.Operation, ...]:
    """The operations that lead from the lab `old` to the lab `new`.

    `SetVteps` and `WriteRows` of every host are among them even when the plans are
    equal: rows are no part of a plan, and what a host has is audited on every occasion.
    """
    return tuple(_steps(old, new))


def changes(operations: tuple[op.Operation, ...]) -> int:
    """How many of the operations change something besides rows: none between equal plans."""
    return sum(not isinstance(operation, op.OpenPlane | op.SetVteps | op.WriteRows) for operation in operations)


def settle(applied: Plan, attempts: Sequence[Plan]) -> tuple[tuple[op.Operation, ...], Plan]:
    """After changes from `applied` that were cut short: what to remove, and the plan that then holds.

    Whatever `applied` and all `attempts` agree on was not touched and stays. All else may
    be there, half there or not there; it is removed, so that the next change makes it anew.
    """
    sure = applied
    for attempt in attempts:
        sure = _common(sure, attempt)
    operations: dict[op.Operation, None] = {}
    for plan in (applied, *attempts):
        for name, vm in plan.vms.items():
            if name not in sure.vms:
                operations |= dict.fromkeys(_remove_vm(plan.hosts[vm.host], vm))
    for plan in (applied, *attempts):
        for name, host in plan.hosts.items():
            if name not in sure.hosts:
                operations |= dict.fromkeys(_remove_host(plan, host))
    for plan in (applied, *attempts):
        if plan.spine is not None and sure.spine is None:
            operations[op.RemoveNamespace(plan.spine)] = None
    # A VM's wire may lead to any host that an attempt gave it, so all links go before any namespace.
    return tuple(sorted(operations, key=lambda operation: isinstance(operation, op.RemoveNamespace))), sure


def _common(one: Plan, other: Plan) -> Plan:
    """What two plans agree on; a VM needs its host, and everything needs the spine."""
    if (one.spine, one.mtu) != (other.spine, other.mtu):
        return Plan()
    hosts = {name: host for name, host in one.hosts.items() if other.hosts.get(name) == host}
    vms = {name: vm for name, vm in one.vms.items() if other.vms.get(name) == vm and vm.host in hosts}
    return Plan(one.spine, one.mtu, hosts, vms)


def _steps(old: Plan, new: Plan) -> Iterator[op.Operation]:
    yield from _spine(old, new)
    for name, host in new.hosts.items():
        yield from _host(new.spine, old.hosts.get(name), host)
    for host in new.hosts.values():
        yield op.OpenPlane(host)
    everybody = tuple(dict.fromkeys(old.vteps + new.vteps))
    for name in new.hosts:
        yield op.SetVteps(name, everybody)
    yield from _give_way(old, new)
    for name, vm in new.vms.items():
        yield from _vm(old, new, old.vms.get(name), vm)
    for name in new.hosts:
        yield op.WriteRows(name)
    for name, vm in old.vms.items():
        if name not in new.vms:
            yield from _remove_vm(old.hosts[vm.host], vm)
    for name, host in old.hosts.items():
        if name not in new.hosts:
            yield from _remove_host(old, host)
    if everybody != new.vteps:
        for name in new.hosts:
            yield op.SetVteps(name, new.vteps)


def _spine(old: Plan, new: Plan) -> Iterator[op.Operation]:
    if new.spine is None:
        return
    if old.spine is None:
        yield op.MakeNamespace(new.spine, op.Profile.SPINE)
        yield op.MakeBridge(new.spine, new.mtu)
    elif old.mtu != new.mtu:
        yield op.SetMtu(new.spine, BRIDGE, new.mtu)


def _host(spine: str | None, old: HostSpec | None, new: HostSpec) -> Iterator[op.Operation]:
    """A host that is new, or the differences of one that was there."""
    assert spine is not None
    if old is None:
        yield op.MakeNamespace(new.namespace, op.Profile.HOST)
        yield op.MakeUplink(spine, new.spine_link, new.name, new.namespace, new.mtu)
    elif old.mtu != new.mtu:
        yield op.SetMtu(spine, new.spine_link, new.mtu)
        yield op.SetMtu(new.namespace, UNDERLAY, new.mtu)
    before = None if old is None else old.address
    if before != new.address:
        yield op.AddAddress(new.namespace, UNDERLAY, new.address)
        if before is not None:
            yield op.RemoveAddress(new.namespace, UNDERLAY, before)
        yield op.AddDefault(new.namespace, UNDERLAY, new.address.version)


def _give_way(old: Plan, new: Plan) -> Iterator[op.Operation]:
    """VMs whose place on a host (segment and MAC) another VM takes leave it first: a renamed one, or two that swap."""
    taken = {_place(vm): name for name, vm in new.vms.items()}
    for name, vm in old.vms.items():
        if taken.get(_place(vm), name) != name:
            yield op.Detach(old.hosts[vm.host], name)


def _place(vm: VmSpec) -> tuple[str, int, Mac]:
    return vm.host, vm.port.vni, vm.mac


def _vm(before: Plan, after: Plan, old: VmSpec | None, new: VmSpec) -> Iterator[op.Operation]:
    """A VM that is new, or the differences of one that was there."""
    if old == new:
        return
    host = after.hosts[new.host]
    if (
        old is not None
        and (old.namespace is None or new.namespace is None)
        and (old.namespace, old.host)
        != (
            new.namespace,
            new.host,
        )
    ):
        # A tap cannot leave its host, nor become a namespace: make it anew.
        yield from _remove_vm(before.hosts[old.host], old)
        old = None
    if new.namespace is None:
        if old is None:
            yield op.MakeTap(host.namespace, new.port.interface, new.name)
    else:
        yield from _machine(before, host, old, new, new.namespace)
    if old is None or (old.host, old.port) != (new.host, new.port):
        yield op.Attach(new.host, new.port)


def _machine(before: Plan, host: HostSpec, old: VmSpec | None, new: VmSpec, namespace: str) -> Iterator[op.Operation]:
    """The namespace of a VM, its wire to the host, and what is set inside."""
    link = new.port.interface
    if old is None:
        yield op.MakeNamespace(namespace, op.Profile.VM)
    if new.forward != (old is not None and old.forward):
        yield op.SetForwarding(namespace, new.forward)
    if old is not None and old.mac != new.mac:
        # The link-local address follows the MAC; a new link is how guests see a new NIC.
        yield op.Detach(before.hosts[old.host], old.name)
        yield op.RemoveLink(before.hosts[old.host].namespace, link)
    if old is None or old.mac != new.mac:
        yield op.MakeWire(host.namespace, link, new.name, namespace, new.mac, new.mtu)
        yield from _inside(None, new, namespace)
        return
    if old.host != new.host:
        yield op.Detach(before.hosts[old.host], old.name)
        yield op.MoveLink(link, before.hosts[old.host].namespace, host.namespace)
    if old.mtu != new.mtu:
        yield op.SetMtu(namespace, ETH0, new.mtu)
    yield from _inside(old, new, namespace)


def _inside(old: VmSpec | None, new: VmSpec, namespace: str) -> Iterator[op.Operation]:
    """What DHCP and router advertisements would set in a VM whose eth0 has what `old` says (None: nothing)."""
    addresses = () if old is None else old.addresses
    gateways = () if old is None else old.gateways
    for address in new.addresses:
        if address not in addresses:
            yield op.AddAddress(namespace, ETH0, address)
    for address in addresses:
        if address not in new.addresses:
            yield op.RemoveAddress(namespace, ETH0, address)
    if (addresses, gateways) != (new.addresses, new.gateways):
        # Removing the last address of a family takes its routes along, hence all of them again.
        for gateway in new.gateways:
            yield op.AddDefault(namespace, ETH0, gateway.version, gateway)
    for version in {gateway.version for gateway in gateways} - {gateway.version for gateway in new.gateways}:
        yield op.RemoveDefault(namespace, version)


def _remove_vm(host: HostSpec, vm: VmSpec) -> Iterator[op.Operation]:
    yield op.Detach(host, vm.name)
    yield op.RemoveLink(host.namespace, vm.port.interface)
    if vm.namespace is not None:
        yield op.RemoveNamespace(vm.namespace)


def _remove_host(plan: Plan, host: HostSpec) -> Iterator[op.Operation]:
    yield op.RemovePlane(host)
    if plan.spine is not None:
        # The kernel takes its time over a namespace; a host of the same name must not meet the old link.
        yield op.RemoveLink(plan.spine, host.spine_link)
    yield op.RemoveNamespace(host.namespace)
