"""JSON text (RFC 8259) to plain data with lines.

The standard library's decoder keeps no positions and reading JSON as YAML fails on
escapes that YAML lacks, so the structure is walked here; strings and their escapes are
still the standard library's.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left

from triptych.core.model.nodes import Block, Items
from triptych.documents.limits import MAX_DEPTH, MAX_VALUES, UnreadableError, too_deep, too_many

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_STRING = json.JSONDecoder()
_LONE = re.compile("[\ud800-\udfff]")
_LONGEST_INTEGER = 20
_WORDS = {"true": True, "false": False, "null": None}
_HINT = "correct the text there, or check the file with any JSON tool"


def read_json(text: str) -> list[object]:
    """The one document in a JSON text; UnreadableError when it is not JSON."""
    return [_Reader(text).document()]


def plain_json(text: str) -> object:
    """The same without lines, six times as fast. ValueError for what is no JSON or has a key twice: ask `read_json`.

    It knows nothing of the limits on depth and values.
    """
    if "\\u" in text:
        raise ValueError("escapes are looked at one by one")
    try:
        plain: object = _PLAIN.decode(text)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    return plain


def _mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key comes twice")
    return made


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_PLAIN = json.JSONDecoder(object_pairs_hook=_mapping, parse_int=_integer, parse_constant=_constant)


class _Reader:
    """A place in a text, and what has been read so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.values = 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]

    def line(self, at: int) -> int:
        return bisect_left(self.newlines, at) + 1

    def wrong(self, problem: str) -> UnreadableError:
        return UnreadableError(f"is not JSON: {problem}", _HINT, self.line(self.at))

    def skip(self) -> str:
        """Go past white space; the next character, or nothing at the end."""
        match = _SPACE.match(self.text, self.at)
        assert match
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def document(self) -> object:
        value = self.value(0)
        if self.skip():
            raise self.wrong("there is more text after the end of the document")
        return value

    def value(self, depth: int) -> object:
        start = self.skip()
        self.values += 1
        if self.values > MAX_VALUES:
            raise too_many(self.line(self.at))
        if start in ("{", "["):
            if depth == MAX_DEPTH:
                raise too_deep(self.line(self.at))
            return self.mapping(depth + 1) if start == "{" else self.sequence(depth + 1)
        return self.string() if start == '"' else self.word()

    def string(self) -> str:
        try:
            text, self.at = _STRING.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            raise self.wrong(error.msg) from error
        if not text.isascii() and _LONE.search(text):
            # RFC 8259 section 8.2: nothing that has to be sent or stored can hold one.
            raise self.wrong("a string has half of a surrogate pair")
        return str(text)

    def word(self) -> object:
        for word, constant in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return constant
        match = _NUMBER.match(self.text, self.at)
        if not match:
            raise self.wrong("a value is expected here")
        self.at = match.end()
        digits = match[0]
        if match[1] or match[2]:
            return float(digits)
        return int(digits) if len(digits) <= _LONGEST_INTEGER else digits

    def mapping(self, depth: int) -> Block:
        block = Block(self.line(self.at))
        self.at += 1
        if self.skip() == "}":
            self.at += 1
            return block
        while True:
            if self.skip() != '"':
                raise self.wrong("a key in double quotes is expected here")
            line = self.line(self.at)
            key = self.string()
            if self.skip() != ":":
                raise self.wrong("a colon is expected here")
            self.at += 1
            block.put(key, self.value(depth), line)
            if self.more("}"):
                return block

    def sequence(self, depth: int) -> Items:
        items = Items(self.line(self.at))
        self.at += 1
        if self.skip() == "]":
            self.at += 1
            return items
        while True:
            self.skip()
            line = self.line(self.at)
            items.put(self.value(depth), line)
            if self.more("]"):
                return items

    def more(self, end: str) -> bool:
        """Go past a comma (False) or the end of a list or mapping (True)."""
        found = self.skip()
        if found not in (",", end) or not found:
            raise self.wrong(f"a comma or {end} is expected here")
        self.at += 1
        return found == end
