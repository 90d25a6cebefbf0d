"""The logs of a daemon: one line an event, whoever wrote it."""

from __future__ import annotations

import json
import subprocess
import sys

_WRITERS = """
import logging, structlog
from triptych.daemon.logs import configure
configure("info", "{form}")
structlog.get_logger("triptych.ours").info("ready", port=1)
logging.getLogger("triptych.stores").info("lease %d", 7)
logging.getLogger("triptych.stores").debug("unseen")
logging.getLogger("other").info("unseen")
try:
    raise ValueError("deep")
except ValueError:
    logging.getLogger("other").warning("failed", exc_info=True)
"""


def _lines(form: str) -> list[str]:
    """What a process says on stderr; logs are set up once for all of it."""
    command = [sys.executable, "-c", _WRITERS.format(form=form)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr.splitlines()


def test_every_line_is_of_one_form() -> None:
    """What writes to the standard library's logging is JSON with level and time as well, its traceback included."""
    lines = [json.loads(line) for line in _lines("json")]
    assert all(line.pop("timestamp").endswith("Z") for line in lines)
    assert lines.pop().pop("exception").splitlines()[-1] == "ValueError: deep"
    assert lines == [
        {"event": "ready", "port": 1, "level": "info"},
        {"event": "lease 7", "logger": "triptych.stores", "level": "info"},
    ]


def test_levels_of_others() -> None:
    """Of libraries only warnings and worse are in the log; of Triptych what the level says."""
    text = "\n".join(_lines("text"))
    assert "unseen" not in text
    assert [word in text for word in ("ready", "lease 7", "failed")] == [True] * 3
