"""The eBPF data plane of a Linux host: tc programs, pinned maps, one VXLAN device.

`EbpfDriver` is the driver, `PinnedPlane` reads and tries out what is pinned without
taking part, `build` compiles the programs. The first two are imported when they are
asked for: `build` runs where the package's own requirements are not installed yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triptych.drivers.ebpf.driver import EbpfDriver
    from triptych.drivers.ebpf.pinned import PinnedPlane
    from triptych.drivers.ebpf.trace import Decision, Entry, TestRun

__all__ = ["Decision", "EbpfDriver", "Entry", "PinnedPlane", "TestRun"]

_HOMES = {
    "EbpfDriver": "driver",
    "PinnedPlane": "pinned",
    "Decision": "trace",
    "Entry": "trace",
    "TestRun": "trace",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
