"""Rows that data planes do not take, and which changes that concerns. Pure.

An agent acknowledges a change and says, in the same breath, whose rows its data plane
refuses. The change is live there unless it touched one of these scopes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from triptych.controller.ports import RefusedThere
from triptych.controller.publish.progress import SETTLED_MOST
from triptych.core.compile import Scope
from triptych.wire.messages import Refused

MANY = 1000
"""Scopes of a change that are remembered one by one; one that touches more touches all."""

MOST = 64 * MANY
"""Scopes of all changes that are remembered; some ten MiB at most."""


class _Touched(NamedTuple):
    """The scopes whose rows a change made or took (None: of too many to tell), and those that hosts came to need."""

    rows: frozenset[Scope] | None
    moved: Mapping[str, frozenset[Scope]]

    @property
    def size(self) -> int:
        return len(self.rows or ()) + sum(map(len, self.moved.values()))


_ALL = _Touched(None, {})


class RefusedRows:
    """What each host last said that it refuses, and what each recent change touched."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Refused, ...]] = {}
        self._touched: OrderedDict[int, _Touched] = OrderedDict()
        self._size = 0

    def change(self, revision: int, scopes: Collection[Scope], moved: Mapping[str, frozenset[Scope]]) -> None:
        """A revision changed rows of these scopes; of some hosts it changed which scopes they need."""
        touched = _Touched(frozenset(scopes), moved)
        if touched.size > MANY:
            touched = _ALL
        self._touched[revision] = touched
        self._size += touched.size
        while len(self._touched) > SETTLED_MOST or self._size > MOST:
            self._size -= self._touched.popitem(last=False)[1].size

    def said(self, host: str, refused: tuple[Refused, ...]) -> None:
        """With its last acknowledgement a host named these."""
        if refused:
            self._of[host] = refused
        else:
            self._of.pop(host, None)

    def of(self, host: str) -> tuple[Refused, ...]:
        """What a host refuses."""
        return self._of.get(host, ())

    def among(self, revision: int) -> tuple[RefusedThere, ...]:
        """What of a revision hosts refuse, by name; of one that is no change of rows, or too long ago: all of it."""
        touched = self._touched.get(revision)
        return tuple(
            RefusedThere(host, item.table, item.rows, item.message)
            for host, refused in sorted(self._of.items())
            for item in refused
            if touched is None or _concerns(touched, host, item)
        )


def _concerns(touched: _Touched, host: str, item: Refused) -> bool:
    if touched.rows is None or not item.scopes:
        return True
    return not (touched.rows | touched.moved.get(host, frozenset())).isdisjoint(item.scopes)
