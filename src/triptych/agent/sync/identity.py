"""Who this host is to a controller: the files of mutual TLS, read again whenever they are replaced.

A certificate of another host is never shown: the controller would send that host's rows,
and this one would take them for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from triptych.errors import InputError
from triptych.pki.files import read_certificate
from triptych.pki.judge import judge_authority, judge_host, require_fit

NOTICE = timedelta(days=30)
"""So long before its end a certificate is a problem; a fifth of its time, when that is less."""
_SHARE = 5


class Tls(NamedTuple):
    """PEM of the authority that both ends trust, and of this host's key and certificate. Also what never changes."""

    authority: bytes
    key: bytes
    certificate: bytes

    def current(self) -> Tls:
        """See Credentials."""
        return self

    def problems(self) -> tuple[str, ...]:
        """See Credentials."""
        return ()


class Credentials(Protocol):
    """What to show a controller at the next connection."""

    def current(self) -> Tls:
        """As it is now."""
        ...

    def problems(self) -> tuple[str, ...]:
        """What somebody should look after, each in a sentence."""
        ...


class Identity:
    """See Credentials. InputError when the files cannot be read, or are not those of `host`."""

    def __init__(
        self,
        host: str,
        *,
        authority: Path,
        certificate: Path,
        key: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._paths = (authority, key, certificate)
        self._now = now
        self._seen = self._look()
        self._tls, self._span = self._read()
        self._wrong = ""

    def current(self) -> Tls:
        """The files as they are; as they were, when they cannot be used now."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._tls, self._span = self._read()
                self._wrong = ""
            except InputError as error:
                self._wrong = f"{error}; the former certificate is used until then"
        return self._tls

    def problems(self) -> tuple[str, ...]:
        """Files that were replaced by wrong ones, and a certificate whose time is nearly over."""
        self.current()
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        if self._wrong:
            yield self._wrong
        since, until = self._span
        left = until - self._now()
        if left <= min(NOTICE, (until - since) / _SHARE):
            when = f"in {left.days} days" if left > timedelta() else "which is over: no controller takes it"
            yield f"tls: the certificate of host {self._host} is good until {until:%Y-%m-%d}, {when}; issue a new one"

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What changes when a file is replaced, or written."""
        return tuple(map(_stamp, self._paths))

    def _read(self) -> tuple[Tls, tuple[datetime, datetime]]:
        authority, key, path = self._paths
        require_fit("tls", judge_authority(authority, self._now()))
        require_fit("tls", judge_host(self._host, path, key, self._now()))
        tls = Tls(*map(_bytes, self._paths))
        certificate = read_certificate(path)
        return tls, (certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"tls: {path} cannot be read: {error.strerror}; issue it with triptych pki") from error
