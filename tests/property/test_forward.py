"""Random packets: the forwarder always has an answer that makes sense, and the packets reach every one of them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.compile import host_rows
from triptych.core.forward import (
    Host,
    IcmpFate,
    Outcome,
    encapsulate,
    from_port,
    from_underlay,
)
from triptych.core.forward.tunnel import open_outer
from triptych.core.local import HostConfig, local_ports, overlay_mtu
from triptych.core.model import Network
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.networks import networks
from triptych.testing.packets import World, frames, port_frames, underlay_packets
from triptych.testing.sample_host import sample_host

PACKETS = 30_000
HOSTS = {family: sample_host(family) for family in (4, 6)}

NOT_FROM_A_PORT = {
    Reason.UNKNOWN_VTEP: "only a tunnel has an outer source",
    Reason.MALFORMED_TUNNEL: "only a tunnel has a VXLAN header",
    Reason.PASS_ON_EXPIRED: "only a tunnel has an outer TTL",
    Reason.UNKNOWN_PORT: "frames() sends from attached ports; an interface without a port is a test of its own",
}
FROM_THE_OVERLAY = {
    Reason.NONE,
    Reason.UNKNOWN_VTEP,
    Reason.MALFORMED_TUNNEL,
    Reason.VLAN_TAGGED,
    Reason.BUM,
    Reason.NO_LOCAL_PORT,
    Reason.PASS_ON_EXPIRED,
    Reason.ENCAP_FAILED,
}
FROM_THE_OVERLAY_COUNTED = {
    Event.LOCAL,
    Event.ENCAP,
    Event.DECAP,
    Event.FLOODED,
    Event.FLOOD_COPIES,
    Event.PASSED_ON,
}


def tally(outcomes: list[Outcome]) -> tuple[set[Verdict], set[Reason], set[Event]]:
    """Which verdicts, reasons and events occurred."""
    return (
        {outcome.verdict for outcome in outcomes},
        {outcome.reason for outcome in outcomes},
        {event for outcome in outcomes for event in outcome.events},
    )


@pytest.mark.parametrize("family", [4, 6])
def test_random_frames_reach_every_verdict_reason_and_event_of_a_port(family: int) -> None:
    """Every reason but those that a port cannot cause, each for a stated cause; verdicts and events likewise."""
    host = HOSTS[family]
    rng = Random(family)
    outcomes = [from_port(host, port, frame, lambda: rng.random() < 0.9) for port, frame in frames(host, rng, PACKETS)]
    verdicts, reasons, events = tally(outcomes)
    for reason, why in NOT_FROM_A_PORT.items():
        print(f"not reachable from a port: {reason.name}: {why}")  # noqa: T201 - shown by pytest -s
    assert set(Reason) - reasons == set(NOT_FROM_A_PORT)
    assert set(Verdict) - verdicts == {Verdict.PASS}
    # ENCAP_DEVICE says how a kernel sends, the others what came from the overlay.
    assert set(Event) - events == {Event.ENCAP_DEVICE, Event.DECAP, Event.PASSED_ON}
    assert {outcome.icmp for outcome in outcomes} == set(IcmpFate)


@pytest.mark.parametrize("family", [4, 6])
def test_random_packets_reach_every_reason_and_event_of_the_overlay(family: int) -> None:
    """Outer packets meet exactly the reasons that the page names for them."""
    host = HOSTS[family]
    outcomes = [from_underlay(host, packet) for packet in underlay_packets(host, Random(family), PACKETS // 3)]
    verdicts, reasons, events = tally(outcomes)
    assert set(Verdict) - verdicts == {Verdict.REPLY}
    assert reasons == FROM_THE_OVERLAY
    assert events == FROM_THE_OVERLAY_COUNTED


def test_the_same_seed_gives_the_same_packets() -> None:
    """The generator depends on the seed and the host alone."""
    host = HOSTS[4]
    runs = [list(frames(sample_host(), Random(11), 500)) for _ in range(2)]
    assert runs[0] == runs[1] == list(frames(World(host), Random(11), 500))
    assert runs[0] != list(frames(host, Random(12), 500))


def check(host: Host, port: str, frame: bytes, outcome: Outcome) -> None:
    """What must hold of every outcome of a frame from a port."""
    assert from_port(host, port, frame) == outcome
    dropped = outcome.verdict is Verdict.DROP
    assert dropped == (outcome.reason is not Reason.NONE and outcome.icmp is not IcmpFate.SENT)
    if dropped:
        assert outcome.frame == frame
    elif outcome.verdict is Verdict.REPLY:
        assert outcome.port == port
        assert outcome.frame[0:6] in (frame[6:12], b"\x33\x33\0\0\0\1")
    else:
        assert len(outcome.frame) == len(frame)
        assert outcome.frame[12:22] == frame[12:22] or Event.ROUTED in outcome.events
    if outcome.verdict is Verdict.ENCAP:
        outer = open_outer(HostConfig("peer", outcome.vtep or host.config.vtep), encapsulate(host, outcome))
        assert outer is not None
        assert (outer.vni, outer.inner, outer.source) == (outcome.vni, outcome.frame, host.config.vtep)
    assert all(lookup.found is None or lookup.row is not None for lookup in outcome.lookups)


@given(port_frames(HOSTS[4]))
def test_an_outcome_is_consistent(sent: tuple[str, bytes]) -> None:
    """Same frame, same outcome; drops leave the frame alone, replies go back, tunnels open to what was put in."""
    check(HOSTS[4], *sent, from_port(HOSTS[4], *sent))


@given(st.binary(max_size=120), st.sampled_from([port.name for port in HOSTS[6].ports]))
def test_any_bytes_have_an_outcome(frame: bytes, port: str) -> None:
    """Bytes without any meaning are judged, never an exception; behind the port's own MAC too."""
    attached = HOSTS[6].attached(port)
    assert attached is not None
    for raw in (frame, frame[:6] + attached.port.mac + frame[12:]):
        check(HOSTS[6], port, raw, from_port(HOSTS[6], port, raw))
    assert from_underlay(HOSTS[6], frame).verdict in (Verdict.PASS, Verdict.DROP)


@given(networks(), st.integers(0, 2**32))
def test_in_any_network_isolation_holds(network: Network, seed: int) -> None:
    """Whatever a VM sends is delivered or tunnelled only into segments of its own router, or its own segment."""
    reach = {
        segment.vni: {
            other.vni
            for other in network.segments
            if other.vni == segment.vni
            or (segment.router is not None and (other.tenant, other.router) == (segment.tenant, segment.router))
        }
        for segment in network.segments
    }
    vteps = [host.underlay for host in network.hosts]
    verdicts: Counter[Verdict] = Counter()
    for item in network.hosts:
        config = HostConfig(item.name, item.underlay, overlay_mtu=overlay_mtu(item.underlay, 1500))
        host = Host(config, host_rows(network, item.name), local_ports(network, item.name), vteps)
        vni_of = {port.name: port.vni for port in host.ports}
        for port, frame in frames(host, Random(seed), 40):
            outcome = from_port(host, port, frame)
            check(host, port, frame, outcome)
            verdicts[outcome.verdict] += 1
            receivers = {vni_of[name] for name in (outcome.port, *outcome.flood_ports) if name is not None}
            assert receivers <= reach[vni_of[port]]
            assert outcome.vni is None or outcome.vni in reach[vni_of[port]]
    assert Verdict.PASS not in verdicts
