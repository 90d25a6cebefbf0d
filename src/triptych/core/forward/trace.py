"""`triptych trace`: one packet of a VM, host by host, with every lookup, rewrite and reason.

The structures here are the documented JSON of `triptych trace -o json`: fields are added,
never renamed. Only the forward direction is followed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from triptych.core.forward.fabric import Fabric, Passage, Visit
from triptych.core.forward.headers import DEFAULT_TTL
from triptych.core.forward.outcome import Lookup, Outcome
from triptych.core.forward.probe import Probe, Protocol, probe
from triptych.core.forward.summary import describe, rewrites
from triptych.core.model import Network
from triptych.core.verdicts import REASON_TEXT, Reason, Verdict


class TraceLookup(msgspec.Struct, frozen=True):
    """One lookup: `row` is null on a miss. `table` is one of the three, or `ports`: the host's attached ports."""

    table: str
    key: dict[str, str | int]
    row: dict[str, Any] | None
    note: str


class TraceStep(msgspec.Struct, frozen=True):
    """What one host did with a frame.

    `phase`: `resolve` (the VM asks for the MAC of its next hop) or `forward` (its packet).
    `came_by`: `port` or `overlay`; `came_from`: the port's name or the VTEP that sent it.
    `vni`: the tunnel's, or null. `frame` and `result` say in one line what came and what left
    (null when nothing did); `sent_to` are ports and VTEPs. `verdict` and `reason` are names of
    `Verdict` and `Reason`, `explanation` a sentence.
    """

    host: str
    phase: str
    came_by: str
    came_from: str
    vni: int | None
    frame: str
    lookups: tuple[TraceLookup, ...]
    rewrites: tuple[str, ...]
    verdict: str
    reason: str
    explanation: str
    sent_to: tuple[str, ...]
    result: str | None


class Trace(msgspec.Struct, frozen=True):
    """A probe and all its steps.

    `verdict`: `delivered`, `flooded`, `answered` (by a host, with an echo reply, a resolution or
    an ICMP error, which `reason` then names), `dropped`, or `lost` (sent to a VTEP that no host has).
    `next_hop` is the address that the VM resolves, `next_hop_mac` what it was told (null: nothing).
    `host` is where the trace ended.
    """

    source: str
    destination: str
    protocol: str
    source_ip: str
    destination_ip: str
    next_hop: str
    next_hop_mac: str | None
    steps: tuple[TraceStep, ...]
    verdict: str
    reason: str
    explanation: str
    host: str
    delivered_to: tuple[str, ...]


def trace(
    network: Network,
    source: str,
    destination: str,
    *,
    protocol: Protocol = Protocol.ICMP,
    dport: int | None = None,
    ttl: int = DEFAULT_TTL,
    fabric: Fabric | None = None,
) -> Trace:
    """Trace from the VM `source` (`tenant/port`) to an address or another `tenant/port`.

    `fabric` says whose rows and whose judgement: by default the rows that `network` should
    have under the reference forwarder. Raises InputError, see `probe`.
    """
    sent = probe(network, source, destination, protocol, dport, ttl)
    return run(sent, source, destination, fabric if fabric is not None else Fabric.declared(network))


def run(sent: Probe, source: str, destination: str, fabric: Fabric) -> Trace:
    """Send a probe through a fabric; `source` and `destination` are as they were asked for."""
    steps: list[TraceStep] = []
    mac = sent.group_mac
    passage: Passage | None = None
    if mac is None or sent.protocol is Protocol.ARP:
        passage = fabric.send(sent.host, source, sent.question())
        steps += [_step("resolve", visit) for visit in passage.visits]
        answer = passage.visits[0].outcome
        # Both an ARP reply and an advertisement come, as frames, from the MAC that was asked for.
        mac = type(sent.port.mac)(answer.frame[6:12]) if answer.verdict is Verdict.REPLY else None
    if mac is not None and sent.protocol is not Protocol.ARP:
        passage = fabric.send(sent.host, source, sent.packet(mac))
        steps += [_step("forward", visit) for visit in passage.visits]
    assert passage is not None, "a probe sends a question or a packet"
    last = passage.visits[-1]
    verdict = _overall(passage)
    return Trace(
        source=source,
        destination=destination,
        protocol=sent.protocol.value,
        source_ip=str(sent.source),
        destination_ip=str(sent.destination),
        next_hop=str(sent.next_hop),
        next_hop_mac=None if mac is None else str(mac),
        steps=tuple(steps),
        verdict=verdict,
        reason=last.outcome.reason.name,
        explanation=_lost(passage) if verdict == "lost" else explain(last.outcome),
        host=last.host,
        delivered_to=tuple(port for port, _ in passage.delivered),
    )


def _overall(passage: Passage) -> str:
    first = passage.visits[0].outcome
    if first.verdict is Verdict.FLOOD:
        return "flooded"
    if passage.delivered:
        return "delivered"
    if passage.lost:
        return "lost"
    return "answered" if first.verdict is Verdict.REPLY else "dropped"


def _step(phase: str, visit: Visit) -> TraceStep:
    outcome = visit.outcome
    leaves = outcome.verdict not in (Verdict.DROP, Verdict.PASS)
    return TraceStep(
        host=visit.host,
        phase=phase,
        came_by="overlay" if visit.port is None else "port",
        came_from=str(visit.underlay) if visit.port is None else visit.port,
        vni=visit.vni,
        frame=describe(visit.frame),
        lookups=tuple(_lookup(item) for item in outcome.lookups),
        rewrites=rewrites(visit.frame, outcome.frame) if outcome.verdict in (Verdict.LOCAL, Verdict.ENCAP) else (),
        verdict=outcome.verdict.name,
        reason=outcome.reason.name,
        explanation=explain(outcome),
        sent_to=_targets(outcome),
        result=describe(outcome.frame) if leaves else None,
    )


def _lookup(item: Lookup) -> TraceLookup:
    return TraceLookup(item.table, item.key, item.row, item.note)


def _targets(outcome: Outcome) -> tuple[str, ...]:
    named = () if outcome.port is None else (outcome.port,)
    tunnels = outcome.flood_vteps if outcome.vtep is None else (outcome.vtep,)
    return (*named, *outcome.flood_ports, *map(str, tunnels))


def explain(outcome: Outcome) -> str:
    """An outcome in a sentence."""
    why = REASON_TEXT[outcome.reason]
    if outcome.verdict is Verdict.DROP:
        return f"dropped: {why}"
    if outcome.verdict is Verdict.REPLY:
        return "answered on the spot" if outcome.reason is Reason.NONE else f"dropped, and its sender told so: {why}"
    if outcome.verdict is Verdict.LOCAL:
        return f"delivered to {outcome.port}"
    if outcome.verdict is Verdict.ENCAP and outcome.outer:
        return f"passed on to {outcome.vtep}, where the port is now, with one hop less to live"
    if outcome.verdict is Verdict.ENCAP:
        return f"sent to {outcome.vtep} in VXLAN with VNI {outcome.vni}"
    if outcome.verdict is Verdict.FLOOD:
        return f"replicated to {len(outcome.flood_vteps)} hosts and {len(outcome.flood_ports)} local ports"
    return "left to the host's own stack"


def _lost(passage: Passage) -> str:
    return f"sent to {', '.join(map(str, passage.lost))}, which is no host's VTEP"
