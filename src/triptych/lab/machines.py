"""Commands inside a namespace of a lab."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from triptych.errors import CommandError
from triptych.kernel.netns import NetnsThread


def start(namespace: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command in a network namespace; `options` are those of subprocess.Popen.

    A child is born in the namespace of the thread that makes it, so nothing has to
    happen between fork and exec; mounts are the caller's, /sys/fs/bpf among them.
    Raises CommandError when there is no such command, or it cannot be run.
    """
    with NetnsThread(namespace) as thread:
        try:
            return thread.run(lambda: subprocess.Popen(list(argv), **options))
        except OSError as error:
            code = 127 if isinstance(error, FileNotFoundError) else 126
            raise CommandError(argv[0], str(error.strerror), code) from error


def wait(process: subprocess.Popen[Any]) -> int:
    """The exit code of a command, as a shell gives it: 128 + number for one that a signal ended."""
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # The terminal sent it to the command as well, and it decides what to make of it.
            continue
        return code if code >= 0 else 128 - code
