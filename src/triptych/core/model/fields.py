"""How one value of a document is read: text to address, number in its range, and so on.

Each reader takes plain data and gives a typed value, or raises `RefusedError` with the problem
and the remedy; who calls it knows the object and the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Network
from typing import TypeVar

from triptych.core.addresses import BROADCAST, IP, NO_MAC, IPNetwork, Mac, ip_address, ip_network
from triptych.core.model.nouns import Bum

MAX_VNI = 2**24 - 1
MAX_ID = 2**32 - 1
MAX_VLAN = 4094
MAX_ADDRESSES = 1024
"""Of one port, of each sort: what a host is told of one port must fit a message."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_INTERFACE = re.compile(r"[^\s/:]{1,15}\Z")
_T = TypeVar("_T")

MAPPED = IPv6Network("::ffff:0:0/96")
SPECIAL: tuple[tuple[str, IPNetwork], ...] = tuple(
    (what, ip_network(text))
    for what, text in (
        ("of the 'this network' range", "0.0.0.0/8"),
        ("loopback", "127.0.0.0/8"),
        ("link-local", "169.254.0.0/16"),
        ("multicast", "224.0.0.0/4"),
        ("reserved", "240.0.0.0/4"),
        ("unspecified", "::/128"),
        ("loopback", "::1/128"),
        ("an IPv4-mapped IPv6 address", "::ffff:0:0/96"),
        ("link-local", "fe80::/10"),
        ("multicast", "ff00::/8"),
    )
)
"""Ranges that no port, gateway or host may be in: routers never forward to them (docs/explanation/forwarding.md)."""

_RANGES = {
    version: tuple(
        (int(net.network_address), int(net.broadcast_address), what, net)
        for what, net in SPECIAL
        if net.version == version
    )
    for version in (4, 6)
}


class RefusedError(Exception):
    """A value is not what its field needs; `path` leads to the part that is wrong, `others` are wrong besides."""

    def __init__(self, value: object, problem: str, remedy: str, path: tuple[str | int, ...] = ()) -> None:
        self.value = value
        self.problem = problem
        self.remedy = remedy
        self.path = path
        self.others: list[RefusedError] = []
        super().__init__(problem)

    def within(self, *path: str | int) -> list[RefusedError]:
        """This refusal and the others, as parts of what `path` leads to."""
        found = [self, *self.others]
        for refused in found:
            refused.path = (*path, *refused.path)
        return found


def raise_all(refusals: list[RefusedError]) -> None:
    """Raise the first of several refusals, with the rest in it; nothing when there is none."""
    if refusals:
        first, *rest = refusals
        first.others = rest
        raise first


def special(network: IPNetwork) -> tuple[str, IPNetwork] | None:
    """The special range that a prefix lies in or overlaps, and what it is called."""
    first, last = int(network.network_address), int(network.broadcast_address)
    for low, high, what, range_ in _RANGES[network.version]:
        if first <= high and low <= last:
            return what, range_
    return None


def _text(value: object, example: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        raise RefusedError(value, "is not text", f"put it in quotes, like {example!r}")
    raise RefusedError(sort(value), "is not text", f"give text like {example!r}")


def sort(value: object) -> object:
    """A value as a message names it when it is of the wrong sort: scalars as they are."""
    if isinstance(value, (str, int, float)):
        return value
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "nothing"


def name(value: object) -> str:
    """A name: letters, digits, `-`, `_` and `.`; starts with a letter or digit; at most 63."""
    text = _text(value, "web-1")
    if not _NAME.match(text):
        raise RefusedError(
            text,
            "is not a name",
            "use 1 to 63 letters, digits, '-', '_' or '.', the first a letter or digit",
        )
    return text


def interface(value: object) -> str:
    """The name of a Linux network interface."""
    text = _text(value, "eth1")
    if not _INTERFACE.match(text) or text in {".", ".."}:
        raise RefusedError(text, "is not the name of an interface", "use 1 to 15 characters without spaces, '/' or ':'")
    return text


def ip(value: object) -> IP:
    """An IPv4 or IPv6 address outside the special ranges."""
    text = _text(value, "10.0.1.11")
    try:
        if "%" in text:
            raise ValueError(text)
        found = ip_address(text)
    except ValueError:
        raise RefusedError(text, "is not an IP address", "give one like '10.0.1.11' or 'fd00:1::11'") from None
    number = int(found)
    for low, high, what, _ in _RANGES[found.version]:
        if low <= number <= high:
            raise RefusedError(text, f"is {what}", "give a unicast address that can be routed")
    return found


def prefix(value: object) -> IPNetwork:
    """A prefix without host bits; any range."""
    text = _text(value, "10.0.1.0/24")
    address, slash, length = text.partition("/")
    try:
        if "%" in text:
            raise ValueError(text)
        if not slash:
            raise RefusedError(
                text, "has no prefix length", f"write {ip_address(text)}/{ip_address(text).max_prefixlen}"
            )
        if not (length.isascii() and length.isdigit()):
            raise ValueError(length)
        found = ip_network(text, strict=False)
    except ValueError:
        raise RefusedError(text, "is not a prefix", "give one like '10.0.1.0/24' or 'fd00:1::/64'") from None
    if found.network_address != ip_address(address):
        raise RefusedError(text, "has bits set behind the prefix length", f"write {found}")
    return found


def subnet_prefix(value: object) -> IPNetwork:
    """A prefix whose addresses ports can have."""
    found = prefix(value)
    hit = special(found)
    if hit:
        raise RefusedError(str(found), f"overlaps {hit[1]} ({hit[0]})", "give a prefix of unicast addresses")
    return found


def route_prefix(value: object) -> IPNetwork:
    """A prefix that a router may be asked to route."""
    found = prefix(value)
    hit = special(found)
    if hit and hit[1].prefixlen <= found.prefixlen:
        raise RefusedError(str(found), f"is {hit[0]}", "remove it; routers never forward there")
    _refuse_mapped(found)
    return found


def _refuse_mapped(found: IPNetwork) -> None:
    """An IPv6 prefix in which the v4-mapped range lies would match every IPv4 packet in the tables."""
    if isinstance(found, IPv6Network) and found.prefixlen and found != MAPPED and MAPPED.subnet_of(found):
        raise RefusedError(str(found), f"holds {MAPPED}, which stands for IPv4", "give '::/0' or a prefix without it")


def allowed(value: object) -> IPNetwork:
    """A prefix that a port may send from; an address alone means just that address."""
    text = _text(value, "10.9.0.0/16")
    found = prefix(text) if "/" in text else ip_network(ip(text))
    if isinstance(found, IPv6Network) and found.subnet_of(MAPPED):
        raise RefusedError(text, "is an IPv4-mapped IPv6 prefix", "write it as an IPv4 prefix")
    _refuse_mapped(found)
    return found


def mac(value: object) -> Mac:
    """A unicast MAC address."""
    text = _text(value, "02:00:00:00:01:01")
    try:
        found = Mac.parse(text)
    except ValueError:
        raise RefusedError(
            text, "is not a MAC address", "give six hexadecimal octets like '02:00:00:00:01:01'"
        ) from None
    if found == BROADCAST or found.is_multicast:
        raise RefusedError(text, "is a multicast MAC address", "give one whose first octet is even")
    if found == NO_MAC:
        raise RefusedError(text, "is no MAC address of an interface", "give one like '02:00:00:00:01:01'")
    return found


def number(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise RefusedError(sort(value), "is not a whole number", f"give one from {low} to {high}, without quotes")
        if not low <= value <= high:
            raise RefusedError(value, "is out of range", f"give a number from {low} to {high}")
        return value

    return read


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise RefusedError(sort(value), "is neither true nor false", "give true or false, without quotes")
    return value


def bum(value: object) -> Bum:
    """What a segment does with BUM."""
    text = _text(value, "drop")
    try:
        return Bum(text)
    except ValueError:
        raise RefusedError(text, "is not a way to treat BUM", "give 'drop' or 'replicate'") from None


def each(
    read: Callable[[object], _T], what: str, *, distinct: bool = True, most: int | None = None
) -> Callable[[object], tuple[_T, ...]]:
    """A reader of lists; nothing may come twice in a `distinct` one."""

    def read_all(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise RefusedError(sort(value), "is not a list", f"write it as a list of {what}, in brackets")
        if most is not None and len(value) > most:
            raise RefusedError("", f"has {len(value)} {what}", f"keep at most {most}")
        result: list[_T] = []
        seen: set[_T] = set()
        refusals: list[RefusedError] = []
        for at, item in enumerate(value):
            try:
                found_item = read(item)
            except RefusedError as refused:
                refusals += refused.within(at)
                continue
            if distinct and found_item in seen:
                refusals.append(RefusedError(str(found_item), "is given twice", "keep one", (at,)))
            seen.add(found_item)
            result.append(found_item)
        raise_all(refusals)
        return tuple(result)

    return read_all
