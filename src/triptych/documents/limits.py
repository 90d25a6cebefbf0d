"""What a document may cost, whoever wrote it.

A document of 100,000 ports takes about 15 MiB and two million values.
"""

from __future__ import annotations

MAX_BYTES = 64 * 1024 * 1024
"""Of one document, as UTF-8."""

MAX_DEPTH = 16
"""Lists and mappings inside each other; the format itself needs six."""

MAX_VALUES = 8_000_000
"""Scalars, lists and mappings of one document."""


class UnreadableError(Exception):
    """The text is no document; the reader turns it into a fault."""

    def __init__(self, problem: str, remedy: str, line: int | None = None) -> None:
        self.problem = problem
        self.remedy = remedy
        self.line = line
        super().__init__(problem)


def too_deep(line: int) -> UnreadableError:
    """The refusal of nesting beyond MAX_DEPTH."""
    return UnreadableError(f"is nested deeper than {MAX_DEPTH} levels", "the format needs six levels", line)


def too_many(line: int) -> UnreadableError:
    """The refusal of more than MAX_VALUES values."""
    return UnreadableError(f"has more than {MAX_VALUES} values", "split it into several documents", line)
