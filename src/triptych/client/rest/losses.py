"""What a transport's exception means: whether the request may have arrived, and what a person can do."""

from __future__ import annotations

import ssl
from typing import TypeVar

import httpx

from triptych.client.rest.retry import Lost

E = TypeVar("E", bound=BaseException)


def lost(url: str, error: httpx.HTTPError) -> Lost:
    """The loss that an exception of httpx stands for; `url` begins its message."""
    where = f"controller {url}"
    untrusted = _cause(error, ssl.SSLCertVerificationError)
    if untrusted is not None:
        remedy = "give the authority that signed it with --ca, or check the address"
        return Lost(f"{where}: its certificate is refused: {untrusted.verify_message}; {remedy}", False, True)
    if _cause(error, ssl.SSLError) is not None:
        return Lost(f"{where}: no TLS there; write http:// for a controller on loopback without TLS", False, True)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.TooManyRedirects):
        return Lost(f"{where}: {error}", False, True)
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    if isinstance(error, httpx.TimeoutException):
        return Lost(f"{where}: no answer in time; is it running and reachable?", sent)
    return Lost(f"{where}: {_reason(error)}; is it running and reachable?", sent)


def _cause(error: BaseException, wanted: type[E]) -> E | None:
    """The exception of a type below another; httpx and httpcore wrap what the socket raised."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, wanted):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _reason(error: httpx.HTTPError) -> str:
    """`[Errno 111] Connection refused` without the number; the class's name when there is no text."""
    text = str(error)
    return text.partition("] ")[2] or text or type(error).__name__
