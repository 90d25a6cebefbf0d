"""The first token: whatever happens while it is made, nobody is locked out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from triptych.controller.app import Controller
from triptych.controller.bootstrap import first_token
from triptych.controller.config import ControllerConfig
from triptych.controller.service.access import Role
from triptych.controller.service.audit import Origin
from triptych.controller.service.tokens import TokenBook, issue, revoke
from triptych.errors import InputError, OutcomeUnknownError, StoreError, StoreUnavailableError
from triptych.stores.base import Committed, Conflict, Txn
from triptych.stores.memory import MemoryStore


class Failing(MemoryStore):
    """A store whose commits fail, after they happened or without, and that saw which files there were."""

    def __init__(self, error: StoreError, file: Path, *, after: bool) -> None:
        super().__init__()
        self.error, self.file, self.after = error, file, after
        self.found = ""

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """Fail."""
        self.found = self.file.read_text()
        if self.after:
            await super().commit(txn)
        raise self.error


async def book_of(store: MemoryStore) -> TokenBook:
    """The tokens of a store."""
    book = TokenBook()
    await book.load(store)
    return book


async def test_the_token_is_in_the_file(tmp_path: Path) -> None:
    """The secret in the file is an admin's, and only the file's owner can read it."""
    file = tmp_path / "token"
    async with MemoryStore() as store:
        issued = await first_token(store, file, 100.0)
        actor = (await book_of(store)).who(file.read_text().strip(), 1e12)
    assert (actor, actor.role, actor.tenants) == (issued.token.actor, Role.ADMIN, None)
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_made_leaves_no_token(tmp_path: Path) -> None:
    """Where the file is there already, or its folder is not, nothing is in the store, and a second try succeeds."""
    file = tmp_path / "token"
    file.write_text("precious")
    async with MemoryStore() as store:
        with pytest.raises(InputError, match="is there already"):
            await first_token(store, file, 100.0)
        with pytest.raises(InputError, match="cannot be made: No such file"):
            await first_token(store, tmp_path / "none" / "token", 100.0)
        assert (file.read_text(), await store.revision()) == ("precious", 0)
        file.unlink()
        await first_token(store, file, 100.0)
        assert len((await book_of(store)).tokens) == 1


async def test_the_file_is_there_before_the_token_counts(tmp_path: Path) -> None:
    """The whole secret is in the file before the store hears of it; the file goes when the store refuses."""
    file = tmp_path / "token"
    async with Failing(StoreUnavailableError("away"), file, after=False) as store:
        with pytest.raises(StoreUnavailableError):
            await first_token(store, file, 100.0)
        assert len(store.found.strip().partition(".")[2]) == 43
        assert not file.exists()


@pytest.mark.parametrize("after", [True, False])
async def test_the_file_stays_where_nobody_knows(tmp_path: Path, *, after: bool) -> None:
    """When the store's answer is lost the file stays: its token may count, and nothing else would show it."""
    file = tmp_path / "token"
    async with Failing(OutcomeUnknownError("lost"), file, after=after) as store:
        with pytest.raises(OutcomeUnknownError):
            await first_token(store, file, 100.0)
        book = await book_of(store)
        assert file.read_text() == store.found
        assert len(book.tokens) == after
        if after:
            assert book.who(file.read_text().strip(), 1e12).role is Role.ADMIN


@pytest.mark.parametrize("has_token", [False, True])
async def test_a_controller_that_nobody_can_ask_says_so(tmp_path: Path, has_token: bool) -> None:
    """Without a token, and without a file to put one into, a warning names the setting; with one there is none."""
    store = MemoryStore()
    if has_token:
        await first_token(store, tmp_path / "token", 0.0)
    config = ControllerConfig(listen="127.0.0.1:0", store="memory:", grace_seconds=0)
    with capture_logs() as logs:
        async with Controller(config, store):
            pass
    warnings = [line["event"] for line in logs if line["log_level"] == "warning"]
    said = "no admin's token counts: set bootstrap_token to a new file, and start again to get one"
    assert warnings == ([] if has_token else [said])


@pytest.mark.parametrize("how", ["revoked", "over"])
@pytest.mark.parametrize("former", [True, False], ids=["former file", "new file"])
async def test_who_lost_the_last_admin_gets_another(tmp_path: Path, how: str, *, former: bool) -> None:
    """Where only others' tokens count, a start with a new file makes an admin; with the former file it begins."""
    file = tmp_path / "token"
    store, origin = MemoryStore(), Origin("local")
    admin = await issue(store, "root", Role.ADMIN, now=0.0, lifetime=1.0 if how == "over" else None, origin=origin)
    await issue(store, "one", Role.ADMIN, tenants=("acme",), now=0.0, origin=origin)
    if how == "revoked":
        await revoke(store, admin.token.id, now=1.0, origin=origin)
    if former:
        file.write_text("former")
    config = ControllerConfig(listen="127.0.0.1:0", store="memory:", grace_seconds=0, bootstrap_token=file)
    with capture_logs() as logs:
        async with Controller(config, store) as controller:
            admins = [token.name for token in controller.tokens.tokens if token.counts_for_all(time.time())]
    warned = any(line["event"].startswith("no admin's token counts") for line in logs)
    assert (admins, warned, file.read_text() == "former") == ([] if former else ["bootstrap"], former, former)
