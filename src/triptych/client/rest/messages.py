"""The bodies of the REST API under `/v1`, as both ends write and read them.

JSON members are these names. Fields are added, never renamed; a client takes no offence at
ones that it does not know. Lists of documents, tables and traces keep the form that the
command line prints: a document is DESIGN section 3's, a trace `triptych.core.forward.Trace`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec


class Page(msgspec.Struct, frozen=True):
    """A part of a listing, taken at `revision`. `next` is the cursor of the following part; "" at the end."""

    items: list[dict[str, Any]]
    revision: int = 0
    next: str = ""


class ObjectChange(msgspec.Struct, frozen=True):
    """What happens to one object: `action` is created, changed or deleted.

    `kind` is a list of a document (`ports`), `tenant` is "" for hosts and tenants. `fields`
    of a changed object are those that differ.
    """

    kind: str
    tenant: str
    name: str
    action: str
    fields: list[str] = []


class RefusedRows(msgspec.Struct, frozen=True):
    """A change is not live on a host, whose data plane does not take rows of one table; `reason` has its words.

    `rows` are how many of that table it does not take now, whoever's they are.
    """

    host: str
    table: str
    rows: int
    reason: str


class Written(msgspec.Struct, frozen=True):
    """A write took effect at `revision` (0: at one that is not known, for the answer was lost).

    `laggards` are hosts where it was not live in time (null: no wait). Those of them that programmed it, but for
    rows that their data plane does not take, are in `refused`; they were not waited for any longer.
    """

    revision: int
    objects: list[ObjectChange] = []
    laggards: list[str] | None = None
    refused: list[RefusedRows] = []


class TableCounts(msgspec.Struct, frozen=True):
    """Rows of one table that come, differ and go."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class ChangedRow(msgspec.Struct, frozen=True):
    """A row that stays with another value."""

    before: dict[str, Any]
    after: dict[str, Any]


class TableRows(msgspec.Struct, frozen=True):
    """The rows of one table that come, differ and go."""

    added: list[dict[str, Any]] = []
    changed: list[ChangedRow] = []
    removed: list[dict[str, Any]] = []


class Plan(msgspec.Struct, frozen=True):
    """What an apply would do at `revision`.

    `rows` are those of the network, each once, or those of one host when it was asked for one;
    `counts` say how many they are. `truncated`: more rows change than are listed. `hosts` has
    every host whose rows change. `pruned` are the objects that go besides, dependents first (null:
    nobody asked to prune).
    """

    revision: int
    objects: list[ObjectChange] = []
    counts: dict[str, TableCounts] = {}
    rows: dict[str, TableRows] = {}
    truncated: bool = False
    hosts: dict[str, dict[str, TableCounts]] = {}
    pruned: list[ObjectChange] | None = None


class Event(msgspec.Struct, frozen=True):
    """Something changed in the declared network at `revision`.

    `action` is created, changed or deleted, with `object` as it is now (null: deleted); or
    `snapshot`: history was lost, and what follows up to `synced` is everything that is declared.
    """

    action: str
    revision: int
    kind: str = ""
    tenant: str = ""
    name: str = ""
    object: dict[str, Any] | None = None


class HostState(msgspec.Struct, frozen=True):
    """One host at a glance. `lag` is how many revisions it is behind: 0 when nothing is left to program there.

    `drift` are rows that audits repaired, `drops` frames dropped by reason; both since its
    agent began. `problems` are sentences for a person. `away` is how many seconds ago its agent
    left; 0 while it is connected, and when this controller did not see it leave.
    """

    host: str
    connected: bool
    programmed: int = 0
    lag: int = 0
    drift: int = 0
    drops: dict[str, int] = {}
    ports: dict[str, int] = {}
    problems: list[str] = []
    away: int = 0


class Moving(msgspec.Struct, frozen=True):
    """A port that moved to `host`: `former` passes its frames on until every host has programmed `revision`.

    `waiting` are those that have not; those of them that did, but for rows that their data plane does not take,
    are in `refused`.
    """

    port: str
    former: str
    host: str
    revision: int
    waiting: list[str] = []
    refused: list[RefusedRows] = []


class Status(msgspec.Struct, frozen=True):
    """The fleet at a glance. `objects` are counts by kind, `moving` the ports whose move is not finished."""

    version: str
    revision: int
    objects: dict[str, int] = {}
    hosts: list[HostState] = []
    moving: list[Moving] = []


class TokenInfo(msgspec.Struct, frozen=True):
    """A token without its secret. `tenants` is empty for all of them; times are RFC 3339."""

    id: str
    name: str
    role: str
    tenants: list[str] = []
    created: str = ""
    expires: str = ""


class NewToken(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a token is to be. `expires_in` is in seconds; null: never. `tenants` null: all, and the machines."""

    name: str
    role: str
    tenants: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    expires_in: int | None = None


class IssuedToken(msgspec.Struct, frozen=True):
    """A token just made. `secret` is what to send, and is shown this once."""

    token: TokenInfo
    secret: str


class AuditEntry(msgspec.Struct, frozen=True):
    """One line of the audit log. `actor` is `token:ID (NAME)`, `host:NAME` or `local`; `at` is RFC 3339.

    `objects` are `created|changed|deleted KIND NAME`, the first of `count`.
    """

    id: str
    at: str
    actor: str
    request: str = ""
    action: str = ""
    objects: list[str] = []
    count: int = 0
    detail: str = ""


class AuditLog(msgspec.Struct, frozen=True):
    """A part of the audit log, the oldest first. `next` is the cursor of the following part; null at the end."""

    entries: list[AuditEntry]
    next: str | None = None


class Revocation(msgspec.Struct, frozen=True):
    """A certificate that counts no longer. `serial` is hexadecimal without a prefix."""

    serial: str
    host: str = ""
    reason: str = ""
