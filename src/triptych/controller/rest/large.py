"""Answers that are large: encoded beside the loop, and sent piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar, cast

from litestar import MediaType, Response
from litestar.response import Stream
from litestar.serialization import encode_json

from triptych.controller.slices import LARGE, aside

_T = TypeVar("_T")


async def answer(make: Callable[[], _T], size: int) -> Response[_T]:
    """What `make` makes of `size` objects that nobody changes; of many it is made and encoded in a thread."""
    if size < LARGE:
        return Response(make())
    body = await aside(lambda: encode_json(make()))
    return Response(cast(_T, body), media_type=MediaType.JSON)


def streamed(size: int, pieces: Iterator[bytes]) -> Response[Any]:
    """JSON in pieces, which tell of `size` things: of many they are made one by one, in threads, as they are sent."""
    if size < LARGE:
        return Response(b"".join(pieces), media_type=MediaType.JSON)
    return Stream(_each(pieces), media_type=MediaType.JSON)


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await aside(lambda: next(pieces, b"")):
        yield piece
