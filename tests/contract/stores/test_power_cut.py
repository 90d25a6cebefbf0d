"""What was acknowledged is there, and nothing by halves, after a process was killed while it committed."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.contract.stores.test_watch import applied, take
from triptych.stores.base import list_all
from triptych.stores.sqlite import SqliteStore

KILLS = 20


def killed_after(path: Path, round_number: int, lines: int) -> dict[int, str]:
    """What a committer had acknowledged, by revision, when it was killed after a number of lines, or a little later."""
    command = [sys.executable, "-m", "tests.contract.stores.committer", str(path), str(round_number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        printed += process.stdout.readlines()
    whole = [line.split() for line in printed if line.endswith("\n")]
    return {int(revision): key for revision, key in whole}


@pytest.mark.slow
async def test_power_cut(tmp_path: Path) -> None:
    """Of 20 processes killed at random moments each left every acknowledged write, and each transaction whole."""
    path = tmp_path / "store.db"
    chance = random.Random(20)
    acknowledged: dict[int, str] = {}
    for round_number in range(KILLS):
        new = killed_after(path, round_number, chance.randrange(1, 60))
        assert not acknowledged.keys() & new.keys()
        acknowledged |= new
        async with await SqliteStore.open(path) as store:
            entries = {entry.key: entry for entry in (await list_all(store, b"")).entries}
            now = await store.revision()
            async with aclosing(store.watch(b"", 0)) as watch:
                history = await take(watch, now)
        for revision, key in acknowledged.items():
            first, second = entries[b"a/" + key.encode()], entries[b"b/" + key.encode()]
            assert (first.value, second.value) == (key.encode() * 20, key.encode())
            assert (first.mod_revision, second.mod_revision) == (revision, revision)
        halves = {side: {key[2:] for key in entries if key.startswith(side)} for side in (b"a/", b"b/")}
        assert halves[b"a/"] == halves[b"b/"]
        # Each revision wrote both halves of one key: none is missing, none is counted twice.
        assert len(halves[b"a/"]) == now >= max(acknowledged)
        assert applied(history) == entries
        lasts = {entry.value for key, entry in entries.items() if key.startswith(b"last/")}
        assert lasts <= halves[b"a/"]
