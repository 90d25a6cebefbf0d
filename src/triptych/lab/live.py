"""A lab's loaded programs as planes of a fabric: what `triptych trace --live` asks.

The verdict, the reason and the bytes are the pinned program's own
(BPF_PROG_TEST_RUN). The lookups are read from the same kernel maps by the reference
forwarder, so that a trace can say which rows decided. Where the two disagree the
trace says so instead of hiding it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

import msgspec

from triptych.core.addresses import IP
from triptych.core.forward import Fabric, Host, Lookup, Outcome, ReferencePlane
from triptych.core.local import HostConfig
from triptych.core.verdicts import Verdict
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.drivers.ebpf.trace import Decision, Entry, TestRun
from triptych.errors import InputError
from triptych.lab.lab import Lab
from triptych.lab.planes import pin_directory

_ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_OUTER_SIZE = {4: 14 + 20 + 16, 6: 14 + 40 + 16}
_NOBODY = bytes(12)


class LivePlane:
    """One host's pinned programs; see fabric.Plane."""

    def __init__(self, config: HostConfig, plane: PinnedPlane, vteps: tuple[IP, ...]) -> None:
        self._plane = plane
        self._config = config
        self._ports = plane.ports()
        self._reference = ReferencePlane(Host(config, plane.load(), self._ports.values(), vteps))

    def receive(self, port: str, frame: bytes) -> Outcome:
        """A frame of a VM through `from_port`."""
        expected = self._reference.receive(port, frame)
        run = self._plane.test_run(port, frame)
        return self._outcome(run, frame, expected)

    def receive_underlay(self, packet: bytes) -> Outcome:
        """An outer packet through `from_underlay`; what that leaves to the VXLAN device is judged from the rows."""
        expected = self._reference.receive_underlay(packet)
        run = self._plane.test_run(Entry.UNDERLAY, _NOBODY + _ETHERTYPE[packet[0] >> 4] + packet)
        changed = (Verdict.LOCAL, Verdict.ENCAP)
        if run.decision is not None and (run.decision.by_device or run.decision.verdict not in changed):
            # The VXLAN device takes the outer headers off, or nobody does: the bytes are still the outer packet's.
            run = run._replace(frame=expected.frame)
        return self._outcome(run, expected.frame, expected)

    def encapsulate(self, outcome: Outcome, vtep: IP) -> bytes:
        """The outer packet; made from the decision, since test runs stop short of the interface."""
        return self._reference.encapsulate(outcome, vtep)

    def _outcome(self, run: TestRun, came: bytes, expected: Outcome) -> Outcome:
        decision = run.decision
        if decision is None:
            raise InputError(f"host {self._config.name}: its programs noted no decision; run lab up to load them anew")
        outcome = msgspec.structs.replace(
            expected,
            verdict=decision.verdict,
            reason=decision.reason,
            frame=_inner(run, decision, came),
            port=self._port(decision),
            vni=decision.vni if decision.verdict in (Verdict.ENCAP, Verdict.FLOOD) else None,
            vtep=decision.vtep if decision.verdict is Verdict.ENCAP else None,
        )
        same = (outcome.verdict, outcome.reason, outcome.port, outcome.vni, outcome.vtep) == (
            expected.verdict,
            expected.reason,
            expected.port,
            expected.vni,
            expected.vtep,
        )
        said = f"decided by the loaded program: {decision.verdict.name}"
        if not same:
            said += f"; the reference forwarder says {expected.verdict.name} {expected.reason.name} from the same rows"
        return _noted(outcome, said)

    def _port(self, decision: Decision) -> str | None:
        if decision.verdict not in (Verdict.LOCAL, Verdict.REPLY):
            return None
        port = self._ports.get(decision.ifindex)
        return port.name if port is not None else f"#{decision.ifindex}"


class LiveFabric(AbstractContextManager[Fabric]):
    """The fabric of a running lab's loaded programs, for as long as the block runs."""

    def __init__(self, lab: Lab) -> None:
        if lab.options.driver != "ebpf":
            raise InputError(
                f"lab {lab.name}: has no loaded programs, its driver is {lab.options.driver}; leave out --live"
            )
        self._lab = lab
        self._stack = ExitStack()

    def __enter__(self) -> Fabric:
        hosts = self._lab.plan.hosts
        return Fabric({spec.config.vtep: name for name, spec in hosts.items()}, self._plane)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _plane(self, name: str) -> LivePlane:
        spec = self._lab.plan.hosts[name]
        pinned = self._stack.enter_context(PinnedPlane(pin_directory(spec), spec.namespace))
        return LivePlane(spec.config, pinned, self._lab.plan.vteps)


def _inner(run: TestRun, decision: Decision, came: bytes) -> bytes:
    """The inner frame as it leaves: a program that encapsulates hands back the outer headers too."""
    if decision.verdict in (Verdict.DROP, Verdict.FLOOD, Verdict.PASS):
        return came
    if decision.verdict is Verdict.ENCAP and not decision.by_device:
        return run.frame[_OUTER_SIZE[6 if run.frame[12:14] == _ETHERTYPE[6] else 4] :]
    return run.frame


def _noted(outcome: Outcome, note: str) -> Outcome:
    if not outcome.lookups:
        return outcome
    *before, last = outcome.lookups
    noted = Lookup(last.table, last.scope, last.sought, last.found, f"{last.note}; {note}")
    return msgspec.structs.replace(outcome, lookups=(*before, noted))


__all__ = ["LiveFabric", "LivePlane"]
