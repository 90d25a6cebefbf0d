"""Documents to declarations, with every fault of all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from triptych.core.model.check import check
from triptych.core.model.declarations import Declarations, Declared
from triptych.core.model.faults import Faults
from triptych.core.model.fields import sort
from triptych.core.model.nodes import Block, Document, Origin
from triptych.core.model.nouns import Kind
from triptych.core.model.shape import read_object, unknown
from triptych.errors import DocumentError

_LISTS = {kind.value: kind for kind in Kind}


def parse(documents: Iterable[Document]) -> Declarations:
    """The declarations of all documents together, checked; DocumentError with every fault otherwise."""
    faults = Faults()
    declarations = read(documents, faults)
    check(declarations, faults)
    if faults:
        raise DocumentError(faults.all())
    return declarations


def read(documents: Iterable[Document], faults: Faults) -> Declarations:
    """What all documents say, each object by itself: nothing is checked between them."""
    found: dict[Kind, list[Declared]] = {kind: [] for kind in Kind}
    incomplete: set[Kind] = set()
    for document in documents:
        _read_document(document, found, incomplete, faults)
    lists: dict[str, Any] = {kind.value: tuple(items) for kind, items in found.items()}
    return Declarations(incomplete=frozenset(incomplete), **lists)


def _read_document(
    document: Document, found: dict[Kind, list[Declared]], incomplete: set[Kind], faults: Faults
) -> None:
    root = document.data
    if root is None:
        return
    if not isinstance(root, Mapping):
        origin = Origin(document.source, {})
        remedy = f"write a mapping with any of {', '.join(_LISTS)}"
        faults.add("document", origin, (), root if isinstance(root, str) else sort(root), "is not a mapping", remedy)
        incomplete.update(Kind)
        return
    origin = Origin(document.source, root)
    if isinstance(root, Block):
        for key, line in root.duplicates:
            faults.add("document", origin, (key,), "", f"is given twice, again on line {line}", "merge the two lists")
            incomplete.update({_LISTS[key]} if key in _LISTS else ())
    for key, value in root.items():
        kind = _LISTS.get(key)
        if kind is None:
            meant = unknown(faults, "document", origin, key, _LISTS, "a list of a document")
            incomplete.update({_LISTS[meant]} if meant else ())
        elif isinstance(value, list):
            _read_list(kind, value, origin, found[kind], incomplete, faults)
        elif value is not None:
            faults.add("document", origin, (key,), sort(value), "is not a list", f"write {key} as a list of objects")
            incomplete.add(kind)


def _read_list(
    kind: Kind, value: list[object], origin: Origin, found: list[Declared], incomplete: set[Kind], faults: Faults
) -> None:
    for number, item in enumerate(value):
        declared = None
        if isinstance(item, Mapping):
            declared = read_object(kind, item, origin.source, number, faults)
        else:
            remedy = f"write each of {kind.value} as a mapping of its fields"
            faults.add(
                f"{kind.value}[{number}]", _item(origin, kind, number), (), sort(item), "is not a mapping", remedy
            )
        if declared is None:
            incomplete.add(kind)
        else:
            found.append(declared)


def _item(origin: Origin, kind: Kind, number: int) -> Origin:
    """The place of an item that has no node of its own."""
    line = origin.line((kind.value, number))
    return Origin(origin.source, {} if line is None else Block(line))
