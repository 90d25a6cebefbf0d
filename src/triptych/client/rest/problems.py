"""Refusals of the controller (RFC 9457, `application/problem+json`) back to the exceptions that they were.

The last part of `type` is the name of the problem; `detail` is the sentence; `faults`,
`referrers` and `more` are what the exceptions carry besides.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from triptych.client.rest.call import Answer
from triptych.errors import (
    ClaimRefusedError,
    ContentionError,
    ControllerUnavailableError,
    DocumentError,
    Fault,
    ForbiddenError,
    InputError,
    NotFoundError,
    OutcomeUnknownError,
    PreconditionError,
    ReferencedError,
    RevisionGoneError,
    StoreUnavailableError,
    TriptychError,
    UnauthenticatedError,
)


class _Fault(msgspec.Struct):
    object: str = ""
    field: str = ""
    value: str = ""
    problem: str = ""
    remedy: str = ""
    source: str = ""
    line: int | None = None

    def fault(self) -> Fault:
        return Fault(self.object, self.field, self.value, self.problem, self.remedy, self.source, self.line)


class Problem(msgspec.Struct, frozen=True):
    """The body of a refusal."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    faults: list[_Fault] = []
    object: str = ""
    referrers: list[str] = []
    more: int = 0
    revision: int = 0

    @property
    def name(self) -> str:
        """The problem's name: the last part of its type."""
        return self.type.replace(":", "/").rpartition("/")[2]


_decoder = msgspec.json.Decoder(Problem)

_BY_NAME: Mapping[str, type[TriptychError]] = {
    "not-found": NotFoundError,
    "claim-refused": ClaimRefusedError,
    "precondition": PreconditionError,
    "contention": ContentionError,
    "unauthenticated": UnauthenticatedError,
    "forbidden": ForbiddenError,
    "outcome-unknown": OutcomeUnknownError,
    "unavailable": StoreUnavailableError,
}
_BY_STATUS: Mapping[int, type[TriptychError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ContentionError,
    412: PreconditionError,
    502: ControllerUnavailableError,
    503: ControllerUnavailableError,
    504: ControllerUnavailableError,
}


def error_of(answer: Answer) -> TriptychError:
    """The exception that a refusal is: by its problem's name, or by its status when another server answers."""
    problem = problem_of(answer)
    if problem.faults:
        return DocumentError([item.fault() for item in problem.faults])
    if problem.referrers:
        return ReferencedError(problem.object, problem.referrers, problem.more)
    if problem.name == "revision-gone":
        return RevisionGoneError(problem.revision)
    sentence = problem.detail or problem.title or f"answered with status {answer.status}"
    made = _BY_NAME.get(problem.name) or _BY_STATUS.get(answer.status)
    if made is not None:
        return made(sentence)
    if 400 <= answer.status < 500:
        return InputError(sentence)
    return ControllerUnavailableError(problem.detail or f"the controller failed ({sentence}); see its log")


def problem_of(answer: Answer) -> Problem:
    """What a body says; an empty problem when it is none (a proxy's page, say)."""
    if not answer.headers.get("content-type", "").startswith(("application/problem+json", "application/json")):
        return Problem()
    try:
        return _decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem()
