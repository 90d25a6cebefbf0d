"""A BPF map behind a descriptor: one element at a time, or thousands in one call."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from triptych.kernel import bpf, uapi
from triptych.kernel.uapi import Batch, Command, Element, MapType

CHUNK = 1 << 16
"""Elements in one batch call."""

FIRST_CHUNK = 1 << 8
"""Elements in the first batch of all that a map holds; four times as many in each that follows, up to `CHUNK`."""

FULL = frozenset({errno.E2BIG, errno.ENOSPC})
"""How hash maps and tries say that there is no room."""
_UNSUPPORTED = frozenset({uapi.ENOTSUPP, errno.EOPNOTSUPP, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Elements:
    """Some elements of a map: `count` keys and values, one after the other."""

    keys: bytes
    values: bytes
    count: int


class BpfMap:
    """One map. It owns its descriptor; `close` leaves the map itself to who else holds or pins it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.info = bpf.map_info(fd)
        self.slot = self.info.value_size
        """Bytes that a value takes in user space: of all CPUs together in a per-CPU map."""
        if self.info.type in uapi.PER_CPU:
            self.slot = cpu_stride(self.info.value_size) * possible_cpus()

    @classmethod
    def create(
        cls, name: str, kind: MapType, key_size: int, value_size: int, max_entries: int, flags: int = 0
    ) -> BpfMap:
        """A new map that is pinned nowhere yet."""
        attr = uapi.MapCreate(kind, key_size, value_size, max_entries, flags, 0, 0, name.encode()[:15])
        return cls(bpf.call(Command.MAP_CREATE, attr))

    @classmethod
    def pinned(cls, path: Path) -> BpfMap:
        """The map pinned at `path`; FileNotFoundError when there is none."""
        return cls(bpf.get(str(path)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the descriptor; once is enough, more do no harm."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def lookup(self, key: bytes) -> bytes | None:
        """The value of a key (every CPU's in a per-CPU map), or None."""
        out = ctypes.create_string_buffer(self.slot)
        result = bpf.attempt(Command.MAP_LOOKUP, self._element(key, ctypes.addressof(out)))
        if result == -errno.ENOENT:
            return None
        _raise(result, "lookup", self.info.name)
        return out.raw

    def update(self, key: bytes, value: bytes, flags: int = uapi.ANY) -> None:
        """Create or replace an element; OSError with one of FULL when there is no room."""
        if len(value) != self.slot:
            raise ValueError(f"map {self.info.name} takes values of {self.slot} bytes, not {len(value)}")
        _raise(bpf.attempt(Command.MAP_UPDATE, self._element(key, bpf.address(value), flags)), "update", self.info.name)

    def delete(self, key: bytes) -> bool:
        """Remove an element; False when it was not there."""
        result = bpf.attempt(Command.MAP_DELETE, self._element(key, 0))
        if result == -errno.ENOENT:
            return False
        _raise(result, "delete", self.info.name)
        return True

    def update_batch(self, keys: bytes, values: bytes, start: int, count: int) -> tuple[int, int]:
        """Write `count` elements from the `start`-th of `keys` and `values` on, in one call or (where the
        kernel has no batches for the type) one by one. Returns how many went in before the first that did
        not, and that one's errno (0: all are in).
        """
        key_size, slot = self.info.key_size, self.slot
        attr = Batch(
            0, 0, bpf.address(keys) + start * key_size, bpf.address(values) + start * slot, count, self.fd, uapi.ANY, 0
        )
        result = bpf.attempt(Command.UPDATE_BATCH, attr)
        if result >= 0:
            return count, 0
        if -result in _UNSUPPORTED:
            return self._each(Command.MAP_UPDATE, keys, values, start, count)
        return int(attr.count), -result

    def delete_batch(self, keys: bytes, start: int, count: int) -> tuple[int, int]:
        """Remove `count` elements from the `start`-th key on; returned like `update_batch`."""
        attr = Batch(0, 0, bpf.address(keys) + start * self.info.key_size, 0, count, self.fd, 0, 0)
        result = bpf.attempt(Command.DELETE_BATCH, attr)
        if result >= 0:
            return count, 0
        if -result in _UNSUPPORTED:
            return self._each(Command.MAP_DELETE, keys, b"", start, count)
        return int(attr.count), -result

    def batches(self, chunk: int = CHUNK) -> Iterator[Elements]:
        """All elements, in batches. Elements that come or go meanwhile may be met or missed; BlockingIOError
        never: a batch too small for one hash bucket is tried again larger.
        """
        most = min(chunk, max(self.info.max_entries, 16))
        # A map with room for many mostly holds few: the first batches are small, for buffers have to be cleared.
        chunk = min(most, FIRST_CHUNK)
        cursor = ctypes.create_string_buffer(max(self.info.key_size, 8))
        follow = 0
        while True:
            keys = ctypes.create_string_buffer(chunk * self.info.key_size)
            values = ctypes.create_string_buffer(chunk * self.slot)
            attr = Batch(
                follow, ctypes.addressof(cursor), ctypes.addressof(keys), ctypes.addressof(values), chunk, self.fd, 0, 0
            )
            result = bpf.attempt(Command.LOOKUP_BATCH, attr)
            if result == -errno.ENOSPC and attr.count == 0:
                chunk *= 2
                continue
            if result == -errno.EINTR:  # an element vanished while the trie was walked
                continue
            if result not in {0, -errno.ENOENT, -errno.ENOSPC}:
                _raise(result, "batch lookup", self.info.name)
            count = int(attr.count)
            if count:
                yield Elements(keys.raw[: count * self.info.key_size], values.raw[: count * self.slot], count)
            if result == -errno.ENOENT:
                return
            follow = ctypes.addressof(cursor)
            chunk = max(chunk, min(most, 4 * chunk))

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All elements as pairs of bytes."""
        key_size, slot = self.info.key_size, self.slot
        for part in self.batches():
            keys, values = part.keys, part.values
            for index in range(part.count):
                yield (
                    keys[index * key_size : (index + 1) * key_size],
                    values[index * slot : (index + 1) * slot],
                )

    def _element(self, key: bytes, value: int, flags: int = 0) -> Element:
        if len(key) != self.info.key_size:
            raise ValueError(f"map {self.info.name} takes keys of {self.info.key_size} bytes, not {len(key)}")
        return Element(self.fd, bpf.address(key), value, flags)

    def _each(self, command: Command, keys: bytes, values: bytes, start: int, count: int) -> tuple[int, int]:
        attr = Element(self.fd, 0, 0, 0)
        at_key, at_value = bpf.address(keys), bpf.address(values)
        for index in range(start, start + count):
            attr.key = at_key + index * self.info.key_size
            attr.value = at_value + index * self.slot if values else 0
            result = bpf.attempt(command, attr)
            if result < 0:
                return index - start, -result
        return count, 0


def cpu_stride(value_size: int) -> int:
    """Bytes between two CPUs' values in what a per-CPU map hands out."""
    return (value_size + 7) & ~7


@cache
def possible_cpus() -> int:
    """How many values a per-CPU map hands out: the CPUs that may ever be plugged in."""
    text = Path("/sys/devices/system/cpu/possible").read_text().strip()
    return int(text.replace(",", "-").split("-")[-1]) + 1


def _raise(result: int, what: str, name: str) -> None:
    if result < 0:
        raise OSError(-result, f"{what} in map {name}: {os.strerror(-result)}")
