"""Scopes that a host keeps for a while after a port left it for another host.

Until every other host sends to the new place, frames still come to the old one, which
passes them on; for that it needs the rows of the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from triptych.core.compile import Scope

LINGER_SECONDS = 60.0
"""At most; a host that never acknowledges must not keep rows on another one for ever."""


class Lingering:
    """Scopes by host, each with the revision that must be live everywhere before it goes, and a deadline."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[Scope, tuple[int, float]]] = {}

    def scopes_of(self, host: str) -> frozenset[Scope]:
        """What a host still keeps."""
        return frozenset(self._kept.get(host, ()))

    @property
    def revisions(self) -> frozenset[int]:
        """The revisions that are waited for."""
        return frozenset(until for scopes in self._kept.values() for until, _ in scopes.values())

    def keep(self, host: str, scopes: Iterable[Scope], revision: int, now: float) -> None:
        """Keep scopes on a host until a revision is live."""
        for scope in scopes:
            self._kept.setdefault(host, {})[scope] = revision, now + LINGER_SECONDS

    def settled(self, revision: int) -> set[str]:
        """A revision is live: the hosts that now keep less."""
        return self._drop(lambda until, _: until == revision) if self._kept else set()

    def expired(self, now: float) -> set[str]:
        """The hosts that now keep less, for it took too long."""
        return self._drop(lambda _, deadline: deadline <= now)

    def _drop(self, over: Callable[[int, float], bool]) -> set[str]:
        less = set()
        for host, scopes in tuple(self._kept.items()):
            for scope in [scope for scope, kept in scopes.items() if over(*kept)]:
                del scopes[scope]
                less.add(host)
            if not scopes:
                del self._kept[host]
        return less
