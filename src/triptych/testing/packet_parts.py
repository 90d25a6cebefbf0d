"""Bytes of headers and messages for random packets: as they should be, or wrong in one place.

Written for speed and apart from `core/forward`, whose judge these packets are.
"""

from __future__ import annotations

from random import Random
from struct import pack

NOISE = Random(7).randbytes(9000)
"""Payload; sliced, so that a packet costs no random bytes."""

ND_FIXED = {133: 4, 134: 12, 135: 20, 136: 20, 137: 36}
"""Bytes after type, code and checksum of a neighbour discovery message (RFC 4861)."""

_EXTENSIONS = (0, 43, 44, 60, 51)


def checksum(data: bytes) -> int:
    """The Internet checksum, word by word (RFC 1071)."""
    total = sum(data[0::2]) * 256 + sum(data[1::2])
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def arp(rng: Random, mac: bytes, sender: bytes, target: bytes) -> bytes:
    """An ARP message, mostly a request; any field may be the wrong one."""
    roll = rng.random()
    kind, operation = b"\0\1\x08\0\6\4", 1
    if roll < 0.15:
        operation = 2
    elif roll < 0.19:
        operation = rng.choice((0, 3, 8, 9, 256))
    elif roll < 0.23:
        kind = rng.choice((b"\0\6\x08\0\6\4", b"\0\1\x86\xdd\6\4", b"\0\1\x08\0\x08\4", b"\0\1\x08\0\6\x10"))
    elif roll < 0.30:
        sender = bytes(4)
    elif roll < 0.36:
        target = sender
    elif roll < 0.42:
        mac = rng.randbytes(6)
    return kind + operation.to_bytes(2, "big") + mac + sender + bytes(6) + target


def nd(rng: Random, kind: int, mac: bytes, target: bytes) -> bytes:
    """A neighbour discovery message with options, its checksum left zero."""
    fixed = ND_FIXED[kind]
    body = (b"\0\0\0\0" + target).ljust(fixed, b"\0")[:fixed]
    code = 0 if rng.random() < 0.97 else rng.randrange(1, 256)
    return bytes((kind, code, 0, 0)) + body + _nd_options(rng, kind, mac)


def _nd_options(rng: Random, kind: int, mac: bytes) -> bytes:
    link_layer = 2 if kind == 136 else 1
    right = bytes((link_layer, 1)) + mac
    roll = rng.random()
    if roll < 0.55:
        return right
    if roll < 0.65:
        return b""
    options = []
    for _ in range(rng.randrange(1, 7)):
        options.append(
            rng.choice(
                (
                    right,
                    bytes((3 - link_layer, 1)) + mac,
                    b"\x0e\x01" + NOISE[:6],
                    b"\x05\x02" + NOISE[:14],
                    bytes((link_layer, 1)) + NOISE[:6],
                    bytes((link_layer, 2)) + mac + bytes(8),
                    bytes((link_layer, 0)) + mac,
                    b"\x01",
                )
                if rng.random() < 0.3
                else (right, b"\x0e\x01" + NOISE[:6], b"\x05\x02" + NOISE[:14])
            )
        )
    return b"".join(options)


def ipv4(rng: Random, source: bytes, destination: bytes, protocol: int, payload: bytes, ttl: int) -> bytes:
    """An IPv4 packet: with options, fragmented, DF or not, with lengths that lie."""
    roll = rng.random()
    words = 5 if roll < 0.9 else rng.randrange(6, 16)
    options = NOISE[: (words - 5) * 4]
    length = words * 4 + len(payload)
    flags = 0x4000 if rng.random() < 0.5 else 0
    version = 4
    wrong = rng.random()
    if wrong < 0.05:
        flags = rng.choice((0x2000, 0x0001, 0x2001, 0x1FFF, 0x6000, 0x8000, 0x3FFF))
    elif wrong < 0.07:
        length += rng.choice((-30, -8, -1, 1, 20))
    elif wrong < 0.08:
        words = rng.randrange(16)
    elif wrong < 0.085:
        version = rng.randrange(16)
    elif wrong < 0.09:
        length = rng.randrange(65536)
    tos = 0 if rng.random() < 0.7 else rng.randrange(256)
    addresses = source + destination
    first = (version << 4 | words, tos, length & 0xFFFF, rng.randrange(65536), flags, ttl, protocol)
    header = pack(">BBHHHBBH", *first, 0) + addresses + options
    right = checksum(header) if rng.random() < 0.95 else rng.randrange(65536)
    return pack(">BBHHHBBH", *first, right) + addresses + options + payload


def ipv6(rng: Random, source: bytes, destination: bytes, upper: int, payload: bytes, ttl: int) -> bytes:
    """An IPv6 packet: with chains of extension headers, fragmented, with lengths that lie."""
    following = upper
    if rng.random() < 0.2:
        following, payload = _extended(rng, upper, payload)
    length, version = len(payload), 6
    wrong = rng.random()
    if wrong < 0.03:
        length = max(0, length + rng.choice((-20, -8, -1, 1, 8)))
    elif wrong < 0.035:
        version = rng.randrange(16)
    elif wrong < 0.04:
        length = rng.randrange(65536)
    word = version << 28 | (rng.randrange(1 << 28) if rng.random() < 0.3 else 0)
    return pack(">IHBB", word, length & 0xFFFF, following, ttl) + source + destination + payload


def _extended(rng: Random, upper: int, payload: bytes) -> tuple[int, bytes]:
    following = upper
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 6, 7, 8))):
        kind = rng.choice(_EXTENSIONS)
        if kind == 44:
            offset = rng.choice((0, 0, 1, 6, 8, 0x10, 0xFFF8, 0xFFF9))
            payload = pack(">BBHI", following, rng.randrange(256), offset, 7) + payload
        else:
            units = rng.choice((0, 0, 0, 1, 2, 3))
            size = (units + 2) * 4 if kind == 51 else (units + 1) * 8
            said = units if rng.random() < 0.96 else rng.randrange(256)
            payload = bytes((following, said)) + NOISE[: size - 2] + payload
        following = kind
    return following, payload


def ports(rng: Random, body: bytes, *, tcp: bool) -> bytes:
    """A UDP or TCP header with few port numbers, so that flows repeat, and its checksum left to chance."""
    pair = pack(">HH", 40000 + rng.randrange(64), rng.choice((53, 80, 443, 4789)))
    if tcp:
        return pair + b"\0\0\0\1\0\0\0\0\x50\x02\x20\0" + NOISE[:2] + b"\0\0" + body
    return pair + (8 + len(body)).to_bytes(2, "big") + NOISE[2:4] + body


def icmp(rng: Random, kinds: tuple[int, ...], body: bytes) -> bytes:
    """An ICMP message of one of `kinds`."""
    code = 0 if rng.random() < 0.9 else rng.randrange(256)
    return bytes((rng.choice(kinds), code)) + rng.randbytes(2) + b"\0\7\0\1" + body


def mutated(rng: Random, frame: bytes) -> bytes:
    """The frame cut short, padded, or with bits flipped; mostly as it is."""
    roll = rng.random()
    if roll < 0.84 or not frame:
        return frame
    if roll < 0.90:
        return frame[: rng.randrange(len(frame) + 1)]
    if roll < 0.95:
        return frame + NOISE[: rng.randrange(1, 40)]
    raw = bytearray(frame)
    for _ in range(rng.randrange(1, 4)):
        # Most of the meaning is in front; the payload is noise anyway.
        at = rng.randrange(min(len(raw), rng.choice((20, 64, len(raw)))))
        raw[at] ^= 1 << rng.randrange(8)
    return bytes(raw)
