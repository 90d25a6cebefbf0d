"""Who needs which scope, kept both ways round."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from triptych.core.compile import Scope


class Moved(NamedTuple):
    """Scopes that a host came to need, and needs no longer."""

    gained: frozenset[Scope]
    lost: frozenset[Scope]


class Audience:
    """Hosts by scope and scopes by host. A change costs what it changes."""

    def __init__(self) -> None:
        self._scopes: dict[str, frozenset[Scope]] = {}
        self._hosts: dict[Scope, dict[str, None]] = {}

    def scopes_of(self, host: str) -> frozenset[Scope]:
        """What a host needs."""
        return self._scopes.get(host, frozenset())

    def hosts_of(self, scope: Scope) -> Iterable[str]:
        """Who needs a scope; not to be kept."""
        return self._hosts.get(scope, ())

    @property
    def hosts(self) -> Iterable[str]:
        """Every host that needs anything; not to be kept."""
        return self._scopes.keys()

    def set(self, host: str, scopes: frozenset[Scope]) -> Moved:
        """A host now needs these scopes and no others."""
        before = self.scopes_of(host)
        moved = Moved(scopes - before, before - scopes)
        for scope in moved.gained:
            self._hosts.setdefault(scope, {})[host] = None
        for scope in moved.lost:
            hosts = self._hosts[scope]
            del hosts[host]
            if not hosts:
                del self._hosts[scope]
        if scopes:
            self._scopes[host] = scopes
        else:
            self._scopes.pop(host, None)
        return moved
