"""Why somebody is refused: as gRPC, the log, the metrics and the agent's operator are told."""

from __future__ import annotations

import grpc

from triptych.controller.limits import TooManyRequestsError
from triptych.errors import ClaimRefusedError, ContentionError, NotFoundError, StoreError, WireError


class RefusalError(Exception):
    """A call is to end with `code` and `problem`; `reason` is the metric's label, `who` is for the log."""

    def __init__(self, code: grpc.StatusCode, reason: str, problem: str, who: str) -> None:
        self.code, self.reason, self.problem, self.who = code, reason, problem, who
        super().__init__(problem)


def claim_refusal(error: Exception, host: str) -> RefusalError:
    """The refusal of a claim that failed with this error."""
    match error:
        case StoreError():
            code, reason = grpc.StatusCode.UNAVAILABLE, "store"
        case ClaimRefusedError():
            code, reason = grpc.StatusCode.PERMISSION_DENIED, "claim"
        case NotFoundError():
            code, reason = grpc.StatusCode.NOT_FOUND, "claim"
        case TooManyRequestsError():
            code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, "claim"
        case ContentionError():
            code, reason = grpc.StatusCode.ABORTED, "claim"
        case WireError():
            code, reason = grpc.StatusCode.INVALID_ARGUMENT, "protocol"
        case _:
            code, reason = grpc.StatusCode.FAILED_PRECONDITION, "claim"
    return RefusalError(code, reason, str(error), host)
