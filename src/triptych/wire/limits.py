"""How large a message may be, and the checks that every field read from the wire passes."""

from __future__ import annotations

from collections.abc import Sized

from triptych.errors import WireError

MAX_MESSAGE = 4 << 20
"""Bytes of any message, at most; what is larger is sent in parts."""

PART_BYTES = 1 << 20
"""Bytes of rows in one part of an update, about."""

BATCH_BYTES = 2 << 20
"""Bytes of updates in one batch, at most; a part alone may be a little larger than `PART_BYTES`."""

MAX_PARTS = 1 << 16
MAX_SCOPES = 100_000
MAX_REFUSALS = 16
"""One for each table and what was tried with its rows, of which all controllers are told through the store."""

MAX_REFUSED_SCOPES = 100
"""Of which a refusal names; of more it says nothing."""

MAX_NAME = 255
MAX_TEXT = 1024
MAX_LIST = 10_000
MAX_VNI = (1 << 24) - 1
MAX_U32 = (1 << 32) - 1


def check_count(what: str, items: Sized, most: int) -> None:
    """Refuse a list, or bytes, that is longer than anything honest."""
    if len(items) > most:
        raise WireError(f"{what}: {len(items)} of them; {most} are allowed")


def check_text(what: str, text: str, most: int = MAX_NAME) -> str:
    """The text, when it is short and has no control characters."""
    if len(text) > most or not text.isprintable():
        raise WireError(f"{what}: {text[:60]!r} is too long or not printable; {most} characters are allowed")
    return text


def fit_text(text: str, most: int = MAX_TEXT) -> str:
    """What people wrote, or a kernel says, so that `check_text` takes it: cut, and `?` for what cannot be printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])


def check_name(what: str, text: str) -> str:
    """The text, when it may stand on one side of the slash in TENANT/PORT."""
    if not text or "/" in text:
        raise WireError(f"{what}: {text[:60]!r} is no name; it has characters, and no slash")
    return check_text(what, text)


def check_size(what: str, raw: bytes, size: int) -> bytes:
    """The bytes, when there are exactly so many."""
    if len(raw) != size:
        raise WireError(f"{what}: {len(raw)} bytes; it has {size}")
    return raw


def check_range(what: str, number: int, least: int, most: int) -> int:
    """The number, when it lies in a range, both ends included."""
    if not least <= number <= most:
        raise WireError(f"{what}: {number}; it lies in {least}..{most}")
    return number


def cut(what: str, raw: bytes, size: int) -> list[bytes]:
    """Concatenated records of `size` bytes each, apart."""
    if len(raw) % size:
        raise WireError(f"{what}: {len(raw)} bytes are no whole number of records of {size}")
    return [raw[start : start + size] for start in range(0, len(raw), size)]
