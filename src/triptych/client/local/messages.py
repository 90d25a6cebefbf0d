"""What is said over the agent's socket: one JSON object a line, a request and then its reply.

Both ends read these types. Unknown fields are refused, so that a misspelt one is not taken
for absent.
"""

from __future__ import annotations

import msgspec

LONGEST = 4096
"""Bytes of a request line."""
LONGEST_REPLY = 1 << 28
"""Bytes of a reply line; all rows of a host are the longest."""
LONGEST_WAIT = 600.0
"""Seconds that an attach may wait."""


class Attach(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="attach"):
    """Make an interface the port `tenant/port`. Answered when the port can talk, or after `wait` seconds.

    With `wait` 0 the answer comes as soon as the claim is granted.
    """

    port: str
    interface: str
    wait: float = 30.0


class Detach(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="detach"):
    """Make the interface of `tenant/port` nothing again; a port that is not attached is no error."""

    port: str


class ListPorts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="list"):
    """Every port of this host."""


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="status"):
    """How the agent and its data plane fare."""


class ReadRows(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="rows"):
    """The rows that are in the data plane of this host now."""


Request = Attach | Detach | ListPorts | Status | ReadRows


class LocalPortStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port on this host. `phase`: live, waiting, gone (its interface is) or refused; `detail` says why."""

    port: str
    phase: str
    interface: str = ""
    generation: int = 0
    detail: str = ""


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reply", tag="done"):
    """An attach or detach took effect. `note`: what the asker should know all the same."""

    port: str
    phase: str
    note: str = ""


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reply", tag="refused"):
    """Nothing, or not all, was done; `message` is one sentence for a person."""

    message: str


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reply", tag="list"):
    """The answer to `list`, by name of the port."""

    ports: list[LocalPortStatus]


class PortDrops(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames of a port (empty: of the underlay) dropped for one reason since the data plane was made."""

    port: str
    reason: str
    packets: int


class StatusReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reply", tag="status"):
    """The answer to `status`. `revision` is the store's that is programmed; `rows` and `room` are by table.

    `room` is how many rows there is room for now; a table that is not in it has no bound. `drifted` are rows of the
    last audit that found any wrong. `connected`: a controller is heard now; `complete`: one has said everything since
    the agent started.
    """

    host: str
    version: str
    driver: str
    connected: bool
    complete: bool
    revision: int
    scopes: int
    rows: dict[str, int]
    ports: dict[str, int]
    vteps: int
    refused: list[str]
    audits: int
    drift: int
    drifted: list[str]
    errors: list[str]
    drops: list[PortDrops] = []
    room: dict[str, int] = {}


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one table as records end to end: all keys, and in the same order all values. JSON has base64."""

    keys: bytes
    values: bytes


class RowsReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reply", tag="rows"):
    """The answer to `rows`, by table. Records are in the layout of `triptych.core.tables`."""

    tables: dict[str, Columns]


Reply = Done | Refused | Listing | StatusReply | RowsReply
