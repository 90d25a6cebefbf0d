"""Any change of a lab leads to the lab that would have been built at once, and nothing more is done than differs."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lab.networks import NETWORK, edited, plan_of, plans, without
from tests.unit.lab.world import World, fresh
from triptych.core.addresses import Mac
from triptych.core.model import Key, Kind, Network
from triptych.lab import operations as op
from triptych.lab.plan import Plan
from triptych.lab.steps import changes, settle, steps


@given(plans())
def test_what_steps_build_is_what_the_plan_says(plan: Plan) -> None:
    """Building a plan from nothing makes its machines, addresses and ports, and no others."""
    world = fresh(plan)
    machines = {host.namespace for host in plan.hosts.values()} | {plan.spine}
    machines |= {vm.namespace for vm in plan.vms.values() if vm.namespace is not None}
    assert set(world.namespaces) == machines
    for vm in plan.vms.values():
        assert world.planes[vm.host].ports[vm.name] == vm.port
        if vm.namespace is not None:
            assert world.links[vm.namespace, "eth0"].addresses == set(vm.addresses)
            assert world.links[vm.namespace, "eth0"].mtu == vm.mtu
            assert world.namespaces[vm.namespace] == (op.Profile.VM, vm.forward)
            for gateway in vm.gateways:
                assert world.defaults[vm.namespace, gateway.version] == gateway
    for host in plan.hosts.values():
        assert (world.planes[host.name].config, world.planes[host.name].vteps) == (host.config, plan.vteps)


@given(plans(), plans())
def test_a_changed_lab_is_the_lab_built_at_once(old: Plan, new: Plan) -> None:
    """From any lab to any other: the same machines, links, addresses, routes and ports as when built from nothing."""
    assert fresh(old).run(steps(old, new)) == fresh(new)


@given(plans(), plans(), plans(), st.data())
def test_a_change_that_is_cut_short_is_repaired(old: Plan, middle: Plan, new: Plan, data: st.DataObject) -> None:
    """Cut off a change anywhere, and another one after it: the next whole change leads where it should."""
    world = fresh(old)
    first = steps(old, middle)
    world.run(first[: data.draw(st.integers(0, len(first)))])
    repairs, certain = settle(old, [middle])
    second = (*repairs, *steps(certain, new))
    world.run(second[: data.draw(st.integers(0, len(second)))])
    repairs, certain = settle(old, [middle, new])
    assert world.run((*repairs, *steps(certain, new))) == fresh(new)


@given(plans())
def test_equal_plans_change_nothing(plan: Plan) -> None:
    """Bringing a lab to what it is opens the data planes, audits their rows, and changes nothing else."""
    assert changes(steps(plan, plan)) == 0


@given(plans(), plans())
def test_rows_are_written_when_all_they_refer_to_is_there(old: Plan, new: Plan) -> None:
    """When the first rows are written every port is attached; what goes, goes after the last, or makes room."""
    operations = steps(old, new)
    rows = [index for index, operation in enumerate(operations) if isinstance(operation, op.WriteRows)]
    attach = [index for index, operation in enumerate(operations) if isinstance(operation, op.Attach)]
    assert all(index < rows[0] for index in attach)
    places = {(vm.host, vm.port.vni, vm.mac) for vm in new.vms.values()}
    gone = {
        name for name, vm in old.vms.items() if name not in new.vms and (vm.host, vm.port.vni, vm.mac) not in places
    }
    for index, operation in enumerate(operations):
        if isinstance(operation, op.Detach) and operation.name in gone:
            assert index > rows[-1]


def _only(operations: tuple[op.Operation, ...]) -> list[op.Operation]:
    audit = op.OpenPlane | op.SetVteps | op.WriteRows
    return [operation for operation in operations if not isinstance(operation, audit)]


def test_a_vm_that_moves_keeps_its_eth0() -> None:
    """Moving a VM to another host takes three operations, and none of them is inside the VM."""
    old = plan_of(NETWORK)
    new = plan_of(edited(NETWORK, "acme", "web-1", host="h2"))
    vm = new.vms["acme/web-1"]
    assert _only(steps(old, new)) == [
        op.Detach(old.hosts["h1"], "acme/web-1"),
        op.MoveLink(vm.port.interface, "tri-x:h1", "tri-x:h2"),
        op.Attach("h2", vm.port),
    ]


def test_a_new_mac_is_a_new_nic_in_the_same_machine() -> None:
    """A changed MAC replaces eth0 with all that is set on it, and keeps the namespace."""
    old = plan_of(NETWORK)
    new = plan_of(edited(NETWORK, "acme", "web-1", mac=Mac.parse("02:00:00:00:09:09")))
    kinds = [type(operation).__name__ for operation in _only(steps(old, new))]
    assert kinds == ["Detach", "RemoveLink", "MakeWire", *["AddAddress"] * 2, *["AddDefault"] * 2, "Attach"]


def test_a_renamed_vm_leaves_its_place_before_the_new_name_takes_it() -> None:
    """The same MAC on the same host under another name: the old port is detached before the new one is attached."""
    old = plan_of(NETWORK)
    port = NETWORK.objects[Key(Kind.PORT, "acme", "web-1")]
    renamed = msgspec.structs.replace(port, name="web-one")
    new = plan_of(Network([*without(NETWORK, Kind.PORT, "acme", "web-1").objects.values(), renamed]))
    done = _only(steps(old, new))
    assert done[0] == op.Detach(old.hosts["h1"], "acme/web-1")
    assert done.index(op.Attach("h1", new.vms["acme/web-one"].port)) < done.index(
        op.RemoveNamespace("tri-x:acme:web-1")
    )


def test_an_underlay_mtu_changes_in_place() -> None:
    """Another underlay MTU sets the MTU of every link it concerns, and nothing is made or removed."""
    old = plan_of(NETWORK)
    new = plan_of(NETWORK, underlay_mtu=1500)
    done = _only(steps(old, new))
    assert {type(operation) for operation in done} == {op.SetMtu}
    assert op.SetMtu("tri-x:acme:web-1", "eth0", 1450) in done
    assert len(done) == 1 + 2 * len(new.hosts) + len(new.vms)


def test_settle_keeps_what_nobody_touched() -> None:
    """After a change that was cut short, only what it was about is removed."""
    old = plan_of(NETWORK)
    middle = plan_of(edited(NETWORK, "acme", "web-1", host="h2"))
    repairs, certain = settle(old, [middle])
    vm = old.vms["acme/web-1"]
    assert list(repairs) == [
        op.Detach(old.hosts["h1"], vm.name),
        op.RemoveLink("tri-x:h1", vm.port.interface),
        op.Detach(old.hosts["h2"], vm.name),
        op.RemoveLink("tri-x:h2", vm.port.interface),
        op.RemoveNamespace("tri-x:acme:web-1"),
    ]
    kept = {name: other for name, other in old.vms.items() if name != vm.name}
    assert certain == msgspec.structs.replace(old, vms=kept)


def test_the_world_refuses_bad_order() -> None:
    """The stand-in of these tests fails when a port is attached to a data plane that was not opened."""
    plan = plan_of(NETWORK)
    operations = [item for item in steps(Plan(), plan) if not isinstance(item, op.OpenPlane)]
    try:
        World().run(operations)
    except AssertionError:
        return
    raise AssertionError("the world took operations in a bad order")
