"""The loaded programs and the reference forwarder judge the same random frames."""

from __future__ import annotations

import os
from collections import defaultdict
from random import Random

import pytest

from tests.dataplane.judges.scene import ETHERTYPE, Scene, Tally, compare_port, compare_underlay
from triptych.core.verdicts import Reason, Verdict
from triptych.testing.packets import World, frames, underlay_packets

FRAMES = 6000
_SHORTEST = {b"\x08\x00": 34, b"\x86\xdd": 54}
_ETHERNET = 14


def runs(frame: bytes) -> bool:
    """Whether BPF_PROG_TEST_RUN takes a frame: it wants whole Ethernet and fixed IP headers; wires do not."""
    return len(frame) >= _SHORTEST.get(frame[12:14], _ETHERNET)


def judge(scene: Scene, seed: int, count: int, tally: Tally) -> None:
    """Compare `count` frames drawn with `seed`."""
    by_port: dict[str, list[bytes]] = defaultdict(list)
    for port, frame in frames(World(scene.reference), Random(seed), count):
        if runs(frame):
            by_port[port].append(frame)
    for port, batch in by_port.items():
        compare_port(scene, tally, port, batch)


def judge_underlay(scene: Scene, seed: int, count: int, tally: Tally) -> None:
    """Compare `count` outer packets drawn with `seed`."""
    shortest = _SHORTEST[ETHERTYPE[scene.family]] - _ETHERNET
    drawn = underlay_packets(World(scene.reference), Random(seed), count)
    compare_underlay(scene, tally, [packet for packet in drawn if len(packet) >= shortest])


@pytest.mark.parametrize("family", [4, 6])
def test_random_frames_of_a_port_get_the_same_verdict_and_bytes(family: int) -> None:
    """Over an underlay of either family, thousands of random frames get the verdict and bytes of the forwarder."""
    tally = Tally()
    with Scene(family) as scene:
        judge(scene, seed=family, count=FRAMES, tally=tally)
    tally.check()
    assert tally.compared > FRAMES * 0.9
    assert set(tally.verdicts) == {Verdict.DROP, Verdict.REPLY, Verdict.LOCAL, Verdict.ENCAP, Verdict.FLOOD}


@pytest.mark.parametrize("family", [4, 6])
def test_random_packets_of_the_underlay_get_the_same_verdict_and_bytes(family: int) -> None:
    """What other hosts send, and what only looks like it, gets the verdict and bytes of the forwarder."""
    tally = Tally()
    with Scene(family) as scene:
        judge_underlay(scene, seed=family, count=FRAMES // 4, tally=tally)
    tally.check()
    assert tally.compared > FRAMES // 4 * 0.8
    assert set(tally.verdicts) == set(Verdict) - {Verdict.REPLY}
    assert {Reason.PASS_ON_EXPIRED, Reason.ENCAP_FAILED} < set(tally.reasons)


@pytest.mark.fuzz
@pytest.mark.parametrize("family", [4, 6])
def test_a_million_frames(family: int) -> None:
    """A million random frames in all, half over each underlay family, with seeds that differ from run to run."""
    total = int(os.environ.get("TRIPTYCH_FUZZ_FRAMES", "1000000")) // 2
    seed = int.from_bytes(os.urandom(4), "big")
    tally = Tally()
    with Scene(family) as scene:
        while tally.compared < total:
            judge(scene, seed, 20000, tally)
            judge_underlay(scene, seed, 5000, tally)
            assert not tally.quarrels, f"seed {seed}: {tally.quarrels[0]}"
            seed += 1
