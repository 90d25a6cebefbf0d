"""Files to one request, and the faults of the answer back to their lines.

A controller is sent data: what several files say together. What it finds wrong names
objects and fields; where these stand is known only here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from triptych.core.model import Document, Kind
from triptych.core.model.faults import Faults
from triptych.core.model.nodes import Origin
from triptych.core.model.parse import read
from triptych.core.model.shape import Label
from triptych.documents import Source, Text, read_documents
from triptych.errors import DocumentError, Fault

STANDARD_INPUT = Path("-")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_LISTS = {kind.value: kind for kind in Kind}


class Files:
    """Documents that were read, and where everything stands in them; DocumentError when they cannot be read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._documents = read_documents([_source(path) for path in paths])
        found = Faults()
        declarations = read(self._documents, found)
        self.declared = frozenset(item.key for kind in Kind for item in declarations.of(kind))
        """What is declared, by its identity; whatever is wrong with it."""
        self.faults = found.all()
        """What is wrong whatever is declared elsewhere; a key that is given twice is not in `data` any more."""
        self._origins: dict[str, Origin] = {}
        self.data = self._merged()

    def located(self, error: DocumentError) -> DocumentError:
        """The same faults with file and line, and those that only the text shows."""
        faults = [self._placed(fault) for fault in error.faults]
        seen = {_place(fault) for fault in faults}
        faults += [fault for fault in self.faults if _place(fault) not in seen]
        return DocumentError(sorted(faults, key=lambda fault: (fault.source, fault.line or 0)))

    def _merged(self) -> dict[str, Any]:
        """One document of the lists of all; what is no list goes along, for the controller to refuse."""
        data: dict[str, Any] = {}
        for document in self._documents:
            if not isinstance(document.data, Mapping):
                continue
            for name, value in document.data.items():
                if name in _LISTS and isinstance(value, list) and isinstance(data.get(name, []), list):
                    items = data.setdefault(name, [])
                    for item in value:
                        self._remember(document, _LISTS[name], item, len(items))
                        items.append(item)
                elif value is not None or name not in _LISTS:
                    data.setdefault(name, value)
        return data

    def _remember(self, document: Document, kind: Kind, item: object, number: int) -> None:
        if isinstance(item, Mapping):
            self._origins.setdefault(str(Label(kind, item, number)), Origin(document.source, item))

    def _placed(self, fault: Fault) -> Fault:
        steps = tuple(int(number) if number else word for word, number in _STEP.findall(fault.field))
        origin = self._origins.get(fault.object) or self._document_with(steps[:1])
        return replace(fault, source=origin.source, line=origin.line(steps)) if origin is not None else fault

    def _document_with(self, key: tuple[str | int, ...]) -> Origin | None:
        """The document that has a key, or the only one."""
        roots = [Origin(item.source, item.data) for item in self._documents if isinstance(item.data, Mapping)]
        having = [root for root in roots if key and key[0] in root.node]
        return having[0] if having else roots[0] if len(roots) == 1 else None


def _place(fault: Fault) -> tuple[object, ...]:
    """The same fault, whoever found it."""
    return fault.source, fault.line, fault.field, fault.problem


def _source(path: Path) -> Source:
    return Text("standard input", sys.stdin.buffer.read()) if path == STANDARD_INPUT else path
