"""Documents as files and text: the one door between YAML or JSON and the model.

Reading text is here, at the edge; what it means is in `triptych.core.model`, which sees
plain data only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from triptych.core.model import Declarations, Document, Network, document_of, parse, resolve
from triptych.documents.json_reader import plain_json, read_json
from triptych.documents.limits import MAX_BYTES, MAX_DEPTH, MAX_VALUES, UnreadableError
from triptych.documents.yaml_reader import read_yaml
from triptych.errors import DocumentError, Fault


class Text(NamedTuple):
    """A document that is no file; `name` is what messages call it (`standard input`)."""

    name: str
    content: str | bytes


Source = Path | Text
_DUMPER = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper


def load_network(sources: Iterable[Source], previous: Network | None = None) -> Network:
    """The network that all documents declare together; DocumentError with every fault when they do not.

    What they leave out is kept from `previous` where it can be, and allocated otherwise.
    """
    return resolve(load_declarations(sources), previous)


def load_declarations(sources: Iterable[Source]) -> Declarations:
    """What all documents say together, checked; DocumentError with every fault otherwise."""
    return parse(read_documents(sources))


def read_documents(sources: Iterable[Source]) -> list[Document]:
    """Plain data that knows its lines, of all documents; DocumentError with every one that cannot be read."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for source in sources:
        name = source.name if isinstance(source, Text) else str(source)
        try:
            documents += [Document(name, data) for data in _read(source)]
        except UnreadableError as error:
            faults.append(Fault("document", "", "", error.problem, error.remedy, name, error.line))
    if faults:
        # What is missing may be in the files that could not be read: nothing more can be said.
        raise DocumentError(faults)
    return documents


def yaml_of(network: Network) -> str:
    """A network as a YAML document, allocated values included."""
    return yaml.dump(document_of(network), Dumper=_DUMPER, sort_keys=False, default_flow_style=None, width=120)


def _read(source: Source) -> list[object]:
    text = _decode(source.content if isinstance(source, Text) else _content(source))
    is_json = isinstance(source, Path) and source.suffix == ".json"
    if is_json:
        return read_json(text)
    if text.lstrip().startswith("{"):
        # JSON is nearly YAML, and the JSON reader is exact and faster; YAML has the last word.
        try:
            return read_json(text)
        except UnreadableError:
            return read_yaml(text)
    return read_yaml(text)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", "give the path of a readable file") from error
    except ValueError as error:
        raise UnreadableError(f"cannot be read: {error}", "give the path of a readable file") from error


def _decode(content: str | bytes) -> str:
    try:
        raw = content if isinstance(content, bytes) else content.encode()
        if len(raw) > MAX_BYTES:
            limit = f"is larger than {MAX_BYTES // 2**20} MiB"
            raise UnreadableError(limit, "split it into several documents")
        return raw.decode("utf-8-sig")
    except UnicodeError as error:
        at = error.start if isinstance(error, (UnicodeDecodeError, UnicodeEncodeError)) else 0
        newline = b"\n" if isinstance(content, bytes) else "\n"
        line = content.count(newline, 0, at) + 1  # type: ignore[arg-type]
        raise UnreadableError("is not UTF-8", "save it as UTF-8", line) from error


__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "Source",
    "Text",
    "document_of",
    "load_declarations",
    "load_network",
    "plain_json",
    "read_documents",
    "read_json",
    "read_yaml",
    "yaml_of",
]
