"""Names as they are typed: `tenant/port`, `tenant/segment`, a VNI, a router id."""

from __future__ import annotations

from difflib import get_close_matches

from triptych.cli.usage import UsageError
from triptych.core.model import Key, Kind, Network, Port
from triptych.errors import NotFoundError


def split(text: str, noun: str) -> tuple[str, str]:
    """The two halves of `tenant/name`; UsageError when there is no single slash."""
    tenant, slash, name = text.partition("/")
    if not slash or not tenant or not name or "/" in name:
        raise UsageError(f"{noun} {text!r}: not of the form TENANT/{noun.upper()}; write for example acme/web-1")
    return tenant, name


def find(network: Network, kind: Kind, text: str) -> Key:
    """The identity of a declared object named `tenant/name` (or `name` for hosts); NotFoundError with near names."""
    tenant, name = ("", text) if kind in (Kind.HOST, Kind.TENANT) else split(text, kind.singular)
    key = Key(kind, tenant, name)
    if key in network.objects:
        return key
    known = [
        f"{other.tenant}/{other.name}" if other.tenant else other.name
        for other in network.objects
        if other.kind is kind
    ]
    near = get_close_matches(text, known, n=3)
    listed = near or sorted(known)[:5]
    hint = ("did you mean " if near else "known are ") + ", ".join(listed) if listed else "none is declared"
    raise NotFoundError(f"{kind.singular} {text!r}: nothing declared has this name; {hint}")


def find_port(network: Network, text: str) -> Port:
    """The port named `tenant/port`; NotFoundError with near names."""
    key = find(network, Kind.PORT, text)
    return network.port(key.tenant, key.name)
