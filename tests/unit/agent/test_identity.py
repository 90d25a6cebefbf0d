"""The files by which a host proves who it is: whose they are, when they are replaced, and when their time is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triptych.agent.app import make_southbound
from triptych.agent.config import AgentConfig, Tls
from triptych.agent.sync import Identity
from triptych.errors import InputError
from triptych.pki import certificates, files
from triptych.pki.certificates import Authority, Subject

START = datetime(2030, 1, 1, tzinfo=UTC)
DAYS = 100
NAMELESS = "the certificate names neither a host nor a controller"


class Desk:
    """Issues certificates into one folder, and tells the time."""

    def __init__(self, folder: Path) -> None:
        key = certificates.new_key()
        self.now = START
        self._authority = Authority(certificates.make_authority("test", key, START), key)
        self.authority, self.certificate, self.key = (folder / name for name in ("ca.crt", "h1.crt", "h1.key"))
        self.authority.write_bytes(files.certificate_pem(self._authority.certificate))

    def issue(self, subject: Subject) -> bytes:
        """Put a certificate and its key where the agent looks for them; the certificate."""
        key = certificates.new_key()
        made = certificates.issue(self._authority, subject, key.public_key(), self.now, DAYS)
        self.certificate.write_bytes(files.certificate_pem(made))
        self.key.write_bytes(files.key_pem(key))
        return files.certificate_pem(made)

    def identity(self) -> Identity:
        """That of host h1."""
        return Identity(
            "h1", authority=self.authority, certificate=self.certificate, key=self.key, now=lambda: self.now
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """With a certificate of h1."""
    made = Desk(tmp_path)
    made.issue(certificates.host("h1"))
    return made


WRONG: dict[str, tuple[Callable[[Desk], object], str]] = {
    "another host's": (
        lambda desk: desk.issue(certificates.host("h2")),
        "tls: {} is the certificate of host h2, and this is host h1; give that of host h1, or correct host",
    ),
    "a controller's": (
        lambda desk: desk.issue(certificates.controller(["ctl-1"])),
        "tls: {} is the certificate of controller ctl-1, and this is host h1; give that of host h1, or correct host",
    ),
    "nobody's": (
        lambda desk: desk.certificate.write_bytes(desk.authority.read_bytes()),
        "tls: {} holds no certificate of a host: " + NAMELESS + "; issue it with triptych pki",
    ),
    "gone": (
        lambda desk: desk.certificate.unlink(),
        "tls: {} cannot be read: No such file or directory; issue it with triptych pki",
    ),
}


@pytest.mark.parametrize(("spoil", "why"), WRONG.values(), ids=WRONG)
def test_an_agent_does_not_begin_with_a_certificate_that_is_not_its_hosts(
    desk: Desk, spoil: Callable[[Desk], object], why: str
) -> None:
    """Whatever is in the place of the host's certificate is refused, with the file and what to do."""
    spoil(desk)
    config = AgentConfig(
        host="h1", vtep="192.0.2.1", controllers=("a:1",), tls=Tls(desk.authority, desk.certificate, desk.key)
    )
    with pytest.raises(InputError) as refusal:
        make_southbound(config)
    assert str(refusal.value) == why.format(desk.certificate)


@pytest.mark.parametrize(("spoil", "why"), WRONG.values(), ids=WRONG)
def test_wrong_files_that_come_later_are_a_problem_and_are_not_shown(
    desk: Desk, spoil: Callable[[Desk], object], why: str
) -> None:
    """The agent goes on with what it had, says what is wrong with the new files, and takes right ones later."""
    identity = desk.identity()
    former = identity.current()
    spoil(desk)
    assert identity.current() == former
    assert identity.problems() == (why.format(desk.certificate) + "; the former certificate is used until then",)
    renewed = desk.issue(certificates.host("h1"))
    assert (identity.current().certificate, identity.problems()) == (renewed, ())


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        (79, None),
        (80, "in 20 days"),
        (99, "in 1 days"),
        (100, "which is over: no controller takes it"),
        (200, "which is over: no controller takes it"),
    ],
)
def test_a_certificate_that_ends_soon_is_a_problem(desk: Desk, day: int, problem: str | None) -> None:
    """From the last fifth of its time on, it is told when the certificate ends, until a new one is there."""
    identity = desk.identity()
    desk.now = START + timedelta(days=day)
    told = f"tls: the certificate of host h1 is good until 2030-04-11, {problem}; issue a new one"
    assert identity.problems() == (() if problem is None else (told,))
    desk.issue(certificates.host("h1"))
    assert identity.problems() == ()
