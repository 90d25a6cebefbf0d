"""Who changed what, in the store, in the transaction that changed it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import msgspec

from triptych.controller.service.change import ChangeSet
from triptych.controller.service.keys import AUDIT
from triptych.stores.base import Put, Store, Txn

_NAMED = 50
_PAGE = 1000
_TRIMMED_AT_ONCE = 10_000


class Origin(msgspec.Struct, frozen=True):
    """On whose behalf something happens: `actor` is `token:ID`, `host:NAME` or `local`."""

    actor: str
    request: str = ""


class AuditEntry(msgspec.Struct, frozen=True):
    """One line of the log. `objects` are `created|changed|deleted KIND NAME`, the first of `count`."""

    id: str
    at: str
    actor: str
    request: str
    action: str
    objects: tuple[str, ...] = ()
    count: int = 0
    detail: str = ""


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(AuditEntry).decode


def audit_put(origin: Origin, action: str, now: float, *, change: ChangeSet | None = None, detail: str = "") -> Put:
    """The entry as part of a transaction; `now` is seconds since the epoch."""
    effective = list(change.effective) if change is not None else []
    at = datetime.fromtimestamp(now, UTC)
    # Ordered by time, and never the same for two controllers.
    entry_id = f"{int(now * 1_000_000):016x}-{secrets.token_hex(4)}"
    entry = AuditEntry(
        id=entry_id,
        at=at.isoformat(timespec="milliseconds"),
        actor=origin.actor,
        request=origin.request,
        action=action,
        objects=tuple(f"{step.action} {key}" for key, step in effective[:_NAMED]),
        count=len(effective),
        detail=detail,
    )
    return Put(AUDIT + entry_id.encode(), _ENCODE(entry))


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, the oldest first; `next` is what to pass as `after` for the following ones."""

    entries: tuple[AuditEntry, ...]
    next: str | None


async def list_audit(store: Store, *, limit: int, after: str = "") -> AuditPage:
    """A page of the log."""
    page = await store.page(AUDIT, limit=limit, after=AUDIT + after.encode() if after else b"")
    following = None if page.next is None else page.next.removeprefix(AUDIT).decode()
    return AuditPage(tuple(_DECODE(entry.value) for entry in page.entries), following)


async def trim_audit(store: Store, keep_seconds: float, now: float) -> int:
    """Delete what is older; how many entries that were. Bounded: what is left waits for the next time."""
    until = AUDIT + f"{int((now - keep_seconds) * 1_000_000):016x}".encode()
    gone = 0
    while gone < _TRIMMED_AT_ONCE:
        page = await store.page(AUDIT, limit=_PAGE)
        old = tuple(entry.key for entry in page.entries if entry.key < until)
        if not old:
            break
        await store.commit(Txn(deletes=old))
        gone += len(old)
    return gone
