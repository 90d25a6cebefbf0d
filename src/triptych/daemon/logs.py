"""Structured logs on stderr: one line an event, with what belongs to it (a request's id, say).

Whoever writes to the standard library's logging, as libraries do, is in there in the same
form, libraries from warnings on. Tracebacks are without the values of variables: there are
tokens among them.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from structlog.typing import Processor

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "text")

_OURS = "triptych"


class LogSettings(Protocol):
    """The settings of any daemon that are about its log."""

    @property
    def log_level(self) -> str:
        """One of `LEVELS`."""
        ...

    @property
    def log_format(self) -> str:
        """One of `FORMATS`."""
        ...


def checks(config: LogSettings) -> tuple[tuple[str, bool, str], ...]:
    """Of each setting of the log: its name, whether its value can be used, and what would be right."""
    return (
        ("log_level", config.log_level in LEVELS, f"choose one of {', '.join(LEVELS)}"),
        ("log_format", config.log_format in FORMATS, f"choose one of {', '.join(FORMATS)}"),
    )


def configure(level: str, form: str) -> None:
    """Set the logs of this process up: `json` lines, or `text` for people."""
    # Late: the command line reads the settings of daemons without being one.
    import structlog

    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    logging.getLogger(_OURS).setLevel(number)
