"""The store's keys of declared objects: `objects/KIND/TENANT/NAME`, percent-encoded; `-` is no tenant."""

from __future__ import annotations

from urllib.parse import quote, unquote

from triptych.core.model.nouns import Key, Kind

OBJECTS = b"objects/"
"""The prefix of the keys of all declared objects."""

# No name begins with it.
_NO_TENANT = "-"


def object_key(key: Key) -> bytes:
    """The store's key of an object."""
    tenant = quote(key.tenant, safe="") or _NO_TENANT
    return OBJECTS + f"{key.kind.value}/{tenant}/{quote(key.name, safe='')}".encode()


def parse_object_key(raw: bytes) -> Key:
    """The identity that a store's key names; ValueError when it names none."""
    parts = raw.removeprefix(OBJECTS).decode().split("/")
    if not raw.startswith(OBJECTS) or len(parts) != 3:
        raise ValueError(f"{raw!r} is not the key of an object")
    tenant = "" if parts[1] == _NO_TENANT else unquote(parts[1], errors="strict")
    return Key(Kind(parts[0]), tenant, unquote(parts[2], errors="strict"))
