"""What the verifier has to do for each program: recorded in bpf/budget.json, so that growth is a decision."""

from __future__ import annotations

import ctypes
import json
import os
import re
import struct
from pathlib import Path

import pytest

from tests.dataplane.programs.scene import Scene
from triptych.drivers.ebpf.trace import PROGRAMS
from triptych.kernel import bpf, uapi

BUDGET: dict[str, dict[str, int]] = json.loads(
    (Path(__file__).resolve().parents[3] / "bpf" / "budget.json").read_text()
)
# struct bpf_prog_info, as long as its member verified_insns is in it (Linux 5.16).
_VERIFIED_AT, _INFO_SIZE = 216, 232
# Above this the verifier of Linux 5.15 gives up.
_LIMIT = 1_000_000


def test_every_program_has_a_budget() -> None:
    """The budget names each program and no other, well below where any kernel gives up."""
    assert set(BUDGET) == set(PROGRAMS.values())
    assert max(max(counts.values()) for counts in BUDGET.values()) * 5 < _LIMIT


def budget(name: str) -> int:
    """What a program may take here: the count of the newest kernel in the budget that is no newer than this one."""
    counts = {version(kernel): count for kernel, count in BUDGET[name].items()}
    return counts[max((kernel for kernel in counts if kernel <= version(os.uname().release)), default=min(counts))]


def version(release: str) -> tuple[int, int]:
    """The first two numbers of a kernel's release: newer verifiers walk less for the same program."""
    major, minor = re.findall(r"\d+", release)[:2]
    return int(major), int(minor)


@pytest.mark.parametrize("name", BUDGET)
def test_budget(scene: Scene, name: str) -> None:
    """The verifier walks no more instructions than the budget allows (Linux 5.15 does not tell how many)."""
    raw = ctypes.create_string_buffer(_INFO_SIZE)
    fd = bpf.get(str(scene.pins / "progs" / name))
    try:
        request = uapi.Info(fd, _INFO_SIZE, ctypes.addressof(raw))
        bpf.call(uapi.Command.INFO_BY_FD, request)
    finally:
        os.close(fd)
    (verified,) = struct.unpack_from("=I", raw, _VERIFIED_AT)
    assert (verified > 0) == (request.info_len > _VERIFIED_AT)
    assert verified <= budget(name)
