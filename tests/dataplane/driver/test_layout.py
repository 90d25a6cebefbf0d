"""The local facts that Python writes are laid out as the compiled object says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from triptych.drivers.ebpf import build, layout
from triptych.drivers.ebpf.layout import STRUCTS, ConfigFlag, Layout, PortKind


class Column(NamedTuple):
    """Where a member is, how large, and whether its numbers are big-endian."""

    offset: int
    size: int
    big_endian: bool


class Types:
    """The types of an object, from its BTF."""

    def __init__(self, programs: Path) -> None:
        command = ["bpftool", "-j", "btf", "dump", "file", str(programs)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["types"]
        self._by_id: dict[int, dict[str, Any]] = {item["id"]: item for item in found}

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The one type of that kind and name."""
        (found,) = (item for item in self._by_id.values() if item["kind"] == kind and item["name"] == name)
        return found

    def size(self, number: int) -> int:
        """Bytes that a type takes."""
        item = self._by_id[number]
        if item["kind"] == "ARRAY":
            return int(item["nr_elems"]) * self.size(item["type_id"])
        return int(item["size"]) if "size" in item else self.size(item["type_id"])

    def big_endian(self, number: int) -> bool:
        """Whether a type, or what an array is of, is one of the kernel's __be types."""
        item = self._by_id[number]
        if item["kind"] == "TYPEDEF" and item["name"].startswith("__be"):
            return True
        return "type_id" in item and self.big_endian(item["type_id"])

    def members(self, name: str) -> dict[str, Column]:
        """The members of a structure."""
        return {
            member["name"]: Column(
                member["bits_offset"] // 8, self.size(member["type_id"]), self.big_endian(member["type_id"])
            )
            for member in self.named("STRUCT", name)["members"]
        }


@pytest.fixture(scope="module")
def types(programs: Path) -> Types:
    """The types of the object that is tested."""
    return Types(programs)


def declared(structure: Layout) -> dict[str, Column]:
    """The same of a declaration in Python."""
    assert structure.fields is not None
    return {
        name: Column(offset, kind.itemsize, kind.base.newbyteorder("=") != kind.base)
        for name, (kind, offset, *_) in structure.fields.items()
    }


@pytest.mark.parametrize("name", STRUCTS)
def test_a_structure_has_the_same_members_in_c_and_python(types: Types, name: str) -> None:
    """Every member has the same name, offset, size and byte order, and the whole the same size."""
    assert declared(STRUCTS[name]) == types.members(name)
    assert STRUCTS[name].itemsize == types.named("STRUCT", name)["size"]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Types:
    """The enumerations of the ABI header: the object keeps only their values, so a variable of each is compiled."""
    folder = tmp_path_factory.mktemp("numbers")
    source, output = folder / "numbers.c", folder / "numbers.o"
    header = build.SOURCES / "include" / "triptych_abi.h"
    variables = "".join(f"enum {name} a_{name};\n" for name in ENUMS)
    source.write_text(f'#include "{header}"\n{variables}')
    subprocess.run(build.command(build.find_clang(), source, output), check=True)
    return Types(output)


ENUMS = {
    "tri_port_kind": ("TRI_PORT_", {kind.name: kind.value for kind in PortKind}),
    "tri_config_flag": ("TRI_", {flag.name: flag.value for flag in ConfigFlag}),
}


@pytest.mark.parametrize("name", ENUMS)
def test_an_enumeration_has_the_same_numbers(numbers: Types, name: str) -> None:
    """Every enumerator has the same name and value, and none is missing on either side."""
    prefix, members = ENUMS[name]
    found = numbers.named("ENUM", name)["values"]
    assert {item["name"].removeprefix(prefix): item["val"] for item in found} == members


def test_lists_have_room_for_as_many_in_both(types: Types) -> None:
    """The lengths of the lists of a port's addresses and of a flood entry are the declared ones."""
    flood = types.members("tri_flood")
    lengths = (
        types.members("tri_port")["ips"].size // 16,
        flood["vteps"].size // 16,
        flood["ports"].size // np.dtype("u4").itemsize,
    )
    assert lengths == (layout.PORT_IPS, layout.FLOOD_VTEPS, layout.FLOOD_PORTS)
