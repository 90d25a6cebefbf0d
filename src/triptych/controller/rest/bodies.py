"""What clients send: bodies to plain data, headers and parameters to values."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.exceptions import InternalServerException

from triptych.controller.rest.places import Place, read_place
from triptych.controller.rest.problems import MediaTypeError, TooLargeError
from triptych.controller.service.expect import Expect
from triptych.core.model import Document
from triptych.core.model.nodes import Block
from triptych.documents import MAX_BYTES, plain_json, read_json, read_yaml
from triptych.documents.limits import MAX_DEPTH, MAX_VALUES, UnreadableError
from triptych.errors import DocumentError, Fault, InputError

MAX_OBJECT_BYTES = 1 << 20
"""Of one object in a request."""

_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_JSON = frozenset({"application/json", "text/json"})
_TAG = re.compile(r'(W/)?"([^"]*)"')
_MAX_TAGS = 100
_LARGE = 1 << 16
_REQUEST = "request"


async def read_documents(request: Request[Any, Any, Any]) -> list[Document]:
    """The documents of a body, JSON or YAML; DocumentError, TooLargeError, MediaTypeError."""
    media = _media(request)
    body = await _body(request, MAX_BYTES)
    if media in _YAML:
        try:
            text = body.decode("utf-8-sig")
            # A large one takes its time, in which others are served.
            found = read_yaml(text) if len(text) < _LARGE else await asyncio.to_thread(read_yaml, text)
            return [Document(_REQUEST, data) for data in found]
        except UnreadableError as error:
            raise _unreadable(error.problem, error.remedy, error.line) from None
        except UnicodeDecodeError:
            raise _unreadable("is not UTF-8", "send it as UTF-8") from None
    data = _document(body) if len(body) < _LARGE else await asyncio.to_thread(_document, body)
    return [Document(_REQUEST, data)]


async def read_fields(request: Request[Any, Any, Any]) -> dict[str, object]:
    """The fields of one object from a JSON body; DocumentError, TooLargeError, MediaTypeError."""
    if _media(request) in _YAML:
        raise MediaTypeError("content-type: one object is sent as application/json")
    data = _fields(await _body(request, MAX_OBJECT_BYTES))
    if not isinstance(data, dict):
        raise _unreadable("is not an object", "send the fields of the object in braces")
    return data


def _media(request: Request[Any, Any, Any]) -> str:
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media not in _YAML | _JSON:
        raise MediaTypeError(
            f"content-type {media[:80]!r}: is not read here; send application/json or application/yaml"
        )
    return media


async def _body(request: Request[Any, Any, Any], limit: int) -> bytes:
    parts, size = [], 0
    async for part in _parts(request):
        size += len(part)
        if size > limit:
            raise TooLargeError(f"request: its body is larger than {limit} bytes; split it into several")
        parts.append(part)
    return b"".join(parts)


async def _parts(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            yield part
    except InternalServerException:
        # All that the framework says of a client that went away; nobody hears the answer.
        raise InputError("the body did not come whole; send it again") from None


def _document(body: bytes) -> object:
    """What a document says; keys that come twice are among its faults."""
    text = _text(body)
    try:
        data = plain_json(text)
    except ValueError:
        return _with_lines(text)
    _check_extent(data)
    return data


def _fields(body: bytes) -> object:
    """What one object says; DocumentError when a key comes twice in it."""
    text = _text(body)
    try:
        data = plain_json(text)
    except ValueError:
        data = _with_lines(text)
        _check_single(data)
    _check_extent(data)
    return data


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable("is not UTF-8", "send it as UTF-8") from None


def _with_lines(text: str) -> object:
    try:
        (data,) = read_json(text)
    except UnreadableError as error:
        raise _unreadable(error.problem, error.remedy, error.line) from None
    return data


def _check_single(data: object) -> None:
    """Fields are put together with those of the path, which loses what a block knows of itself."""
    if isinstance(data, Block) and data.duplicates:
        key, line = data.duplicates[0]
        raise _unreadable(f"has {key[:80]!r} twice", "keep one", line)
    if isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            _check_single(item)


def _check_extent(data: object) -> None:
    """What a text may cost in memory (triptych.documents.limits)."""
    level, depth, count = [data], 0, 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _unreadable(f"is nested deeper than {MAX_DEPTH} levels", "the format needs six levels")
        count += len(level)
        if count > MAX_VALUES:
            raise _unreadable(f"has more than {MAX_VALUES} values", "split it into several documents")
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = inner


def _unreadable(problem: str, remedy: str, line: int | None = None) -> DocumentError:
    return DocumentError([Fault("document", "", "", problem, remedy, _REQUEST, line)])


def etag(history: str, revision: int) -> str:
    """The entity tag of an object that a revision of a history last changed."""
    return f'"{Place(history, revision)}"'


def read_expect(request: Request[Any, Any, Any], history: str) -> Expect | None:
    """What If-Match and If-None-Match say (RFC 9110 section 13.1) of objects in a history; InputError: nothing."""
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if none_match is not None:
        if none_match.strip() != "*" or match is not None:
            raise InputError("if-none-match: a write takes only *, which asks that the object is not there yet")
        return Expect(absent=True)
    if match is None:
        return None
    if match.strip() == "*":
        return Expect(present=True)
    tags = [part.strip() for part in match.split(",")]
    found = [_TAG.fullmatch(tag) for tag in tags]
    if len(tags) > _MAX_TAGS or not all(found):
        raise InputError(f"if-match {match[:80]!r}: is no entity tag; send the ETag of the answer as it is")
    # A weak tag never matches here, and neither does one that this controller cannot have given.
    strong = (read_place(tag[2]) for tag in found if tag is not None and tag[1] is None)
    return Expect(revisions=tuple(tag.revision for tag in strong if tag is not None and tag.history == history))
