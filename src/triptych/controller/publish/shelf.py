"""The bytes of every scope that somebody needs: made once, and handed to all who are sent the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from triptych.controller.publish.bundles import Bundles
from triptych.controller.publish.encode import Encoded, encode_remove
from triptych.controller.publish.scopelog import ScopeLog
from triptych.controller.publish.source import Source
from triptych.controller.publish.work import Work
from triptych.core.compile import Scope
from triptych.core.tables import Delta, Rows


class Shelf:
    """A log for each scope, from its first reader on."""

    def __init__(self, source: Source, work: Work) -> None:
        self._source = source
        self._work = work
        self._logs: dict[Scope, ScopeLog] = {}
        self._bundles = Bundles()

    def change(self, revision: int, parts: Mapping[Scope, Delta], replaced: Mapping[str, Rows]) -> None:
        """Rows changed, by scope. `replaced` has by table the former values of rows that were put anew."""
        self._bundles.clear()
        for scope, part in parts.items():
            if (log := self._logs.get(scope)) is not None:
                log.change(revision, part, replaced)

    def drop(self, scope: Scope) -> None:
        """Nobody needs a scope any more."""
        self._logs.pop(scope, None)

    def unprepared(self, scope: Scope, base: int | None) -> bool:
        """Whether `updates` or `stands_at` are so much work that they are to be prepared."""
        log = self._log(scope)
        return log.unsettled or log.laborious(base)

    async def prepare(self, scope: Scope, base: Callable[[], int | None]) -> None:
        """Do it beside the loop; `base` is asked when `stands_at` is known."""
        await self._log(scope).prepare(base)

    def updates(self, scope: Scope, base: int | None) -> Encoded:
        """What leads from a revision of a scope (None: from nothing) to now."""
        return self._log(scope).updates(base)

    def removal(self, scope: Scope) -> Encoded:
        """The end of a scope."""
        return encode_remove(scope, self._source.revision)

    def bundle(self, updates: Encoded) -> bytes:
        """Updates as one piece of a message, shared by all who are sent the same."""
        return self._bundles.get(updates)

    def stands_at(self, scope: Scope, digest: int) -> int | None:
        """The revision at which a scope had a digest, if that is known."""
        return self._log(scope).revision_with(digest)

    def revision_of(self, scope: Scope) -> int:
        """The revision that last changed a scope."""
        return self._log(scope).revision

    def _log(self, scope: Scope) -> ScopeLog:
        log = self._logs.get(scope)
        if log is None:
            log = self._logs[scope] = ScopeLog(
                scope, self._source.revision, lambda: self._source.compiler.scope(scope), self._work
            )
        return log
