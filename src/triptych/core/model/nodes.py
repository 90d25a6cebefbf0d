"""Plain data that remembers where it stood.

A document reaches the model as dictionaries, lists and scalars. A reader of text gives
`Block` and `Items`, which are a dictionary and a list with line numbers; data that never
was text (a request body, `document_of`) comes as ordinary ones and has no lines. Lines are
kept beside the values, not around them: a document of 100,000 ports has two million values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Block(dict[str, object]):
    """A mapping; `lines` has the line of each key, or None when all stand on `line`."""

    __slots__ = ("duplicates", "line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] | None = None
        self.duplicates: list[tuple[str, int]] = []

    def put(self, key: str, value: object, line: int) -> None:
        """Take a key in; the first one stays when it comes twice."""
        if key in self:
            self.duplicates.append((key, line))
            return
        if line != self.line and self.lines is None:
            self.lines = dict.fromkeys(self, self.line)
        self[key] = value
        if self.lines is not None:
            self.lines[key] = line


class Items(list[object]):
    """A sequence; `lines` has the line of each item, or None when all stand on `line`."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] | None = None

    def put(self, value: object, line: int) -> None:
        """Take an item in."""
        if line != self.line and self.lines is None:
            self.lines = [self.line] * len(self)
        self.append(value)
        if self.lines is not None:
            self.lines.append(line)


class Document(NamedTuple):
    """The data of one document, and what to call the place that it came from."""

    source: str
    data: object


Path = tuple[str | int, ...]


def path_text(path: Path) -> str:
    """How a path is written in a message: `subnets[1].cidr`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


class Origin:
    """Where a declared object stands: source, node, and which of its fields were refused."""

    __slots__ = ("node", "refused", "source")

    def __init__(self, source: str, node: Mapping[str, object], refused: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.node = node
        self.refused = refused

    def line(self, path: Path = ()) -> int | None:
        """The line of the object, or as close to a part of it as is known."""
        node: object = self.node
        line: int | None = getattr(node, "line", None)
        for step in path:
            known = isinstance(node, Items) if isinstance(step, int) else isinstance(node, Block) and step in node
            if not known:
                break
            # A number leads into Items, a word into a Block: `known` has seen to it.
            parent: Any = node
            line = parent.line if parent.lines is None else parent.lines[step]
            node = parent[step]
        return line

    @property
    def place(self) -> str:
        """`SOURCE:LINE`, for messages about another object."""
        line = self.line()
        source = self.source or "document"
        return source if line is None else f"{source}:{line}"
