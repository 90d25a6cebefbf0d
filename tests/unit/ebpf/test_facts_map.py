"""The map of facts is read as it was written, whatever point a process died at or a map was full at."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ipaddress import ip_address
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.addresses import Mac
from triptych.core.local import LocalPort
from triptych.drivers.ebpf.facts import Facts, encode
from triptych.errors import TableFullError
from triptych.kernel.maps import BpfMap


class DiedError(Exception):
    """The process ends here."""


class MapStandIn:
    """A hash map of `room` entries in this process, that ends it after so many system calls."""

    def __init__(self, room: int = 1 << 16) -> None:
        self.held: dict[bytes, bytes] = {}
        self.info = SimpleNamespace(max_entries=room)
        self.calls_left: int | None = None

    def _call(self) -> None:
        if self.calls_left == 0:
            raise DiedError
        if self.calls_left is not None:
            self.calls_left -= 1

    def update(self, key: bytes, value: bytes) -> None:
        """As BpfMap.update."""
        self._call()
        if key not in self.held and len(self.held) >= self.info.max_entries:
            raise OSError(errno.E2BIG, "no room")
        self.held[key] = value

    def delete(self, key: bytes) -> bool:
        """As BpfMap.delete."""
        self._call()
        return self.held.pop(key, None) is not None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """As BpfMap.items."""
        yield from list(self.held.items())


def port(addresses: int, last: int = 0) -> LocalPort:
    """A port whose facts take a part for about every 25 addresses."""
    ips = tuple(ip_address((0x0A << 24) + (last << 16) + number) for number in range(addresses))
    return LocalPort("acme/a", "port-a", 7, Mac(b"\2\0\0\0\0\1"), ips)


ports = st.builds(port, st.integers(0, 120), st.integers(0, 3))


@given(ports, ports, st.integers(0, 12))
def test_a_port_is_the_old_one_the_new_one_or_none(old: LocalPort, new: LocalPort, calls: int) -> None:
    """Death after any system call of a change leaves no mixture of the two, and forgetting leaves nothing."""
    kernel = MapStandIn()
    facts = Facts(cast(BpfMap, kernel))
    facts.put(3, old)
    facts.put(4, old)
    kernel.calls_left = calls
    try:
        facts.put(3, new)
    except DiedError:
        assert facts.read().get(3) in (old, new, None)
    else:
        assert facts.read()[3] == new
    kernel.calls_left = None
    facts.delete(3)
    assert facts.read() == {4: old}


@given(st.integers(60, 120), st.integers(0, 4))
def test_without_room_nothing_is_left_of_a_new_port(addresses: int, room: int) -> None:
    """A port whose parts do not fit is refused by name, and the parts that did fit are gone again."""
    made = port(addresses)
    kernel = MapStandIn(min(room, len(encode(made)) - 1))
    with pytest.raises(TableFullError, match="no room to remember port acme/a"):
        Facts(cast(BpfMap, kernel)).put(3, made)
    assert kernel.held == {}
