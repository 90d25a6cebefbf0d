"""One request to the controller as a value, and its answer: what is asked, not how it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from triptych.errors import WireError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names are lower case, `body` is whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Read = Callable[[Answer], T]


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """A request and how its answer is read.

    `repeatable`: sending it twice does what sending it once does, so it may be tried again
    when nobody knows whether it arrived. `when_repeated` reads the refusals, by status, with
    which a repetition may find that an earlier attempt has done it already. `patience` is how
    many seconds the controller was asked to wait before it answers.
    """

    method: str
    path: str
    read: Read[T_co]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = True
    when_repeated: Mapping[int, Read[T_co]] = field(default_factory=dict)
    patience: float = 0.0

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path

    def having(self, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Call[T_co]:
        """The same with more in its query or headers."""
        return replace(self, query={**self.query, **(query or {})}, headers={**self.headers, **(headers or {})})


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A listing that comes in parts. `first` asks for one, `after` for the one after it (None: it was the last)."""

    first: Call[T]
    items: Callable[[T], Iterable[Any]]
    cursor: Callable[[T], str]

    def after(self, page: T) -> Call[T] | None:
        """The call for what follows a page."""
        cursor = self.cursor(page)
        return self.first.having(query={"after": cursor}) if cursor else None


def path(*parts: str) -> str:
    """A path under `/v1`: each part percent-encoded, slashes too."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def json_body(value: Any) -> dict[str, Any]:
    """The members of a `Call` that carry a value as JSON."""
    return {"body": msgspec.json.encode(value), "headers": {"content-type": JSON}}


def reading(form: type[T]) -> Read[T]:
    """A reader of JSON of one form; WireError when it is of another."""
    decoder = msgspec.json.Decoder(form)

    def read(answer: Answer) -> T:
        try:
            return decoder.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = f"the controller's answer is not what this client knows: {error}"
            raise WireError(f"{problem}; run one version of Triptych on both sides") from error

    return read


def nothing(_: Answer) -> None:
    """Reads an answer that says no more than its status."""
