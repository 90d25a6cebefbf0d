"""What OpenAPI says of an operation besides its parameters: request body, problems, security."""

from __future__ import annotations

from dataclasses import dataclass, replace

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from triptych.controller.rest.problems import MEDIA

_PROBLEM = Schema(
    type=OpenAPIType.OBJECT,
    required=["type", "title", "status", "detail"],
    properties={
        "type": Schema(type=OpenAPIType.STRING),
        "title": Schema(type=OpenAPIType.STRING),
        "status": Schema(type=OpenAPIType.INTEGER),
        "detail": Schema(type=OpenAPIType.STRING),
        "request": Schema(type=OpenAPIType.STRING),
        "faults": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.OBJECT)),
        "object": Schema(type=OpenAPIType.STRING),
        "referrers": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING)),
        "more": Schema(type=OpenAPIType.INTEGER),
        "revision": Schema(type=OpenAPIType.INTEGER),
    },
)
_SAID = {
    "400": "the request cannot be understood",
    "401": "no valid token",
    "403": "the token's role or tenant does not allow it",
    "404": "nothing of that name",
    "409": "referred to by others, or others kept changing the same",
    "412": "not, or no longer, what the writer thinks it is",
    "413": "too large",
    "415": "a form of body that is not read here",
    "422": "refused, with every fault",
    "429": "too many requests",
    "503": "the store cannot be reached now, or the controller has too many connections, or stops",
}
_ALWAYS = ("400", "401", "403", "404", "429", "503")
_WRITE = ("409", "412", "413", "415", "422")


def _problems(codes: tuple[str, ...]) -> dict[str, OpenAPIResponse]:
    return {code: OpenAPIResponse(_SAID[code], content={MEDIA: OpenAPIMediaType(_PROBLEM)}) for code in codes}


@dataclass
class Reads(Operation):
    """An operation that changes nothing."""

    def __post_init__(self) -> None:
        """Add the problems."""
        self.responses = {**(self.responses or {}), **_problems(_ALWAYS)}


def writes(body: Schema | None = None, *, yaml: bool = False, creates: bool = False) -> type[Operation]:
    """The class of operations that change something, or read a body of that schema.

    `creates`: it answers 201 instead of 200 when there was nothing of that name.
    """

    @dataclass
    class Writes(Operation):
        def __post_init__(self) -> None:
            self.responses = {**(self.responses or {}), **_problems(_ALWAYS + _WRITE)}
            if creates:
                self.responses["201"] = replace(self.responses["200"], description="created")
            if body is not None:
                media = {"application/json": OpenAPIMediaType(body)}
                if yaml:
                    media["application/yaml"] = OpenAPIMediaType(Schema(type=OpenAPIType.STRING))
                self.request_body = RequestBody(content=media, required=True)

    return Writes
