"""What the writes of one command did, and whether all of it is live: they wait together, and are told as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer

from triptych.cli.kinds import in_order, typed
from triptych.cli.output import Format, console, counted, print_data, say
from triptych.core.model import Kind

if TYPE_CHECKING:
    from triptych.client.rest.messages import ObjectChange, RefusedRows, Written


class Outcome(NamedTuple):
    """All that was written, as one write; `unwaited` is what somebody wanted to wait for, and nobody did."""

    written: Written
    unwaited: Sequence[ObjectChange] = ()


class Writes:
    """Writes one after the other that wait `seconds` together; None: not at all."""

    def __init__(self, seconds: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._until: float | None = None
        self._answers: list[Written] = []

    def wait(self) -> float | None:
        """What the next write may wait, in seconds: what is left since the first was asked about; None: not at all.

        Only the first is asked with 0: hosts that have had no time to hear of a write are not late.
        """
        if self._seconds is None:
            return None
        if self._until is None:
            self._until = self._now() + self._seconds
            return self._seconds
        left = self._until - self._now()
        return left if left > 0 else None

    def take(self, answer: Written) -> None:
        """Take in what a write answered."""
        self._answers.append(answer)

    @property
    def objects(self) -> list[ObjectChange]:
        """What was written up to now."""
        return [item for answer in self._answers for item in answer.objects]

    def outcome(self) -> Outcome:
        """All of them as one."""
        return together(self._answers, waited=self._seconds is not None)


def together(answers: Sequence[Written], *, waited: bool) -> Outcome:
    """Several writes as one: its hosts that are late or refuse are those of each.

    It is live (`laggards` is empty) when each of them is; where one was not waited for and nobody
    is known to be late, that is not known (None).
    """
    from triptych.client.rest.messages import Written

    missing = sorted({host for answer in answers for host in answer.laggards or ()})
    # What a host said last: it counts all rows that it does not take then.
    refused = {(item.host, item.table): item for answer in answers for item in answer.refused}
    unwaited = [item for answer in answers if waited and answer.laggards is None for item in answer.objects]
    known = waited and bool(answers) and not unwaited
    written = Written(
        revision=max((answer.revision for answer in answers), default=0),
        objects=[item for answer in answers for item in answer.objects],
        laggards=missing if known or missing else None,
        refused=list(refused.values()),
    )
    return Outcome(written, unwaited)


def tell(outcome: Outcome, output: Format) -> None:
    """What was written; exit code 1 when it was to be waited for, and is not known to be live everywhere."""
    if not show(outcome, output):
        raise typer.Exit(1)


def show(outcome: Outcome, output: Format) -> bool:
    """What was written, and where it is not live; False when it was to be waited for, and that is not so everywhere."""
    written, unwaited = outcome
    if output is not Format.TABLE:
        print_data(written, output)
    else:
        for item in in_order(written.objects):
            fields = f" ({', '.join(item.fields)})" if item.fields else ""
            line = f"{item.action} {_object(item)}{fields}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if not written.objects:
            console.print("nothing changed", highlight=False)
        if written.laggards == []:
            console.print(f"live: every host concerned has programmed revision {written.revision}", highlight=False)
    problems = list(not_live(written.laggards or (), written.refused))
    if unwaited:
        others = f" and {counted(len(unwaited) - 1, 'other')}" if unwaited[1:] else ""
        problems.append(f"nobody waited for {listed(unwaited[:1])}{others}, for the time was over")
    for problem in problems:
        say(f"triptych: revision {written.revision} is written, and {problem}")
    return not problems


def not_live(missing: Iterable[str], refused: Collection[RefusedRows]) -> Iterator[str]:
    """Why a change is not live on each host where it is not: those that are late together, then what others refuse."""
    answered = {item.host for item in refused}
    if late := [host for host in missing if host not in answered]:
        yield f"not programmed yet on {', '.join(late)}"
    for item in refused:
        yield f"{item.host} does not take all of it: {counted(item.rows, 'row')} of {item.table}: {item.reason}"


def listed(items: Iterable[ObjectChange]) -> str:
    """Objects on one line, as they are typed."""
    return ", ".join(map(_object, items))


def _object(item: ObjectChange) -> str:
    return f"{Kind(item.kind).singular} {typed(item.kind, item.tenant, item.name)}"
