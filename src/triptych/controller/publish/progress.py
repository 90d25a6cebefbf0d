"""Who has programmed what, and who is waited for.

A revision concerns some hosts; it is live when each of them has acknowledged it, or a
later one. A change and an acknowledgement cost what they settle. A host that owes more
than `OWED_MOST` revisions is only remembered as owing everything since then, and no more
than `SETTLED_MOST` revisions are remembered as live; about others the answer is careful.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

OWED_MOST = 256
SETTLED_MOST = 4096


@dataclass(slots=True)
class _Mark:
    """A revision under way: since when, and who owes it."""

    revision: int
    started: float
    hosts: set[str]


@dataclass(slots=True)
class _Account:
    """What one host owes: each of `marks`, oldest first, and all from `far[0]` to `far[1]` when it is far behind."""

    programmed: int = 0
    marks: deque[_Mark] = field(default_factory=deque)
    far: tuple[int, int] | None = None

    @property
    def oldest(self) -> int:
        """The oldest revision owed; 0: none."""
        return self.marks[0].revision if self.marks else self.far[0] if self.far else 0


class Progress:
    """`live(revision, seconds)` is told of each revision that every host concerned has programmed."""

    def __init__(self, live: Callable[[int, float], None], now: Callable[[], float]) -> None:
        self._live = live
        self._now = now
        self._accounts: dict[str, _Account] = {}
        self._marks: dict[int, _Mark] = {}
        self._settled: deque[int] = deque(maxlen=SETTLED_MOST)
        self._waiters: dict[str, list[asyncio.Event]] = {}
        self._limits: set[asyncio.Timeout] = set()
        self._hurried = False

    def concern(self, revision: int, hosts: Iterable[str], started: float) -> None:
        """A revision is to be programmed by these hosts; `started` is when it was taken in."""
        mark = _Mark(revision, started, set())
        self._marks[revision] = mark
        for host in hosts:
            account = self._accounts.setdefault(host, _Account())
            if account.far is not None:
                account.far = account.far[0], revision
            elif len(account.marks) == OWED_MOST:
                account.far = revision, revision
            else:
                account.marks.append(mark)
                mark.hosts.add(host)
        if not mark.hosts:
            self._settle(mark)

    def programmed(self, host: str, revision: int) -> None:
        """A host has everything up to a revision in its data plane."""
        account = self._accounts.setdefault(host, _Account())
        account.programmed = max(account.programmed, revision)
        self._pay(host, account, revision)

    def forget(self, host: str) -> None:
        """A host is declared no longer: nobody waits for it."""
        account = self._accounts.pop(host, None)
        if account is not None:
            self._pay(host, account, max(account.far[1] if account.far else 0, *self._marks, 0))

    def revision_of(self, host: str) -> int:
        """The last revision that a host acknowledged; 0: none."""
        account = self._accounts.get(host)
        return account.programmed if account is not None else 0

    def owed(self, host: str) -> int:
        """The oldest revision that a host owes; 0: none, it is up to date."""
        account = self._accounts.get(host)
        return account.oldest if account is not None else 0

    def laggards(self, revision: int) -> tuple[str, ...]:
        """Who owes that revision. One that is no change of rows, or too long ago: who owes it or one before."""
        if revision in self._marks or revision in self._settled:
            mark = self._marks.get(revision)
            late = set(mark.hosts) if mark is not None else set()
            # Who is far behind owes nothing that came after what it is known to owe.
            late.update(
                host
                for host, account in self._accounts.items()
                if account.far and account.far[0] <= revision <= account.far[1]
            )
            return tuple(sorted(late))
        return tuple(sorted(host for host, account in self._accounts.items() if 0 < account.oldest <= revision))

    async def wait(self, revision: int, timeout: float) -> tuple[str, ...]:  # noqa: ASYNC109 (it answers, and does not raise)
        """Wait until nobody owes that revision; who does after so many seconds."""
        # What comes later owes later revisions, so those who are late now are all there are.
        return await self.paid(dict.fromkeys(self.laggards(revision), revision), timeout)

    async def paid(self, debts: Mapping[str, int], timeout: float) -> tuple[str, ...]:  # noqa: ASYNC109 (as `wait`)
        """Wait until no host owes its revision, nor one before; who does after so many seconds."""
        limit = asyncio.timeout(0 if self._hurried else timeout)
        try:
            async with limit:
                self._limits.add(limit)
                for host, revision in debts.items():
                    await self._paid(host, revision)
        except TimeoutError:
            return tuple(host for host, revision in debts.items() if self._owes(host, revision))
        finally:
            self._limits.discard(limit)
        return ()

    def hurry(self) -> None:
        """Let the time of all who wait, and will, be over now."""
        self._hurried = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())

    def _owes(self, host: str, revision: int) -> bool:
        account = self._accounts.get(host)
        return account is not None and 0 < account.oldest <= revision

    async def _paid(self, host: str, revision: int) -> None:
        while self._owes(host, revision):
            event = asyncio.Event()
            self._waiters.setdefault(host, []).append(event)
            try:
                await event.wait()
            finally:
                waiting = self._waiters.get(host, [])
                if event in waiting:
                    waiting.remove(event)
                if not waiting:
                    self._waiters.pop(host, None)

    def _pay(self, host: str, account: _Account, revision: int) -> None:
        while account.marks and account.marks[0].revision <= revision:
            mark = account.marks.popleft()
            mark.hosts.discard(host)
            if not mark.hosts:
                self._settle(mark)
        if account.far is not None and account.far[0] <= revision:
            account.far = (revision + 1, account.far[1]) if revision < account.far[1] else None
        for event in self._waiters.get(host, ()):
            event.set()

    def _settle(self, mark: _Mark) -> None:
        del self._marks[mark.revision]
        self._settled.append(mark.revision)
        self._live(mark.revision, self._now() - mark.started)
