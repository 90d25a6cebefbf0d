"""Collecting the faults of a document: where each stands, and one per cause.

A fault that many objects share (a hundred ports in a segment that does not exist) is
reported once, at the first of them, with the number of the others.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from difflib import get_close_matches
from itertools import islice

from triptych.core.model.nodes import Origin, Path, path_text
from triptych.errors import Fault

_LONGEST_VALUE = 80
_LONGEST_SENTENCE = 400
MAX_FAULTS = 10_000
"""Kept of one document; the rest are counted, so that a hostile one cannot fill the memory with complaints."""
_SUGGESTIONS = 50
_CANDIDATES = 2_000


def shown(value: object, longest: int = _LONGEST_VALUE) -> str:
    """A value as a message shows it: not too long."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def one_line(text: object, longest: int = _LONGEST_VALUE) -> str:
    """Text that may quote a document, without its line breaks and control characters."""
    quoted = shown(text, longest)
    return quoted if quoted.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in quoted)


class Faults:
    """The faults found so far."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._shared: dict[Hashable, tuple[int, int]] = {}
        self._suggestions = _SUGGESTIONS
        self._uncounted = 0

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(
        self,
        label: object,
        origin: Origin,
        path: Path,
        value: object,
        problem: str,
        remedy: str,
        *,
        cause: Hashable = None,
    ) -> None:
        """Record a fault of the object called `label`; those with an equal `cause` count as one."""
        if cause is not None:
            at, others = self._shared.get(cause, (len(self._faults), -1))
            if others >= 0 or at < MAX_FAULTS:
                self._shared[cause] = (at, others + 1)
            if others >= 0:
                return
        if len(self._faults) == MAX_FAULTS:
            self._uncounted += 1
            return
        fault = Fault(
            object=one_line(label),
            field=one_line(path_text(path)),
            value=shown(value),
            problem=one_line(problem, _LONGEST_SENTENCE),
            remedy=one_line(remedy, _LONGEST_SENTENCE),
            source=origin.source,
            line=origin.line(path),
        )
        self._faults.append(fault)

    def closest(self, word: str, words: Iterable[str]) -> str | None:
        """The one of `words` that `word` was probably meant to be.

        Comparing is slow, and a document with that many wrong names needs no hints: only the
        first questions are answered, from the first words.
        """
        if not self._suggestions:
            return None
        self._suggestions -= 1
        matches = get_close_matches(word[:_LONGEST_VALUE], islice(words, _CANDIDATES), n=1, cutoff=0.66)
        return matches[0] if matches else None

    def all(self) -> list[Fault]:
        """Every fault, in the order of sources and lines."""
        counted = list(self._faults)
        for at, others in self._shared.values():
            if others:
                fault = counted[at]
                problem = f"{fault.problem} (and {others} more like this)"
                counted[at] = Fault(
                    fault.object, fault.field, fault.value, problem, fault.remedy, fault.source, fault.line
                )
        sources = {fault.source: None for fault in counted}
        order = {source: number for number, source in enumerate(sources)}
        counted.sort(key=lambda fault: (order[fault.source], fault.line or 0))
        if self._uncounted:
            problem = f"has {self._uncounted} more faults"
            counted.append(Fault("document", "", "", problem, "correct these first", counted[-1].source))
        return counted
