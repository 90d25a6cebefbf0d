"""The blocking and the asyncio client against a real server on loopback: both must do the same."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from triptych.client.rest import AsyncClient, Client, Retry, Server, api
from triptych.client.rest.call import Call
from triptych.client.rest.messages import Event, NewToken, ObjectChange, Status, Written
from triptych.core.model import Key, Kind
from triptych.errors import (
    ControllerUnavailableError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PreconditionError,
    UnauthenticatedError,
    WireError,
)
from triptych.pki import certificates
from triptych.pki.folder import PkiFolder
from triptych.testing.rest import UNFORESEEN, FakeController, Reply, Request, problem, serving

QUICK = Retry(attempts=4, first=0.001, longest=0.002)
PORT = Key(Kind.PORT, "acme", "web-1")
STATUS = {"version": "1", "revision": 5, "unheard_of": True}

Do = Callable[[Any], Any]


def blocking(server: Server, call: Do) -> Any:
    """What `call(client)` gives with the blocking client: a result, or the first items of an iterator."""
    with Client(server, retry=QUICK) as client:
        result = call(client)
        return list(result) if hasattr(result, "__next__") else result


def awaiting(server: Server, call: Do) -> Any:
    """The same with the asyncio client."""

    async def run() -> Any:
        async with AsyncClient(server, retry=QUICK) as client:
            result = call(client)
            if isinstance(result, Coroutine):
                return await result
            return [item async for item in result]

    return asyncio.run(run())


@pytest.fixture(params=[blocking, awaiting])
def ask(request: pytest.FixtureRequest) -> Callable[[Server, Do], Any]:
    """One of the two clients."""
    chosen: Callable[[Server, Do], Any] = request.param
    return chosen


Ask = Callable[[Server, Do], Any]


def in_turn(*replies: Reply) -> Callable[[Request], Reply]:
    """A script that answers one after the other, whatever is asked."""
    left = list(replies)
    return lambda _: left.pop(0) if left else UNFORESEEN


def server(fake: FakeController) -> Server:
    """How to ask it."""
    return Server(fake.url, "t0k")


def test_a_call_is_one_request_with_the_token(ask: Ask) -> None:
    """A call sends the method, the path and the token once, and reads the answer, unknown members aside."""
    with serving(in_turn(Reply(200, STATUS))) as fake:
        assert ask(server(fake), lambda client: client.send(api.status())) == Status("1", 5)
    (request,) = fake.requests
    assert (request.method, request.path, request.headers["authorization"]) == ("GET", "/v1/status", "Bearer t0k")


def test_a_write_carries_its_conditions(ask: Ask) -> None:
    """A put has its object as body, how long to wait in the query and the tag as If-Match."""
    fields = {"tenant": "acme", "name": "web-1", "segment": "web"}
    with serving(in_turn(Reply(200, {"revision": 9, "laggards": ["h2"]}))) as fake:
        done = ask(server(fake), lambda client: client.send(api.put(PORT, fields, etag='"8"', wait=2.5)))
    (request,) = fake.requests
    assert (request.method, request.path, request.query) == ("PUT", "/v1/ports/acme/web-1", {"wait": "2.5"})
    assert (request.body, request.headers["if-match"]) == (fields, '"8"')
    assert (done.revision, done.laggards) == (9, ["h2"])


def test_a_refusal_is_raised_at_once(ask: Ask) -> None:
    """What the controller refuses is not asked again."""
    with (
        serving(in_turn(problem(404, "not-found", "port acme/web-1: is not declared"))) as fake,
        pytest.raises(NotFoundError, match="is not declared"),
    ):
        ask(server(fake), lambda client: client.send(api.get(PORT)))
    assert len(fake.requests) == 1


def test_what_is_lost_is_asked_again(ask: Ask) -> None:
    """A connection that breaks and a controller that is busy are two attempts; the third brings the answer."""
    replies = (Reply(hang_up=True), problem(503, "unavailable", "starting"), Reply(200, STATUS))
    with serving(in_turn(*replies)) as fake:
        assert ask(server(fake), lambda client: client.send(api.status())).revision == 5
    assert len(fake.requests) == 3


def test_what_must_be_done_once_is_not_repeated_blindly(ask: Ask) -> None:
    """A token whose making was not answered may exist: said so, not made again."""
    with (
        serving(in_turn(Reply(hang_up=True))) as fake,
        pytest.raises(OutcomeUnknownError, match="it may have been done"),
    ):
        ask(server(fake), lambda client: client.send(api.create_token(NewToken("ci", "operator"))))
    assert len(fake.requests) == 1


GONE = problem(404, "not-found", "port acme/web-1: is not declared")
DIFFERS = problem(412, "precondition", "port acme/web-1: was changed by revision 9, not by 8")
BUSY = problem(503, "unavailable", "starting")
LOST = Reply(hang_up=True)


@pytest.mark.parametrize(
    ("replies", "call", "done"),
    [
        ([LOST, GONE], api.delete(PORT), Written(0, [ObjectChange("ports", "acme", "web-1", "deleted")])),
        ([LOST, BUSY, GONE], api.delete(PORT), Written(0, [ObjectChange("ports", "acme", "web-1", "deleted")])),
        ([LOST, Reply(200, {"revision": 9})], api.delete(PORT), Written(9)),
        ([LOST, Reply(200, {"revision": 9})], api.delete(PORT, etag='"8"', wait=1), Written(9)),
        ([Reply(504, {}), problem(404, "not-found", "token t7: is none")], api.revoke_token("t7"), None),
    ],
)
def test_a_deletion_whose_answer_is_lost_is_repeated(
    ask: Ask, replies: list[Reply], call: Call[Any], done: object
) -> None:
    """What a repetition finds gone counts as deleted; what it finds there, it deletes."""
    with serving(in_turn(*replies)) as fake:
        assert ask(server(fake), lambda client: client.send(call)) == done
    assert len(fake.requests) == len(replies)


@pytest.mark.parametrize(
    ("replies", "call", "message"),
    [
        ([LOST, GONE], api.delete(PORT, etag='"8"'), "is not declared; an attempt whose answer was lost may have"),
        ([LOST, DIFFERS], api.delete(PORT, etag='"8"'), "was changed by revision 9, not by 8; an attempt whose answer"),
        ([LOST, GONE], api.delete(PORT, wait=2), "port acme/web-1: is deleted, but the answer was lost, so not every"),
        ([LOST] * 4, api.delete(PORT), "it may have been done: look before trying again"),
        ([LOST, BUSY, BUSY, BUSY], api.delete(PORT), "starting; it may have been done: look before trying again"),
    ],
)
def test_a_deletion_promises_no_more_than_it_knows(
    ask: Ask, replies: list[Reply], call: Call[Any], message: str
) -> None:
    """Bound to a tag, or asked to wait, a lost answer is not made up for by an object that is gone."""
    with serving(in_turn(*replies)) as fake, pytest.raises(OutcomeUnknownError, match=message):
        ask(server(fake), lambda client: client.send(call))
    assert len(fake.requests) == len(replies)


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ([GONE], NotFoundError),
        ([BUSY, GONE], NotFoundError),
        ([DIFFERS], PreconditionError),
        ([LOST, problem(403, "forbidden", "not yours")], ForbiddenError),
    ],
)
def test_a_deletion_that_was_refused_is_refused(ask: Ask, replies: list[Reply], kind: type[Exception]) -> None:
    """What was gone before the first attempt arrived, or is refused for another reason, is an error as ever."""
    with serving(in_turn(*replies)) as fake, pytest.raises(kind):
        ask(server(fake), lambda client: client.send(api.delete(PORT, etag='"8"' if kind is PreconditionError else "")))
    assert len(fake.requests) == len(replies)


def test_a_write_bound_to_a_tag_is_not_repeated_blindly(ask: Ask) -> None:
    """Whose answer is lost may have been done, and would then find its own change in the way."""
    with serving(in_turn(Reply(hang_up=True))) as fake, pytest.raises(OutcomeUnknownError):
        ask(server(fake), lambda client: client.send(api.put(PORT, {"segment": "web"}, etag='"8"')))
    assert len(fake.requests) == 1


@pytest.mark.parametrize("case", ["trusted", "of a stranger", "of another address", "no TLS"])
def test_a_controller_is_who_its_certificate_says(ask: Ask, tmp_path: Path, case: str) -> None:
    """A certificate of the site's authority for that address is trusted; anything else is refused at once, with why."""
    pki, stranger = PkiFolder(tmp_path / "pki"), PkiFolder(tmp_path / "stranger")
    pki.init()
    stranger.init()
    place = "192.0.2.1" if case == "of another address" else "127.0.0.1"
    pair = (stranger if case == "of a stranger" else pki).issue(certificates.controller([place]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving(in_turn(Reply(200, STATUS)), None if case == "no TLS" else context) as fake:
        there = Server(fake.url.replace("http:", "https:"), "t0k", pki.authority_path)
        if case == "trusted":
            assert ask(there, lambda client: client.send(api.status())).revision == 5
            return
        why = "no TLS there" if case == "no TLS" else "its certificate is refused"
        with pytest.raises(ControllerUnavailableError, match=why):
            ask(there, lambda client: client.send(api.status()))
        assert fake.requests == []


def test_nobody_there_is_one_sentence(ask: Ask) -> None:
    """Where nothing listens, the error names the address and says what to look at."""
    with pytest.raises(ControllerUnavailableError) as caught:
        ask(Server("http://127.0.0.1:1"), lambda client: client.send(api.status()))
    assert str(caught.value).startswith("controller http://127.0.0.1:1: ")
    assert str(caught.value).endswith("; is it running and reachable?")


def test_an_answer_of_another_form_is_refused(ask: Ask) -> None:
    """An answer that is not what was asked for is an error of the wire, not a crash."""
    with (
        serving(in_turn(Reply(200, {"version": 1, "revision": "?"}))) as fake,
        pytest.raises(WireError, match="not what this client knows"),
    ):
        ask(server(fake), lambda client: client.send(api.status()))


def test_listings_come_page_by_page(ask: Ask) -> None:
    """Items of all pages in order; a cursor of one page asks for the next, filters stay."""

    def pages(request: Request) -> Reply:
        number = int(request.query.get("after", "0"))
        items = [{"name": f"p{number}{place}"} for place in range(2)]
        return Reply(200, {"items": items, "revision": 3, "next": str(number + 1) if number < 2 else ""})

    with serving(pages) as fake:
        found = ask(server(fake), lambda client: client.items(api.listing(Kind.PORT, {"tenant": "acme"})))
    assert [item["name"] for item in found] == ["p00", "p01", "p10", "p11", "p20", "p21"]
    assert [request.query["tenant"] for request in fake.requests] == ["acme"] * 3


def changed(revision: int, name: str, *, last: bool = True) -> bytes:
    """One change as it is streamed."""
    mark = f"id: 5e1f-{revision}\n" if last else ""
    data = f'{{"action": "created", "revision": {revision}, "kind": "ports", "tenant": "a", "name": "{name}"}}'
    return f"{mark}event: created\ndata: {data}\n\n".encode()


def event(revision: int, name: str) -> Event:
    """The same as it is given."""
    return Event("created", revision, "ports", "a", name)


def test_a_watch_goes_on_after_a_break(ask: Ask) -> None:
    """Broken streams and a busy controller cost no change: what follows the last whole revision is asked for."""
    script = in_turn(
        Reply(200, headers={"content-type": "text/event-stream"}, pieces=(changed(4, "p"), changed(5, "q")[:20])),
        Reply(hang_up=True),
        problem(503, "unavailable", "restarting"),
        Reply(200, pieces=(b": still here\n\nid: 5e1f-4\n\n",)),
        Reply(200, pieces=(changed(5, "q", last=False), changed(5, "r"), changed(6, "s"), b"id: 5e1f-7\n\n")),
        problem(401, "unauthenticated", "the token was revoked"),
    )
    found: list[Event] = []
    with serving(script) as fake, pytest.raises(UnauthenticatedError, match="revoked"):
        ask(server(fake), lambda client: collect(client, found))
    assert found == [event(4, "p"), event(5, "q"), event(5, "r"), event(6, "s")]
    assert [request.query.get("after") for request in fake.requests] == ["3", *["5e1f-4"] * 4, "5e1f-7"]


def collect(client: Any, found: list[Event]) -> Any:
    """Put what a watch gives into a list; what it returns is what `ask` can run."""
    stream = client.watch(3)
    if hasattr(stream, "__next__"):
        # What came before the exception that ends it stays in.
        found.extend(stream)
        return None

    async def gather() -> None:
        async for item in stream:
            found.append(item)

    return gather()


def test_a_watch_may_be_left() -> None:
    """Who has seen enough of a watch closes it, and the connection with it."""
    with (
        serving(in_turn(Reply(200, pieces=tuple(changed(number, "p") for number in range(1, 200))))) as fake,
        Client(server(fake), retry=QUICK) as client,
    ):
        stream = client.watch(0)
        assert [item.revision for item in islice(stream, 2)] == [1, 2]
        stream.close()
    assert len(fake.requests) == 1
