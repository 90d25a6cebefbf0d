"""The one way the eBPF programs are compiled, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from triptych.drivers.ebpf import build
from triptych.drivers.ebpf.libbpf import Image
from triptych.errors import EnvironmentError_, MissingToolError


def test_without_clang_the_message_names_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No clang on the path: MissingToolError that says what to install, and no object appears."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"clang is not installed.*install clang, libbpf-dev and linux-libc-dev"):
        build.build(output=tmp_path / "out.o")
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_does_not_compile_is_refused_in_the_compilers_words(tmp_path: Path) -> None:
    """The compiler's message is in the exception, and the object that was there stays."""
    (tmp_path / "triptych.bpf.c").write_text("int broken(void) { return nothing; }\n")
    output = tmp_path / "out.o"
    output.write_text("before")
    with pytest.raises(EnvironmentError_, match="undeclared identifier 'nothing'"):
        build.build(tmp_path, output)
    assert (output.read_text(), sorted(path.name for path in tmp_path.iterdir())) == (
        "before",
        ["out.o", "triptych.bpf.c"],
    )


def test_the_command_exits_with_one_line_when_sources_are_missing(tmp_path: Path) -> None:
    """`python -m triptych.drivers.ebpf.build NOWHERE`: exit code 1 and one line on standard error."""
    command = [sys.executable, "-m", "triptych.drivers.ebpf.build", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    message = f"{tmp_path / 'triptych.bpf.c'} does not exist; give the directory of the BPF sources\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_a_missing_object_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    """Loading an object that was never compiled: MissingToolError with `make bpf`."""
    with pytest.raises(MissingToolError, match=r"missing at .*nothing\.o; build them with: make bpf"):
        Image.read(tmp_path / "nothing.o")
