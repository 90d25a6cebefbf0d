"""Compile bpf/triptych.bpf.c: `python -m triptych.drivers.ebpf.build [SOURCES]`.

The Makefile and the wheel's build hook both call this, so there is one command line
for the compiler. It needs clang, the kernel's user-space headers and libbpf's
headers; the object then runs on any kernel (it has no CO-RE relocations).
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from triptych.errors import EnvironmentError_, MissingToolError

OBJECT = Path(__file__).with_name("objects") / "triptych.bpf.o"
SOURCES = Path(__file__).parents[4] / "bpf"
_CLANGS = ("clang", *(f"clang-{version}" for version in range(22, 11, -1)))
_PACKAGES = "clang, libbpf-dev and linux-libc-dev"


def find_clang() -> str:
    """The newest clang on the path; MissingToolError when there is none."""
    for name in _CLANGS:
        found = shutil.which(name)
        if found:
            return found
    raise MissingToolError(f"clang is not installed, which compiles the eBPF programs; install {_PACKAGES}")


def command(clang: str, source: Path, output: Path) -> list[str]:
    """The compiler's command line. `asm/types.h` lives in a directory named after the machine on Debian."""
    multiarch = Path(f"/usr/include/{platform.machine()}-linux-gnu")
    include = [f"-I{multiarch}"] if multiarch.is_dir() else []
    flags = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-Werror"]
    return [clang, *flags, *include, "-c", str(source), "-o", str(output)]


def build(sources: Path = SOURCES, output: Path = OBJECT) -> Path:
    """Compile `sources`/triptych.bpf.c into `output`, which appears whole or not at all.

    Raises MissingToolError without clang, EnvironmentError_ with the compiler's words when it refuses.
    """
    source = sources / "triptych.bpf.c"
    if not source.is_file():
        raise EnvironmentError_(f"{source} does not exist; give the directory of the BPF sources")
    output.parent.mkdir(parents=True, exist_ok=True)
    spare = output.with_name(f".{os.getpid()}-{output.name}")
    try:
        done = subprocess.run(command(find_clang(), source, spare), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EnvironmentError_(f"clang refused {source} (are {_PACKAGES} installed?):\n{done.stderr.strip()}")
        spare.rename(output)
    finally:
        spare.unlink(missing_ok=True)
    return output


def main() -> int:
    """The command: 0 when compiled, 1 with one message on standard error when not."""
    parser = argparse.ArgumentParser(prog="python -m triptych.drivers.ebpf.build", description=main.__doc__)
    parser.add_argument("sources", nargs="?", type=Path, default=SOURCES, help="directory of triptych.bpf.c")
    parser.add_argument("--output", type=Path, default=OBJECT, help="object file to write")
    arguments = parser.parse_args()
    try:
        build(arguments.sources, arguments.output)
    except EnvironmentError_ as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
