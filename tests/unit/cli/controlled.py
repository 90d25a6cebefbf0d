"""A real controller as a process on loopback over SQLite, and the command line pointed at it."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import msgspec

from triptych.cli import main

BEGINS = 60.0
"""Seconds that a controller may take to listen."""


@dataclass(frozen=True)
class Commands:
    """Runs `triptych` with an environment of its own: nothing of the person who runs the tests gets in."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run it in this process, which is quicker; `more` is environment. See `process`."""
        out, err = io.BytesIO(), io.BytesIO()
        reading = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        code = 0
        with (
            patch.dict(os.environ, self.env(**more), clear=True),
            patch.object(sys, "argv", ["triptych", *words]),
            patch.object(sys, "stdin", reading),
            redirect_stdout(io.TextIOWrapper(out, "utf-8", write_through=True)),
            redirect_stderr(io.TextIOWrapper(err, "utf-8", write_through=True)),
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
            said = [stream.getvalue().decode() for stream in (out, err)]
        return subprocess.CompletedProcess(list(words), code, *said)

    def process(self, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run it as a person does."""
        return subprocess.run(
            [sys.executable, "-m", "triptych", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            input=stdin,
            env=self.env(**more),
        )

    def env(self, **more: str) -> dict[str, str]:
        """The whole environment of a command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
        return {**kept, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home), **self.environment, **more}


@dataclass(frozen=True)
class RunningController:
    """Where a controller is, and who may ask it."""

    url: str
    token_file: Path
    process: subprocess.Popen[str]


@contextmanager
def running_controller(folder: Path, *flags: str) -> Iterator[RunningController]:
    """A controller for the length of the block; it is told to stop at the end, and must."""
    token = folder / "token"
    words = ["--listen", "127.0.0.1:0", "--store", f"sqlite:{folder / 'store.db'}", "--bootstrap-token", str(token)]
    process = subprocess.Popen(
        [sys.executable, "-m", "triptych", "controller", *words, *flags],
        stderr=subprocess.PIPE,
        text=True,
        env=Commands(folder).env(),
    )
    try:
        yield RunningController(f"http://127.0.0.1:{_port(process)}", token, process)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def _port(process: subprocess.Popen[str]) -> int:
    """The port that the controller says it listens on."""
    assert process.stderr is not None
    deadline = time.monotonic() + BEGINS
    said = []
    while time.monotonic() < deadline:
        if not select.select([process.stderr], [], [], deadline - time.monotonic())[0]:
            break
        line = process.stderr.readline()
        said.append(line)
        if not line:
            break
        event = msgspec.json.decode(line) if line.startswith("{") else {}
        if event.get("event") == "ready":
            return int(event["port"])
    raise AssertionError(f"the controller did not begin: {''.join(said)}")
