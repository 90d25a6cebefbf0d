"""Certificates that count no longer, by serial number."""

from __future__ import annotations

import re

import msgspec

from triptych.controller.service.audit import Origin, audit_put
from triptych.controller.service.book import Book
from triptych.controller.service.keys import REVOKED
from triptych.errors import InputError
from triptych.stores.base import Put, Store, Txn

_SERIAL = re.compile(r"[0-9a-f]{1,40}")


class Revoked(msgspec.Struct, frozen=True):
    """A revoked certificate: `serial` is lower-case hexadecimal, `host` and `reason` are for people."""

    serial: str
    host: str = ""
    reason: str = ""


class RevocationBook(Book[Revoked]):
    """All revoked certificates."""

    def __init__(self) -> None:
        super().__init__(REVOKED, msgspec.json.Decoder(Revoked).decode)

    def is_revoked(self, serial: int) -> bool:
        """Whether the certificate of that serial number counts no longer."""
        return f"{serial:x}" in self.known


async def revoke_certificate(store: Store, revoked: Revoked, *, now: float, origin: Origin) -> int:
    """Let a certificate count no longer, as of the revision that is returned; InputError for a bad serial number."""
    serial = revoked.serial.lower().removeprefix("0x").lstrip("0")
    if not _SERIAL.fullmatch(serial):
        raise InputError(f"serial {revoked.serial[:80]!r}: is not a serial number; give it in hexadecimal digits")
    kept = msgspec.structs.replace(revoked, serial=serial, host=revoked.host[:255], reason=revoked.reason[:1000])
    entry = audit_put(origin, "certificate revoked", now, detail=f"{serial} {kept.host} {kept.reason}".strip())
    done = await store.commit(Txn(puts=(Put(REVOKED + serial.encode(), msgspec.json.encode(kept)), entry)))
    return done.revision
