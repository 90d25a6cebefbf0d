"""SQLite against the specification: any path of commits, leases, listings of the past and compactions agrees."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contract.stores.test_watch import take
from triptych.errors import StoreError
from triptych.stores.base import Absent, Batch, Condition, Exists, Put, Store, Txn, Unchanged, ValueIs, list_all
from triptych.stores.memory import MemoryStore
from triptych.stores.sqlite import SqliteStore
from triptych.testing.clock import ManualClock

_T = TypeVar("_T")

KEYS = st.sampled_from([b"a", b"a/1", b"a/2", b"a\xff", b"b", b"b/1", b"\xff", b"\xff\xff"])
VALUES = st.sampled_from([b"", b"x", b"y"])
PREFIXES = st.sampled_from([b"", b"a", b"a/", b"\xff"])


class Agreement(RuleBasedStateMachine):
    """Does the same to both and compares every answer, errors too."""

    @initialize()
    def open(self) -> None:
        """Two empty stores on one clock."""
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(prefix="tri-")
        self.clock = ManualClock()
        self.memory: Store = MemoryStore(clock=self.clock)
        self.sqlite: Store = self.runner.run(self._open_file())
        self.leases = [0]

    async def _open_file(self) -> SqliteStore:
        # Little is kept in memory, so that watches read the history in the file too.
        return await SqliteStore.open(Path(self.folder.name) / "store.db", clock=self.clock, recent=300)

    def teardown(self) -> None:
        """Close both."""
        if hasattr(self, "runner"):
            self.runner.run(self.sqlite.close())
            self.runner.run(self.memory.close())
            self.runner.close()
            self.folder.cleanup()

    def both(self, act: Callable[[Store], Awaitable[_T]]) -> _T | str:
        """The one answer of both, or the error by name."""

        async def answer(store: Store) -> _T | str:
            try:
                return await act(store)
            except StoreError as error:
                return f"{type(error).__name__}: {error}"

        expected = self.runner.run(answer(self.memory))
        assert self.runner.run(answer(self.sqlite)) == expected
        return expected

    @rule(
        conditions=st.lists(
            st.one_of(
                st.builds(Absent, KEYS),
                st.builds(Exists, KEYS),
                st.builds(ValueIs, KEYS, VALUES),
                st.builds(Unchanged, KEYS, st.integers(0, 12)),
            ),
            max_size=2,
        ),
        puts=st.dictionaries(KEYS, st.tuples(VALUES, st.integers(0, 5)), max_size=4),
        deletes=st.sets(KEYS, max_size=3),
    )
    def commit(self, conditions: list[Condition], puts: dict[bytes, tuple[bytes, int]], deletes: set[bytes]) -> None:
        """Any transaction."""
        txn = Txn(
            tuple(conditions),
            tuple(Put(key, value, self.leases[which % len(self.leases)]) for key, (value, which) in puts.items()),
            tuple(sorted(deletes - puts.keys())),
        )
        self.both(lambda store: store.commit(txn))

    @rule(ttl=st.integers(1, 5))
    def grant(self, ttl: int) -> None:
        """A lease."""
        lease = self.both(lambda store: store.grant(ttl))
        assert not isinstance(lease, str)
        self.leases.append(lease.id)

    @rule(which=st.integers(0, 5))
    def keepalive(self, which: int) -> None:
        """A lease that may have ended."""
        self.both(lambda store: store.keepalive(self.leases[which % len(self.leases)]))

    @rule(which=st.integers(0, 5))
    def revoke(self, which: int) -> None:
        """A lease that may have ended."""
        self.both(lambda store: store.revoke(self.leases[which % len(self.leases)]))

    @rule(seconds=st.integers(1, 3))
    def advance(self, seconds: int) -> None:
        """Time passes; the order in which leases of one moment end is the same in both."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.runner.run(self._settle())

    async def _settle(self) -> None:
        """Let the ends of leases happen: they are ahead of this question in the writer's queue."""
        for _ in range(10):
            await asyncio.sleep(0)
        await self.sqlite.commit(Txn())
        for _ in range(10):
            await asyncio.sleep(0)

    @rule(prefix=PREFIXES, limit=st.integers(1, 4), after=st.one_of(st.just(b""), KEYS), back=st.integers(-1, 6))
    def page(self, prefix: bytes, limit: int, after: bytes, back: int) -> None:
        """A page of the present, the past or the future."""
        at = max(0, self.runner.run(self.memory.revision()) - back)
        self.both(lambda store: store.page(prefix, limit=limit, after=after, revision=at))
        self.both(lambda store: store.page(prefix, limit=limit, after=after))

    @rule(back=st.integers(-1, 6))
    def compact(self, back: int) -> None:
        """Forget, too much at times."""
        at = max(0, self.runner.run(self.memory.revision()) - back)
        self.both(lambda store: store.compact(at))

    @rule(prefix=PREFIXES, back=st.integers(-1, 12))
    def watch(self, prefix: bytes, back: int) -> None:
        """A watch from the past or the future, up to the present."""
        now = self.runner.run(self.memory.revision())
        after = max(0, now - back)

        async def seen(store: Store) -> list[Batch]:
            async with aclosing(store.watch(prefix, after)) as watch:
                return await take(watch, now)

        if after != now:
            self.both(seen)

    @rule()
    def reopen(self) -> None:
        """Close the file and open it again: the same entries, revision and history; leases live anew, so end them."""
        for lease in self.leases[1:]:
            self.both(lambda store, lease=lease: store.revoke(lease))  # type: ignore[misc]
        self.runner.run(self.sqlite.close())
        self.sqlite = self.runner.run(self._open_file())

    @invariant()
    def same(self) -> None:
        """Both hold the same at the same revision."""
        if hasattr(self, "runner"):
            self.both(lambda store: list_all(store, b"", page=3))


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=30, stateful_step_count=30)
