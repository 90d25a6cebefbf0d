"""Ports on their way from one host to another: who passes their frames on, and until when. Pure.

It ends as the scopes end that the former host keeps for it (`lingering`): when the change is
live everywhere, or after too long.
"""

from __future__ import annotations

from collections.abc import Iterator

from triptych.controller.publish.lingering import LINGER_SECONDS
from triptych.core.compile.lookup import Id


class Moves:
    """Former hosts by port. A port that moves on before all know has several; one it came back to is none."""

    def __init__(self) -> None:
        self._former: dict[Id, dict[str, tuple[int, float]]] = {}
        # By revision: when it is over at the latest, and what it moved. A port that came back meanwhile is in it still.
        self._by_revision: dict[int, tuple[float, list[tuple[Id, str]]]] = {}

    @property
    def revisions(self) -> frozenset[int]:
        """The revisions that are waited for."""
        return frozenset(self._by_revision)

    def note(self, port: Id, former: str, host: str, revision: int, now: float) -> None:
        """A port left a host for another at a revision."""
        hosts = self._former.setdefault(port, {})
        deadline = now + LINGER_SECONDS
        hosts[former] = revision, deadline
        hosts.pop(host, None)
        self._by_revision.setdefault(revision, (deadline, []))[1].append((port, former))

    def of(self, port: Id) -> dict[str, int]:
        """The former hosts of a port, each with the revision at which it left."""
        return {former: revision for former, (revision, _) in self._former.get(port, {}).items()}

    def settled(self, revision: int) -> None:
        """A revision is live."""
        for port, former in self._by_revision.pop(revision, (0.0, ()))[1]:
            hosts = self._former.get(port, {})
            if hosts.get(former, (0, 0.0))[0] == revision:
                del hosts[former]
                if not hosts:
                    del self._former[port]

    def expired(self, now: float) -> None:
        """Forget what took too long."""
        for revision in [revision for revision, (deadline, _) in self._by_revision.items() if deadline <= now]:
            self.settled(revision)

    def __iter__(self) -> Iterator[tuple[Id, str, int]]:
        """Each port with a former host, and the revision that must be live everywhere."""
        for port, hosts in sorted(self._former.items()):
            for former, (revision, _) in hosts.items():
                yield port, former, revision
