"""One declaration in two languages: what Python says of records and numbers is what the programs were compiled with."""

from __future__ import annotations

import json
import re
import subprocess
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from triptych.core import verdicts
from triptych.core.tables import LAYOUT_VERSION, MAX_NEXT_HOPS, TABLES, schema
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.build import build, command, find_clang

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "bpf" / "include" / "triptych_abi.h"

STRUCTS: dict[str, np.dtype[np.void]] = {
    **{f"tri_{table.struct}_key": table.key_dtype for table in TABLES},
    **{f"tri_{table.struct}": table.value_dtype for table in TABLES},
    **layout.STRUCTS,
}
NUMBERS: dict[str, type[IntEnum] | type[IntFlag]] = {
    "tri_verdict": verdicts.Verdict,
    "tri_reason": verdicts.Reason,
    "tri_event": verdicts.Event,
    "tri_location_kind": schema.LocationKind,
    "tri_neighbor_flag": schema.NeighborFlag,
    "tri_route_kind": schema.RouteKind,
    "tri_port_kind": layout.PortKind,
    "tri_config_flag": layout.ConfigFlag,
}
CONSTANTS = {
    "TRI_LAYOUT_VERSION": LAYOUT_VERSION,
    "TRI_MAX_HOPS": MAX_NEXT_HOPS,
    "TRI_PORT_IPS": layout.PORT_IPS,
    "TRI_FLOOD_VTEPS": layout.FLOOD_VTEPS,
    "TRI_FLOOD_PORTS": layout.FLOOD_PORTS,
    "TRI_TRACE_MAGIC": layout.TRACE_MAGIC,
}
# A count of the enumerators, for arrays; it is no number of its own.
_COUNTS = {"TRI_REASON_COUNT", "TRI_EVENT_COUNT"}


class Btf:
    """The types of an object file."""

    def __init__(self, path: Path) -> None:
        dump = subprocess.run(["bpftool", "-j", "btf", "dump", "file", str(path)], capture_output=True, check=True)
        self._types: dict[int, dict[str, Any]] = {item["id"]: item for item in json.loads(dump.stdout)["types"]}

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The one type of a kind and name."""
        (found,) = (item for item in self._types.values() if (item["kind"], item["name"]) == (kind, name))
        return found

    def fields(self, struct: str) -> dict[str, tuple[int, int, bool]]:
        """Offset, size in bytes, and whether it is big-endian, of each field of a struct; nested ones by path."""
        return dict(self._walk(self.named("STRUCT", struct)["id"], "", 0))

    def _walk(self, number: int, path: str, at: int) -> list[tuple[str, tuple[int, int, bool]]]:
        item, big = self._resolve(number)
        if item["kind"] == "STRUCT" and item["name"] != "tri_ip":
            parts = []
            for member in item["members"]:
                name = f"{path}.{member['name']}" if path else member["name"]
                parts += self._walk(member["type_id"], name, at + member["bits_offset"] // 8)
            return parts
        if item["kind"] == "ARRAY":
            element, big = self._resolve(item["type_id"])
            if element["kind"] == "STRUCT" and element["name"] != "tri_ip":
                parts = []
                for index in range(item["nr_elems"]):
                    parts += self._walk(item["type_id"], f"{path}[{index}]", at + index * element["size"])
                return parts
            return [(path, (at, element["size"] * item["nr_elems"], big))]
        return [(path, (at, item["size"], big))]

    def _resolve(self, number: int) -> tuple[dict[str, Any], bool]:
        item, big = self._types[number], False
        while item["kind"] in {"TYPEDEF", "CONST", "VOLATILE"}:
            big = big or item["name"].startswith("__be")
            item = self._types[item["type_id"]]
        return item, big


def fields_of(dtype: np.dtype[Any], path: str = "", at: int = 0) -> dict[str, tuple[int, int, bool]]:
    """The same facts of a numpy type."""
    found: dict[str, tuple[int, int, bool]] = {}
    for name in dtype.names or ():
        part, offset = dtype.fields[name][:2]  # type: ignore[index]
        base, shape = part.subdtype or (part, ())
        where = f"{path}.{name}" if path else name
        if base.names:
            for index in range(shape[0]):
                found |= fields_of(base, f"{where}[{index}]", at + offset + index * base.itemsize)
        else:
            found[where] = (at + offset, part.itemsize, base.newbyteorder("=") != base)
    return found


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    """The object as it is shipped, compiled from the sources of this checkout."""
    return Btf(build(output=tmp_path_factory.mktemp("abi") / "triptych.bpf.o"))


@pytest.fixture(scope="module")
def enumerations(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    """The header's enumerations, each held in a variable: BTF leaves out types that nothing has."""
    folder = tmp_path_factory.mktemp("enums")
    source, target = folder / "enums.c", folder / "enums.o"
    names = re.findall(r"^enum (\w+) \{", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    lines = [f'#include "{HEADER}"', *(f"enum {name} held_{name};" for name in names)]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    subprocess.run(command(find_clang(), source, target), check=True, capture_output=True)
    return Btf(target)


@pytest.mark.parametrize("struct", STRUCTS)
def test_records(compiled: Btf, struct: str) -> None:
    """Every record has the same fields at the same offsets, of the same sizes and byte orders, and the same whole."""
    dtype = STRUCTS[struct]
    assert compiled.fields(struct) == fields_of(dtype)
    assert compiled.named("STRUCT", struct)["size"] == dtype.itemsize


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(enumerations: Btf, name: str) -> None:
    """Every enumerator has the same name and value."""
    prefix = f"{name.removesuffix('_flag').removesuffix('_kind').upper()}_"
    if name == "tri_config_flag":
        prefix = "TRI_"
    values = {
        value["name"].removeprefix(prefix): value["val"]
        for value in enumerations.named("ENUM", name)["values"]
        if value["name"] not in _COUNTS
    }
    assert values == {member.name: member.value for member in NUMBERS[name]}


def test_every_enumeration_is_compared() -> None:
    """No enumeration of the header is left out here."""
    assert set(re.findall(r"^enum (\w+) \{", HEADER.read_text(encoding="utf-8"), re.MULTILINE)) == set(NUMBERS)


def test_every_struct_is_compared() -> None:
    """No struct of the header is left out here, but the two that the others are made of."""
    found = set(re.findall(r"^struct (\w+) \{", HEADER.read_text(encoding="utf-8"), re.MULTILINE))
    assert found == set(STRUCTS) | {"tri_ip", "tri_hop"}


def test_constants() -> None:
    """Every number that the header defines is Python's too."""
    found = re.findall(r"^#define (TRI_\w+) (\w+)$", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(value, 0) for name, value in found} == CONSTANTS
