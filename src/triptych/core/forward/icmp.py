"""What the router says itself: ICMP errors, and the answer to a ping of its own address."""

from __future__ import annotations

from enum import Enum

from triptych.core.addresses import IP
from triptych.core.forward.checksum import updated
from triptych.core.forward.frame import ETHERNET, ICMP, Frame, Ip
from triptych.core.forward.headers import DEFAULT_TTL, icmp_message, ip_header
from triptych.core.forward.kinds import is_group
from triptych.core.forward.outcome import IcmpFate, Outcome
from triptych.core.forward.walk import Walk
from triptych.core.tables import RouteKind
from triptych.core.verdicts import Event, Reason


class IcmpError(Enum):
    """The errors, each with its type and code by family (RFC 792, RFC 1122, RFC 4443)."""

    NETWORK = ({4: (3, 0), 6: (1, 0)},)
    HOST = ({4: (3, 1), 6: (1, 3)},)
    PORT = ({4: (3, 3), 6: (1, 4)},)
    TIME = ({4: (11, 0), 6: (3, 0)},)
    TOO_BIG = ({4: (3, 4), 6: (2, 0)},)

    def __init__(self, codes: dict[int, tuple[int, int]]) -> None:
        self.codes = codes


ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}

_IPV4_ERRORS = (3, 4, 5, 11, 12)
_FIRST_ICMPV6_QUERY = 128
_QUOTED = {4: 548, 6: 1232}
"""Bytes of the packet that an error quotes: the whole is 576 (RFC 1812) or 1280 (RFC 4443) at most."""
_PRECEDENCE_INTERNETWORK_CONTROL = 0xC0
_IPV4_TTL, _IPV4_CHECKSUM, _IPV6_HOP_LIMIT = ETHERNET + 8, ETHERNET + 10, ETHERNET + 7


def nearest_router_address(walk: Walk, router: int, sender: IP) -> IP | None:
    """The router's own address towards `sender`: an error comes from it."""
    route = walk.route(router, sender, "which of the router's addresses is nearest to the sender")
    if route is not None and route.kind is RouteKind.VIA:
        route = walk.route(router, route.hops[0].ip, "which of the router's addresses is nearest to that next hop")
    if route is None or route.kind is not RouteKind.CONNECTED:
        return None
    return route.hops[0].ip


def answer_error(
    walk: Walk, frame: Frame, ip: Ip, error: IcmpError, reason: Reason, source: IP | None, mtu: int = 0
) -> Outcome:
    """Drop the packet for `reason`, and tell its sender where that is allowed."""
    if source is None or _must_not_answer(frame.raw, ip):
        return walk.drop(reason, IcmpFate.SUPPRESSED)
    if not walk.may_send_icmp():
        return walk.drop(reason, IcmpFate.LIMITED)
    kind, code = error.codes[ip.version]
    quoted = frame.raw[ETHERNET : ETHERNET + min(ip.length, _QUOTED[ip.version])]
    protocol = ICMP[ip.version]
    message = icmp_message(source, ip.source, protocol, kind, code, mtu.to_bytes(4, "big") + quoted)
    header = ip_header(
        source, ip.source, protocol, len(message), tos=_PRECEDENCE_INTERNETWORK_CONTROL, dont_fragment=True
    )
    return walk.reply(_ethernet_swapped(frame.raw) + header + message, Event.ICMP_ERROR, reason)


def _must_not_answer(raw: bytes, ip: Ip) -> bool:
    if ip.later_fragment or is_group(ip.source) or is_group(ip.destination):
        return True
    if not ip.is_icmp:
        return False
    if ip.upper_size < 1:
        return True
    kind = raw[ip.upper]
    return kind in _IPV4_ERRORS if ip.version == 4 else kind < _FIRST_ICMPV6_QUERY


def echo_reply(walk: Walk, frame: Frame, ip: Ip) -> Outcome:
    """The echo request turned round; checksums are updated, so that a wrong one stays wrong."""
    raw = bytearray(_ethernet_swapped(frame.raw) + frame.raw[ETHERNET:])
    width = len(ip.source.packed)
    addresses = ETHERNET + (12 if ip.version == 4 else 8)
    raw[addresses : addresses + 2 * width] = ip.destination.packed + ip.source.packed
    set_ttl(raw, ip, DEFAULT_TTL)
    kind, code = ECHO_REPLY[ip.version], raw[ip.upper + 1]
    old = int.from_bytes(raw[ip.upper : ip.upper + 2], "big")
    raw[ip.upper] = kind
    _update(raw, ip.upper + 2, old, kind << 8 | code)
    return walk.reply(bytes(raw), Event.ECHO)


def is_echo_request(raw: bytes, ip: Ip) -> bool:
    """A whole echo request with its 8 bytes of header, no extension header before it."""
    if not ip.is_icmp or not ip.direct or ip.upper_size < 8:
        return False
    return raw[ip.upper] == ECHO_REQUEST[ip.version] and raw[ip.upper + 1] == 0


def set_ttl(raw: bytearray, ip: Ip, ttl: int) -> None:
    """Write TTL or hop limit in place; the IPv4 header checksum follows."""
    if ip.version == 6:
        raw[_IPV6_HOP_LIMIT] = ttl
        return
    old = int.from_bytes(raw[_IPV4_TTL : _IPV4_TTL + 2], "big")
    raw[_IPV4_TTL] = ttl
    _update(raw, _IPV4_CHECKSUM, old, ttl << 8 | ip.protocol)


def _update(raw: bytearray, at: int, old: int, new: int) -> None:
    checksum = updated(int.from_bytes(raw[at : at + 2], "big"), old, new)
    raw[at : at + 2] = checksum.to_bytes(2, "big")


def _ethernet_swapped(raw: bytes) -> bytes:
    return raw[6:12] + raw[0:6] + raw[12:ETHERNET]
