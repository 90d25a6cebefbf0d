"""The bodies of the REST API under `/v1`, as both ends write and read them.

JSON members are these names. Fields are added, never renamed; a client takes no offence at
ones that it does not know. Lists of documents, tables and traces keep the form that the
command line prints: a document is DESIGN section 3's, a trace `triptych.core.forward.Trace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Item = Mapping[str, Any]
"""An object as its document item, with everything allocated, and its `revision` beside it."""

Row = Mapping[str, Any]
"""One row of a table as `triptych tables -o json` prints it."""


class Page(msgspec.Struct, frozen=True):
    """A part of a listing, taken at `revision`. `next` is the cursor of the following part; "" at the end."""

    items: list[dict[str, Any]]
    revision: int = 0
    next: str = ""


class ObjectChange(msgspec.Struct, frozen=True):
    """What happens to one object: `action` is created, changed, deleted or unchanged.

    `kind` is a list of a document (`ports`), `tenant` is "" for hosts and tenants. `before`
    and `after` are document items; null where there is none.
    """

    action: str
    kind: str
    tenant: str
    name: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class Live(msgspec.Struct, frozen=True):
    """Whether a revision is programmed everywhere: `waited` seconds for, `behind` are the hosts that are not there."""

    live: bool
    behind: list[str] = []


class Applied(msgspec.Struct, frozen=True):
    """A write took effect at `revision`. `live` is there when it was asked to wait."""

    revision: int
    changes: list[ObjectChange] = []
    live: Live | None = None


class RowChanges(msgspec.Struct, frozen=True):
    """Rows of one table that come, change and go; a changed row as it becomes."""

    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    removed: list[dict[str, Any]] = []


class HostChanges(msgspec.Struct, frozen=True):
    """The rows that change on one host, by table."""

    host: str
    tables: dict[str, RowChanges] = {}


class Plan(msgspec.Struct, frozen=True):
    """What an apply would do at `revision`: to objects, and to the rows of each host concerned."""

    revision: int
    changes: list[ObjectChange] = []
    hosts: list[HostChanges] = []


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
    """One host at a glance. `lag` counts revisions that concern it and are not programmed there yet.

    `drift` are rows that audits repaired, `drops` frames dropped by reason; both since its
    agent began. `problems` are sentences for a person.
    """

    host: str
    connected: bool
    programmed: int = 0
    lag: int = 0
    drift: int = 0
    drops: dict[str, int] = {}
    ports: dict[str, int] = {}
    problems: list[str] = []


class Status(msgspec.Struct, frozen=True):
    """The fleet at a glance. `objects` are counts by kind."""

    version: str
    revision: int
    objects: dict[str, int] = {}
    hosts: list[HostState] = []


class TokenInfo(msgspec.Struct, frozen=True):
    """A token without its secret. `tenants` is empty for all of them; times are RFC 3339."""

    id: str
    name: str
    role: str
    tenants: list[str] = []
    created: str = ""
    expires: str = ""


class NewToken(msgspec.Struct, frozen=True):
    """What a token is to be. `expires_in` is in seconds; null: never."""

    name: str
    role: str
    tenants: list[str] = []
    expires_in: int | None = None


class IssuedToken(msgspec.Struct, frozen=True):
    """A token just made. `secret` is what to send, and is shown this once."""

    token: TokenInfo
    secret: str


class Revocation(msgspec.Struct, frozen=True):
    """A certificate that counts no longer. `serial` is hexadecimal without a prefix."""

    serial: str
    host: str = ""
    reason: str = ""
