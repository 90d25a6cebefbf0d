"""The client's decisions, without a wire: retries, refusals, events, and which controller to ask."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.client.rest import Retry, Server, api
from triptych.client.rest.call import Answer, Call, nothing, path
from triptych.client.rest.events import LONGEST, EventStream, ServerEvent
from triptych.client.rest.problems import error_of
from triptych.client.rest.retry import Lost, Outcome
from triptych.client.rest.server import Given, choose, from_environment, from_file, places
from triptych.core.model import Key, Kind
from triptych.errors import (
    ContentionError,
    ControllerUnavailableError,
    DocumentError,
    Fault,
    InputError,
    NotFoundError,
    ReferencedError,
    RevisionGoneError,
    TriptychError,
    UnauthenticatedError,
    WireError,
)

ONCE = Call("POST", path("tokens"), nothing, repeatable=False)
OFTEN = Call("GET", path("status"), nothing)


def refusal(status: int, body: object, content_type: str = "application/problem+json") -> Answer:
    """An answer with a body."""
    return Answer(status, {"content-type": content_type}, msgspec.json.encode(body))


UNKNOWN = refusal(503, {"type": "/problems/outcome-unknown", "detail": "the disk failed"})


@pytest.mark.parametrize(
    ("call", "outcome", "repeated"),
    [
        (OFTEN, Lost("refused", sent=False), True),
        (ONCE, Lost("refused", sent=False), True),
        (OFTEN, Lost("reset", sent=True), True),
        (ONCE, Lost("reset", sent=True), False),
        (OFTEN, Lost("untrusted", sent=False, hopeless=True), False),
        (OFTEN, Answer(503, {}, b""), True),
        (ONCE, Answer(503, {}, b""), True),
        (ONCE, Answer(429, {}, b""), True),
        (ONCE, UNKNOWN, False),
        (OFTEN, UNKNOWN, True),
        (OFTEN, Answer(504, {}, b""), True),
        (ONCE, Answer(504, {}, b""), False),
        (OFTEN, Answer(500, {}, b""), False),
        (OFTEN, Answer(400, {}, b""), False),
        (OFTEN, Answer(404, {}, b""), False),
    ],
)
def test_only_what_can_help_and_cannot_harm_is_repeated(call: Call[None], outcome: Outcome, *, repeated: bool) -> None:
    """A call is repeated when that may help and cannot do twice what should be done once."""
    assert (Retry().pause(call, 1, outcome, 0.0) is not None) is repeated


def test_attempts_are_counted() -> None:
    """After the last attempt there is no pause but an end."""
    lost = Lost("refused", sent=False)
    pauses = [Retry(attempts=3).pause(OFTEN, attempt, lost, 0.5) for attempt in (1, 2, 3)]
    assert pauses[2] is None
    assert pauses[:2] == pytest.approx([0.075, 0.15])


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_pauses_are_bounded(attempt: int, chance: float) -> None:
    """No pause is longer than the longest, nor shorter than half of the first."""
    retry = Retry(first=0.1, longest=5.0)
    assert 0.05 <= retry.delay(attempt, chance) <= 5.0


def test_a_server_says_how_long_to_wait() -> None:
    """Retry-After is obeyed up to the longest pause; a date is passed over."""
    retry = Retry(first=0.1, longest=5.0)
    assert retry.pause(OFTEN, 1, Answer(429, {"retry-after": "3"}, b""), 0.0) == 3.0
    assert retry.pause(OFTEN, 1, Answer(429, {"retry-after": "86400"}, b""), 0.0) == 5.0
    date = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry.pause(OFTEN, 1, Answer(503, date, b""), 0.0) == 0.05


def test_every_fault_of_a_refused_document_comes_back() -> None:
    """A refusal with faults is a DocumentError with the same faults, fields and all."""
    faults = [
        Fault("port acme/p", "mac", "nonsense", "is not a MAC", "write six octets", "a.yaml", 4),
        Fault("segment acme/s", "", "", "is declared twice", "remove one"),
    ]
    body = {"type": "/problems/document", "status": 422, "faults": [asdict(fault) for fault in faults]}
    error = error_of(refusal(422, body))
    assert isinstance(error, DocumentError)
    assert error.faults == tuple(faults)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (refusal(404, {"type": "/problems/not-found", "detail": "port a/b: not declared"}), NotFoundError, "port a/b"),
        (refusal(409, {"type": "urn:x:contention", "detail": "others"}), ContentionError, "others"),
        (refusal(401, {"detail": "no token"}), UnauthenticatedError, "no token"),
        (refusal(410, {"type": "/problems/revision-gone", "revision": 7}), RevisionGoneError, "revision 7"),
        (refusal(418, {"title": "a teapot"}), InputError, "a teapot"),
        (refusal(500, {"title": "Internal Server Error"}), ControllerUnavailableError, "see its log"),
        (refusal(502, "<html>", "text/html"), ControllerUnavailableError, "status 502"),
        (Answer(404, {"content-type": "application/json"}, b"{not json"), NotFoundError, "status 404"),
    ],
)
def test_refusals_are_the_exceptions_that_they_were(answer: Answer, kind: type[TriptychError], message: str) -> None:
    """A problem is raised as the exception of its name, else of its status, with its sentence."""
    error = error_of(answer)
    assert type(error) is kind
    assert message in str(error)


def test_a_referenced_object_comes_back_with_its_referrers() -> None:
    """A refused deletion names who is in the way, as it did in the controller."""
    made = ReferencedError("segment acme/web", ["port acme/web-1", "port acme/web-2"], 3)
    body = {"type": "/problems/referenced", "object": "segment acme/web", "referrers": made.referrers, "more": 3}
    error = error_of(refusal(409, body))
    assert isinstance(error, ReferencedError)
    assert (str(error), error.referrers, error.more) == (str(made), made.referrers, made.more)


STREAM = (
    "\ufeff: welcome\r\nretry: 1500\r\n\r\nid: 7\nevent: changed\ndata: {\ndata: }\n\n"
    "data:ü\rid: a\0b\r\rid\ndata\n\nevent: nothing\n\ndata: unfinished"
)
EVENTS = [ServerEvent("changed", "{\n}", "7"), ServerEvent("message", "ü", "7"), ServerEvent("message", "", "")]


@given(cuts=st.sets(st.integers(1, len(STREAM.encode()) - 1)))
def test_a_stream_may_be_cut_anywhere(cuts: set[int]) -> None:
    """However the bytes are cut into pieces, the events are the same, and so is the pause that was asked for."""
    raw = STREAM.encode()
    places = [0, *sorted(cuts), len(raw)]
    stream = EventStream()
    found = [event for start, end in pairwise(places) for event in stream.feed(raw[start:end])]
    assert (found, stream.pause) == (EVENTS, 1.5)


@pytest.mark.parametrize("piece", [b"data: x\n", b"data: xxxxxxx"], ids=["lines", "one line"])
def test_an_event_without_end_is_refused(piece: bytes) -> None:
    """Whoever sends an event that never ends is not listened to until the memory is full."""
    stream = EventStream()
    stream.feed(b"data: " + b"y" * (LONGEST - 10))
    with pytest.raises(WireError, match="more than"):
        stream.feed(piece * 3)


def test_objects_have_a_path_of_their_own() -> None:
    """Names are percent-encoded, whatever they hold; a route's is its router and its prefix."""
    assert [
        api.object_path(key)
        for key in (
            Key(Kind.HOST, "", "h1"),
            Key(Kind.PORT, "acme", "web-1"),
            Key(Kind.ROUTE, "acme", "core 10.9.0.0/16"),
            Key(Kind.SEGMENT, "a/b", "c?d"),
        )
    ] == ["/v1/hosts/h1", "/v1/ports/acme/web-1", "/v1/routes/acme/core/10.9.0.0%2F16", "/v1/segments/a%2Fb/c%3Fd"]


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    """Each field is taken from the first place that says it, and the token as a whole from one place."""
    path = tmp_path / "client.toml"
    path.write_text('server = "https://file:1"\ntoken = "from-file"\nca = "/file/ca.pem"\n')
    (tmp_path / "token").write_text("from-env\n")
    environment = {"TRIPTYCH_SERVER": "https://env:2/", "TRIPTYCH_TOKEN_FILE": str(tmp_path / "token")}
    file, env = from_file(path), from_environment(environment)
    assert choose(Given(), Given(), file) == Server("https://file:1", "from-file", Path("/file/ca.pem"))
    assert choose(Given(), env, file) == Server("https://env:2", "from-env", Path("/file/ca.pem"))
    assert choose(Given("https://flag:3"), env, file) == Server("https://flag:3", "from-env", Path("/file/ca.pem"))
    assert choose(Given(), Given(), from_file(tmp_path / "none.toml")) is None


CONTEXTS = """
server = "https://plain"
token = "plain"
context = "b"
[contexts.a]
server = "https://a"
token = "of-a"
[contexts.b]
server = "https://b"
ca = "/b.pem"
"""


@pytest.mark.parametrize(
    ("flags", "context", "environment", "wanted"),
    [
        ({}, None, {}, Server("https://b", "", Path("/b.pem"))),
        ({}, "a", {}, Server("https://a", "of-a")),
        ({}, None, {"CONTEXT": "a"}, Server("https://a", "of-a")),
        ({}, "b", {"CONTEXT": "a"}, Server("https://b", "", Path("/b.pem"))),
        ({}, None, {"TOKEN": "of-env"}, Server("https://b", "of-env", Path("/b.pem"))),
        # A flag comes before the environment, and what that says is of another controller.
        ({}, "b", {"SERVER": "https://env", "TOKEN": "of-env"}, Server("https://b", "", Path("/b.pem"))),
        ({"token": "of-flag"}, "a", {}, Server("https://a", "of-flag")),
        # The other way round: nothing of a context goes to a server that it does not name.
        ({}, None, {"SERVER": "https://env", "CONTEXT": "a"}, Server("https://env")),
        ({"server": "https://flag"}, None, {"CONTEXT": "a"}, Server("https://flag")),
        # Not even one that is not there is in the way then.
        ({"server": "https://flag"}, None, {"CONTEXT": "gone"}, Server("https://flag")),
    ],
)
def test_a_context_counts_as_a_whole(
    tmp_path: Path, flags: dict[str, str], context: str | None, environment: dict[str, str], wanted: Server
) -> None:
    """The flag's context, else the variable's, else the file's own; its token and authority with its server alone."""
    path = tmp_path / "client.toml"
    path.write_text(CONTEXTS)
    variables = {f"TRIPTYCH_{name}": value for name, value in environment.items()}
    assert choose(*(given for _, given in places(Given(**flags), context, variables, path))) == wanted


@pytest.mark.parametrize(
    ("text", "context", "message"),
    [
        (CONTEXTS, "c", r"context 'c': .*client\.toml has none of this name; it has a, b"),
        ('context = "c"', None, r"context 'c': .*client\.toml has none of this name; write a section \[contexts\.c\]"),
        ('[contexts.a]\ntoken = "x"', None, r"client\.toml: contexts\.a: server is missing"),
        ('[contexts.a]\nsever = "x"', None, r"client\.toml: .*sever.*; known are server, token"),
    ],
)
def test_a_context_that_cannot_be_is_refused(tmp_path: Path, text: str, context: str | None, message: str) -> None:
    """One that is not there is told with those that are; a wrong field with the file."""
    path = tmp_path / "client.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        places(Given(), context, {}, path)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (Given("ctl:7440"), "not the address of a controller"),
        (Given("https://user:pass@ctl"), "not the address of a controller"),
        (Given("http://ctl.example.org"), "only loopback is spoken to without TLS"),
        (Given("https://ctl", "two words"), "single word"),
        (Given("https://ctl", None, "/nonexistent"), "token file /nonexistent: cannot be read"),
    ],
)
def test_an_unusable_server_is_refused_in_one_sentence(given_: Given, message: str) -> None:
    """A wrong address or token is an InputError that says what is wrong, and never shows the token."""
    with pytest.raises(InputError, match=message) as caught:
        choose(given_)
    assert "two words" not in str(caught.value)


def test_a_token_is_not_printed() -> None:
    """The token is not in what a Server shows of itself."""
    assert "secret" not in repr(Server("https://ctl", "secret"))


def test_a_wrong_file_names_field_and_file(tmp_path: Path) -> None:
    """An unknown field of the configuration file is refused by name, with the file's."""
    path = tmp_path / "client.toml"
    path.write_text('sever = "https://ctl"\n')
    with pytest.raises(InputError, match=r"client\.toml: .*sever.*; known are server, token"):
        from_file(path)
