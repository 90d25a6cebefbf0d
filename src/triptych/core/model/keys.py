"""The store's keys of declared objects: `objects/KIND/TENANT/NAME`, percent-encoded; `-` is no tenant."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from triptych.core.model.nouns import Key, Kind

OBJECTS = b"objects/"
"""The prefix of the keys of all declared objects."""

# No name begins with it.
_NO_TENANT = "-"
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+").fullmatch


def object_key(key: Key) -> bytes:
    """The store's key of an object."""
    kind, tenant, name = key
    # Names have nothing to encode, the names of routes do; and this is asked several times for every object.
    owner = tenant if _PLAIN(tenant) else quote(tenant, safe="") or _NO_TENANT
    return f"objects/{kind.value}/{owner}/{name if _PLAIN(name) else quote(name, safe='')}".encode()


def parse_object_key(raw: bytes) -> Key:
    """The identity that a store's key names; ValueError when it names none."""
    parts = raw.removeprefix(OBJECTS).decode().split("/")
    if not raw.startswith(OBJECTS) or len(parts) != 3:
        raise ValueError(f"{raw!r} is not the key of an object")
    kind, tenant, name = parts
    owner = "" if tenant == _NO_TENANT else unquote(tenant, errors="strict")
    return Key(Kind(kind), owner, unquote(name, errors="strict"))
