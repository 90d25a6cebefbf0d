"""What may be asked of a controller: a function for each endpoint, from arguments to a `Call`.

Nothing is sent here: `Client` and `AsyncClient` send what these functions return::

    with Client(server) as client:
        done = client.send(api.apply(document, wait=10))

`wait` is how many seconds a write may wait until every host concerned has programmed it;
None: not at all. `etag` is what `get` gave: the write is refused when the object has
changed since (RFC 9110, If-Match).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from triptych.client.rest.call import Answer, Call, Pages, json_body, nothing, path, reading
from triptych.client.rest.messages import (
    AuditLog,
    IssuedToken,
    NewToken,
    ObjectChange,
    Page,
    Plan,
    Revocation,
    Status,
    TokenInfo,
    Written,
)
from triptych.client.rest.problems import error_of
from triptych.core.forward import Trace
from triptych.core.model import Key, Kind
from triptych.errors import OutcomeUnknownError

Document = Mapping[str, Any]
"""Plain data of a document (DESIGN section 3)."""
Tables = dict[str, list[dict[str, Any]]]
"""Rows by table, as `triptych tables -o json` prints them."""

PAGE = 500
"""Objects in a page of a listing."""


class Stored(msgspec.Struct, frozen=True):
    """An object as the controller has it, and the tag that a write may be bound to."""

    item: dict[str, Any]
    etag: str


class Explanation(msgspec.Struct, frozen=True):
    """A row, why it is there in one sentence, and the objects that made it."""

    table: str
    row: dict[str, Any]
    why: str
    because: list[dict[str, str]]


_item = reading(dict[str, Any])


def _stored(answer: Answer) -> Stored:
    return Stored(_item(answer), answer.headers.get("etag", ""))


def object_path(key: Key) -> str:
    """Where an object is: `/v1/ports/acme/web-1`; a route's prefix may be written with its slash encoded."""
    owner = (key.tenant,) if key.tenant else ()
    name = key.name.partition(" ")[::2] if key.kind is Kind.ROUTE else (key.name,)
    return path(key.kind.value, *owner, *name)


def _waiting(wait: float | None) -> dict[str, Any]:
    return {} if wait is None else {"query": {"wait": f"{wait:g}"}, "patience": wait}


def listing(kind: Kind, filters: Mapping[str, str] | None = None) -> Pages[Page]:
    """All objects of a kind; `filters` are fields and the value that they must have."""
    query = {**(filters or {}), "limit": str(PAGE)}
    return Pages(Call("GET", path(kind.value), reading(Page), query), lambda page: page.items, lambda page: page.next)


def get(key: Key) -> Call[Stored]:
    """One object; NotFoundError."""
    return Call("GET", object_path(key), _stored)


def put(key: Key, fields: Document, *, etag: str = "", wait: float | None = None) -> Call[Written]:
    """Create or replace one object; `fields` is its document item."""
    # Bound to a tag it is not repeated when the answer is lost: the second would find its own change.
    call = Call("PUT", object_path(key), reading(Written), repeatable=not etag, **json_body(fields), **_waiting(wait))
    return call.having(headers={"if-match": etag}) if etag else call


def delete(key: Key, *, etag: str = "", wait: float | None = None) -> Call[Written]:
    """Delete one object; ReferencedError while others refer to it.

    When an answer is lost it is asked again, and an object that is gone then counts as deleted,
    at a revision that is not known (0). With `etag` or `wait` that would say too much:
    OutcomeUnknownError.
    """

    def gone(answer: Answer) -> Written:
        if etag:
            raise OutcomeUnknownError(f"{error_of(answer)}; an attempt whose answer was lost may have deleted it")
        if wait is not None:
            raise OutcomeUnknownError(
                f"{key}: is deleted, but the answer was lost, so not every host may have programmed that"
            )
        return Written(0, [ObjectChange(key.kind.value, key.tenant, key.name, "deleted")])

    headers = {"if-match": etag} if etag else {}
    repeated = {404: gone, 412: gone} if etag else {404: gone}
    return Call("DELETE", object_path(key), reading(Written), headers=headers, when_repeated=repeated, **_waiting(wait))


def apply(document: Document, *, wait: float | None = None) -> Call[Written]:
    """Declare everything that a document says, in one transaction; DocumentError with every fault."""
    return Call("POST", path("apply"), reading(Written), **json_body(document), **_waiting(wait))


def plan(document: Document, *, host: str | None = None, rows: int = 1000, prune: bool = False) -> Call[Plan]:
    """What applying a document would change; of `host`, the rows that change there. At most `rows` are listed.

    With `prune`, as if what else there is of each kind and tenant that it lists went besides;
    ReferencedError when others refer to that.
    """
    query = {"rows": str(rows)} | ({} if host is None else {"host": host}) | ({"prune": "true"} if prune else {})
    return Call("POST", path("plan"), reading(Plan), query, **json_body(document))


def migrate(port: Key, host: str | None) -> Call[Written]:
    """Let `host` take a port over from the one that has it; None: take that back."""
    return Call("POST", object_path(port) + "/migrate", reading(Written), **json_body({"host": host}))


def status() -> Call[Status]:
    """The fleet at a glance."""
    return Call("GET", path("status"), reading(Status))


def tables(host: str) -> Call[Tables]:
    """The rows that a host should have."""
    return Call("GET", path("hosts", host, "tables"), reading(Tables))


def trace(source: str, destination: str, *, protocol: str, dport: int | None, ttl: int) -> Call[Trace]:
    """Where a packet of the VM `tenant/port` would go, and why."""
    query = {"source": source, "destination": destination, "protocol": protocol, "ttl": str(ttl)}
    return Call("GET", path("trace"), reading(Trace), query | ({} if dport is None else {"dport": str(dport)}))


def explain(table: str, scope: str, key: str) -> Call[Explanation]:
    """Which declared objects made a row."""
    query = {"table": table, "scope": scope, "key": key}
    return Call("GET", path("explain"), reading(Explanation), query)


def tokens() -> Call[list[TokenInfo]]:
    """Every token, without secrets."""
    return Call("GET", path("tokens"), reading(list[TokenInfo]))


def create_token(wanted: NewToken) -> Call[IssuedToken]:
    """Make a token; its secret is in the answer and nowhere else."""
    return Call("POST", path("tokens"), reading(IssuedToken), repeatable=False, **json_body(wanted))


def revoke_token(number: str) -> Call[None]:
    """End a token."""
    return Call("DELETE", path("tokens", number), nothing, when_repeated={404: nothing})


def audit() -> Pages[AuditLog]:
    """Who changed what, the oldest first."""
    call = Call("GET", path("audit"), reading(AuditLog), {"limit": str(PAGE)})
    return Pages(call, lambda page: page.entries, lambda page: page.next or "")


def revocations() -> Call[list[Revocation]]:
    """The certificates that count no longer."""
    return Call("GET", path("pki", "revoked"), reading(list[Revocation]))


def revoke(revocation: Revocation) -> Call[None]:
    """Let a certificate count no longer; agents that use it are cut off."""
    return Call("PUT", path("pki", "revoked", revocation.serial), nothing, **json_body(revocation))
