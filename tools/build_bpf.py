"""Compile the eBPF data plane: every `bpf/*.bpf.c` to an object inside the package.

Standard library only, so that it runs in an empty build environment (the wheel's
build hook), in a checkout (`make bpf`) and in tests alike. Python 3.11 and later.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "bpf"
OBJECTS = ROOT / "src" / "triptych" / "drivers" / "ebpf" / "objects"

FLAGS = (
    "-O2",
    "-g",  # BTF: the loader reads map layouts from it, a test compares the records with it
    "-target",
    "bpf",
    "-mcpu=v3",  # 32-bit jumps and ALU: Linux 5.1 and later
    "-Wall",
    "-Wextra",
    "-Werror",
)


class BuildError(Exception):
    """The object could not be made; the text says what to install or what clang said."""


def includes() -> list[str]:
    """Where Debian keeps <asm/types.h>: the BPF target has no multiarch folder of its own."""
    folder = Path(f"/usr/include/{platform.machine()}-linux-gnu")
    return [f"-I{folder}"] if folder.is_dir() else []


def command(source: Path, target: Path) -> list[str]:
    """The command that compiles `source` into `target`."""
    return ["clang", *FLAGS, *includes(), "-c", str(source), "-o", str(target)]


def stale(target: Path) -> bool:
    """True when `target` is missing or older than any BPF source, header or this file."""
    if not target.exists():
        return True
    made = target.stat().st_mtime
    inputs = [Path(__file__), *SOURCES.rglob("*.[ch]")]
    return any(path.stat().st_mtime > made for path in inputs)


def build(force: bool = False) -> list[Path]:
    """Compile what is out of date; the objects, all of them. Raises BuildError."""
    objects = []
    for source in sorted(SOURCES.glob("*.bpf.c")):
        target = OBJECTS / f"{source.name.removesuffix('.c')}.o"
        objects.append(target)
        if force or stale(target):
            _compile(source, target)
    if not objects:
        raise BuildError(f"no *.bpf.c in {SOURCES}; the sources are incomplete")
    return objects


def _compile(source: Path, target: Path) -> None:
    if shutil.which("clang") is None:
        raise BuildError("clang is missing; as root: apt-get install clang llvm libbpf-dev linux-libc-dev")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    done = subprocess.run(command(source, partial), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        partial.unlink(missing_ok=True)
        raise BuildError(f"clang refused {source.name}:\n{done.stderr.strip()}")
    _strip(partial)
    # Whoever loads the object meanwhile sees the old one or the new one, never half of it.
    partial.replace(target)
    print(f"compiled {target.name}", file=sys.stderr)


def _strip(target: Path) -> None:
    """Drop DWARF, which nothing reads at run time; BTF stays. Without llvm-strip the object is only larger."""
    if shutil.which("llvm-strip"):
        subprocess.run(["llvm-strip", "-g", str(target)], check=True)


def main() -> int:
    """Command line: `build_bpf.py [--force]`."""
    try:
        build(force="--force" in sys.argv[1:])
    except BuildError as error:
        print(f"build_bpf: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
