"""YAML text to plain data with lines.

Only the event stream of PyYAML is used, never its constructors: no tag can make an
object, and memory holds the data alone. Aliases are refused, so that a document is never
larger than its text. Scalars follow the core schema of YAML 1.2 where it matters here:
`02:00:00:00:01:01` and `yes` are text. What looks like a fraction or a hexadecimal
number is text too, since no field is either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from triptych.core.model.nodes import Block, Items
from triptych.documents.limits import MAX_DEPTH, MAX_VALUES, UnreadableError, too_deep, too_many

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,19})\Z")
_CONSTANTS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


def read_yaml(text: str) -> list[object]:
    """The data of each document in a stream; UnreadableError when it is not acceptable YAML."""
    try:
        return _build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableError(
            f"is not YAML: {error.problem or error.context}",
            "correct the text there; a value that holds ': ', ends in ':' or starts with a symbol needs quotes",
            mark.line + 1 if mark else None,
        ) from error
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise UnreadableError(f"is not YAML: {reason}", "remove what is not printable text") from error


def _plain(text: str) -> object:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return int(text) if _INTEGER.match(text) else text


def _refuse_extras(event: yaml.NodeEvent, line: int) -> None:
    if event.anchor is not None:
        raise UnreadableError(f"has an anchor or alias {event.anchor!r}", "write the value out where it is used", line)
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise UnreadableError(f"has a tag {tag!r}", "remove it; plain text, numbers and true or false are enough", line)


class _Builder:
    """The containers that are open, each with the key that waits for its value."""

    def __init__(self) -> None:
        self.documents: list[object] = []
        self.stack: list[Block | Items] = []
        self.keys: list[str | None] = []
        self.lines: list[int] = []
        self.values = 0

    @property
    def wants_key(self) -> bool:
        """Whether a mapping is open that waits for its next key."""
        return bool(self.keys) and self.keys[-1] is None and isinstance(self.stack[-1], Block)

    def scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if self.wants_key:
            self.keys[-1] = event.value
            self.lines[-1] = line
        else:
            self.take(_plain(event.value) if event.implicit[0] else event.value, line)

    def start(self, container: Block | Items) -> None:
        if len(self.stack) == MAX_DEPTH:
            raise too_deep(container.line)
        if self.wants_key:
            raise UnreadableError("has a list or mapping as a key", "use a plain word as the key", container.line)
        self.stack.append(container)
        self.keys.append(None)
        self.lines.append(container.line)

    def end(self) -> None:
        container = self.stack.pop()
        self.keys.pop()
        self.lines.pop()
        self.take(container, container.line)

    def take(self, value: object, line: int) -> None:
        """Put a finished value where it belongs."""
        if not self.stack:
            self.documents.append(value)
            return
        parent = self.stack[-1]
        if isinstance(parent, Items):
            parent.put(value, line)
        else:
            key = self.keys[-1]
            assert key is not None
            parent.put(key, value, self.lines[-1])
            self.keys[-1] = None


def _build(events: Iterator[yaml.Event]) -> list[object]:
    builder = _Builder()
    for event in events:
        if not isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionEndEvent):
                builder.end()
            continue
        line = event.start_mark.line + 1  # type: ignore[union-attr]
        _refuse_extras(event, line)
        builder.values += 1
        if builder.values > MAX_VALUES:
            raise too_many(line)
        if isinstance(event, yaml.ScalarEvent):
            builder.scalar(event, line)
        else:
            builder.start(Block(line) if isinstance(event, yaml.MappingStartEvent) else Items(line))
    return builder.documents
