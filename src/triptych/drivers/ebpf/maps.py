"""The pinned maps of a host: which there are, how large, and how they are adopted.

Adopting means: the same kernel maps go on under new programs. A map whose layout
differs is refused by name; one whose size was changed is made anew and its rows are
copied, before any program meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from triptych.core.sizes import Growth, Sizes
from triptych.core.tables import LAYOUT_VERSION
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.libbpf import BpfObject
from triptych.errors import DataPlaneError, LayoutError, TableFullError
from triptych.kernel import bpf, bpffs, uapi
from triptych.kernel.bpf import MapInfo
from triptych.kernel.maps import FULL, BpfMap
from triptych.kernel.uapi import MapType

SHARED = (
    "locations",
    "neighbors",
    "routes",
    "ports",
    "locals",
    "allowed",
    "vteps",
    "floods",
    "config",
    "limits",
    "drops",
    "events",
    "last",
)
"""Maps of the programs that outlive them; any other map of the object is the programs' own."""

FACTS = "facts"
FACT_KEY, FACT_VALUE = 8, 512
_FACT_ENTRIES = 1 << 16

Maps = Mapping[str, BpfMap]


def check_version(directory: Path) -> None:
    """LayoutError when what is pinned was made by programs that these cannot share maps with."""
    fd = bpffs.get_or_none(directory / "config")
    if fd is None:
        return
    with BpfMap(fd) as config:
        value = config.lookup(bytes(4)) or b""
        found = (
            int(layout.unpack(layout.CONFIG, value)["layout_version"]) if len(value) == layout.CONFIG.itemsize else 0
        )
    # A zero was never written: an earlier process died between making the map and filling it.
    if found not in {0, LAYOUT_VERSION} or len(value) != layout.CONFIG.itemsize:
        raise _mismatch(directory, f"layout version {found or 'unknown'}")


def _mismatch(directory: Path, found: str) -> LayoutError:
    return LayoutError(
        f"the maps pinned in {directory} have {found}, these programs need layout version {LAYOUT_VERSION}; "
        "start the version that made them, or destroy the data plane and let it be built again"
    )


def adopt(found: BpfObject, directory: Path, sizes: Sizes, growth: Growth) -> dict[str, BpfMap]:
    """Let the object share every pinned map that fits; returns the maps to be replaced by larger or smaller ones.

    To be called before the object is loaded. LayoutError names a map of another shape.
    """
    outdated: dict[str, BpfMap] = {}
    with ExitStack() as undo:
        for name in SHARED:
            declared = found.declared(name)
            size = sizes.of(name) or growth.beginning(name) or declared.max_entries
            fd = bpffs.get_or_none(directory / name)
            if fd is None:
                found.resize(name, size)
                continue
            pinned = undo.enter_context(BpfMap(fd))
            if _shape(pinned.info) != _shape(declared):
                raise _mismatch(
                    directory,
                    f"map {name} with keys of {pinned.info.key_size} and values of {pinned.info.value_size} bytes "
                    f"(type {pinned.info.type}, flags {pinned.info.flags})",
                )
            # A table that has grown. Or counters of a newer version: those unknown to these programs are left alone.
            is_roomier = sizes.of(name) is None and pinned.info.max_entries > size
            if pinned.info.max_entries == size or is_roomier:
                found.share(name, pinned.fd)
                pinned.close()
            else:
                found.resize(name, size)
                outdated[name] = pinned
        undo.pop_all()
    return outdated


def _shape(info: MapInfo) -> tuple[int, int, int, int]:
    return info.type, info.key_size, info.value_size, info.flags


def replace(outdated: Maps, maps: Maps) -> None:
    """Copy every row of the outdated maps into those that take their place.

    TableFullError when a smaller one cannot hold them; nothing that is in use was touched by then.
    """
    for name, old in outdated.items():
        new = maps[name]
        for part in old.batches():
            done, code = new.update_batch(part.keys, part.values, 0, part.count)
            if code in FULL:
                raise TableFullError(
                    f"map {name} has more rows than the {new.info.max_entries} it is to be made for; "
                    f"raise sizes.{name} (it was {old.info.max_entries})"
                )
            if code:
                raise DataPlaneError(f"map {name}: cannot copy row {done} into one of another size (errno {code})")


def pin_all(maps: Maps, directory: Path) -> None:
    """Pin every map under its name, in place of what another one left there."""
    for name, item in maps.items():
        path = directory / name
        fd = bpffs.get_or_none(path)
        if fd is not None:
            with BpfMap(fd) as old:
                same = old.info.id == item.info.id
            if same:
                continue
        bpffs.pin_over(item.fd, path)


def facts_map(directory: Path) -> BpfMap:
    """The map that only user space reads: the declared facts of each port, pinned beside the others."""
    fd = bpffs.get_or_none(directory / FACTS)
    if fd is not None:
        return BpfMap(fd)
    made = BpfMap.create(FACTS, MapType.HASH, FACT_KEY, FACT_VALUE, _FACT_ENTRIES, uapi.NO_PREALLOC)
    bpf.pin(made.fd, str(directory / FACTS))
    return made


def open_pinned(directory: Path) -> dict[str, BpfMap]:
    """Every pinned map by name; DataPlaneError when the data plane is not there."""
    with ExitStack() as undo:
        found: dict[str, BpfMap] = {}
        for name in (*SHARED, FACTS):
            fd = bpffs.get_or_none(directory / name)
            if fd is None:
                raise DataPlaneError(f"no data plane is pinned in {directory} (map {name} is missing); open one first")
            found[name] = undo.enter_context(BpfMap(fd))
        undo.pop_all()
    return found
