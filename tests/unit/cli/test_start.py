"""What a command costs before it does anything."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("triptych.bench", "triptych.lab", "cryptography", "grpc", "httpx", "litestar", "pyroute2", "structlog")
"""What only some commands need."""


def test_a_command_loads_what_it_needs() -> None:
    """No command loads the bench, the lab, or what daemons and clients are made of, before it is their turn."""
    code = f"import sys, triptych.cli; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
