"""One change of a lab from beginning to end, and the end of a lab.

What is about to happen is written down before it does. So a change that was cut
short, by an error or by the power, is known as such: the next one first removes
whatever it may have touched, and then goes on from what is certain.
"""

from __future__ import annotations

import msgspec

from triptych.core.compile import host_rows
from triptych.core.model import Network, Port
from triptych.drivers.base import Applied
from triptych.errors import DataPlaneError, InputError, NotFoundError
from triptych.lab import names, namespaces, planes, state
from triptych.lab.apply import Progress, no_progress, perform
from triptych.lab.daemons import end_below
from triptych.lab.plan import Options, Plan, make_plan, vm_name
from triptych.lab.state import Declared, State
from triptych.lab.steps import changes, settle, steps


class Changed(msgspec.Struct, frozen=True):
    """What a change did: operations besides rows, and the rows written, removed and refused."""

    operations: int
    rows: Applied


def change(name: str, network: Network, options: Options, plan: Plan, progress: Progress) -> Changed:
    """Bring the lab, which must be locked, to `plan`; one that was not there and fails is not there afterwards."""
    try:
        before = state.read(name)
    except NotFoundError:
        before = State()
    running = before.applied.options if before.applied is not None else options
    for what in ("driver", "control"):
        if getattr(running, what) != getattr(options, what):
            raise InputError(
                f"lab {name}: runs with {what} {getattr(running, what)}, not {getattr(options, what)};"
                f" run triptych lab down --name {name} first, or choose another --name"
            )
    target = Declared.of(network, options)
    if options.driver == "sim":
        state.write(name, State(applied=target))
        return Changed(0, Applied())
    if before == State():
        # Nothing is known of such a lab, so what carries its name is in the way.
        demolish(name)
    try:
        return _change(name, before, network, target, plan, progress)
    except BaseException:
        if before == State():
            demolish(name)
            state.forget(name)
        raise


def _change(name: str, before: State, network: Network, target: Declared, plan: Plan, progress: Progress) -> Changed:
    attempts = [_plan_of(name, attempt) for attempt in before.attempts]
    repairs, certain = settle(_plan_of(name, before.applied), attempts)
    operations = (*repairs, *steps(certain, plan))
    state.write(name, State(applied=before.applied, attempts=(*before.attempts, target)))
    rows = perform(operations, _planes(name, network, target.options), progress)
    state.write(name, State(applied=Declared.of(_attached(name, network, target.options), target.options)))
    return Changed(changes(operations), rows)


def _planes(name: str, network: Network, options: Options) -> planes.Planes:
    if options.control == "direct":
        return planes.DirectPlanes(lambda host: host_rows(network, host))
    # Here and not above: who writes data planes directly needs neither HTTP nor certificates.
    from triptych.lab.control import AgentPlanes

    return AgentPlanes(name, network)


def _attached(name: str, network: Network, options: Options) -> Network:
    """The network with what attaching adds, the generations of ports."""
    if options.control == "direct":
        return network
    from triptych.lab.fleet import Fleet

    fleet = Fleet(name)
    raised: dict[str, int] = {}
    for host in network.hosts:
        with fleet.local(host.name) as agent:
            for port in agent.ports():
                # A host that has lost a port may still tell of it.
                raised[port.port] = max(raised.get(port.port, 0), port.generation)
    return Network(
        msgspec.structs.replace(item, generation=raised.get(vm_name(item), 0)) if isinstance(item, Port) else item
        for item in network
    )


def _plan_of(name: str, declared: Declared | None) -> Plan:
    return Plan() if declared is None else make_plan(name, declared.read(), declared.options)


def traces(name: str) -> tuple[list[str], list[str]]:
    """The namespaces and the pin directories that carry the name of a lab."""
    prefix = names.prefix(name)
    return namespaces.beginning_with(prefix), planes.pins_beginning_with(prefix)


def demolish(name: str, progress: Progress = no_progress) -> bool:
    """Remove everything that carries the name of a lab; False when nothing did.

    Goes by names alone, so that it works whatever condition the lab is in. What cannot be
    removed does not spare the rest; DataPlaneError names it.
    """
    # Daemons first: an agent would mourn, and might mend, what is removed under it.
    ended = end_below(state.directory(name))
    machines, pins = traces(name)
    total = len(machines) + len(pins)
    namespaces.end_processes(machines)
    left = []
    for done, (remove, what) in enumerate(
        [*((namespaces.remove, machine) for machine in machines), *((planes.remove_pins, pin) for pin in pins)]
    ):
        progress(f"remove {what}", done, total)
        try:
            remove(what)
        except OSError as error:
            left.append(f"{what} ({error.strerror})")
    progress("done", total, total)
    if left:
        raise DataPlaneError(
            f"lab {name}: could not remove {', '.join(left)}; run triptych lab down --name {name} again"
        )
    return total + ended > 0
