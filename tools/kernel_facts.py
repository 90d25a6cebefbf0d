"""What the hosts of the running lab chose on this kernel, and how much its verifier had to walk.

`tools/kernel_facts.py [LAB]`: one line for each capability of each host, then one for each
program of the last host. Root only; it adopts the data planes as an agent would.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from triptych.drivers.ebpf.trace import PROGRAMS
from triptych.errors import TriptychError
from triptych.kernel import bpf, uapi
from triptych.lab import Lab
from triptych.lab.planes import ebpf_driver, pin_directory

# struct bpf_prog_info, as long as its member verified_insns is in it (Linux 5.16).
_VERIFIED_AT, _INFO_SIZE = 216, 232


def verified(path: str) -> int:
    """How many instructions the verifier walked for a pinned program; 0 when the kernel does not tell."""
    raw = ctypes.create_string_buffer(_INFO_SIZE)
    fd = bpf.get(path)
    try:
        bpf.call(uapi.Command.INFO_BY_FD, uapi.Info(fd, _INFO_SIZE, ctypes.addressof(raw)))
    finally:
        os.close(fd)
    (found,) = struct.unpack_from("=I", raw, _VERIFIED_AT)
    return int(found)


def main() -> int:
    """The command: 0, or 1 with one message on standard error."""
    try:
        lab = Lab.open(sys.argv[1] if len(sys.argv) > 1 else "lab")
        for host in lab.plan.hosts.values():
            driver = ebpf_driver(host)
            driver.open()
            try:
                for item in driver.capabilities():
                    sys.stdout.write(f"{host.name}: {item.name}: {item.chosen}: {item.reason}\n")
            finally:
                driver.close()
        for name in PROGRAMS.values():
            count = verified(str(pin_directory(host) / "progs" / name))
            sys.stdout.write(f"{name}: {count or 'unknown'} instructions verified\n")
    except TriptychError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
