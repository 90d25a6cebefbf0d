"""What is said of the files of TLS before anybody talks by them, and what keeps a daemon from beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from triptych.controller.app import Controller
from triptych.controller.config import ControllerConfig, MutualTls, Tls
from triptych.errors import InputError
from triptych.pki import certificates, files
from triptych.pki.certificates import Authority, Subject
from triptych.pki.judge import Fault, judge_authority, judge_controller, judge_host, require_fit
from triptych.stores.memory import MemoryStore

NOW = datetime.now(UTC).replace(microsecond=0)
DAYS = 100


class Desk:
    """Issues certificates into one folder, and judges what is there."""

    def __init__(self, folder: Path) -> None:
        key = certificates.new_key()
        self._signer = Authority(certificates.make_authority("test", key, NOW, 2 * DAYS), key)
        self.authority, self.certificate, self.key = (folder / name for name in ("ca.crt", "h1.crt", "h1.key"))
        self.authority.write_bytes(files.certificate_pem(self._signer.certificate))
        self.issue(certificates.host("h1"))

    def issue(self, subject: Subject) -> None:
        """Put a certificate and its key in place."""
        key = certificates.new_key()
        made = certificates.issue(self._signer, subject, key.public_key(), NOW, DAYS)
        self.certificate.write_bytes(files.certificate_pem(made))
        self.key.write_bytes(files.key_pem(key))

    def faults(self, now: datetime = NOW) -> Iterator[Fault]:
        """Of all three files, for host h1."""
        yield from judge_authority(self.authority, now)
        yield from judge_host("h1", self.certificate, self.key, now)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """With a certificate of h1."""
    return Desk(tmp_path)


def rsa_key() -> bytes:
    """A key of another kind."""
    made = rsa.generate_private_key(65537, 2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


SPOILT: dict[str, tuple[Callable[[Desk], object], list[tuple[str, str, bool]]]] = {
    "nothing": (lambda _: None, []),
    "key of another": (
        lambda desk: desk.key.write_bytes(files.key_pem(certificates.new_key())),
        [("key", "does not fit the certificate {}; give the two that were issued together", True)],
    ),
    "key of another kind": (
        lambda desk: desk.key.write_bytes(rsa_key()),
        [("key", "does not fit the certificate {}; give the two that were issued together", True)],
    ),
    "encrypted key": (
        lambda desk: desk.key.write_bytes(files.key_pem(certificates.new_key(), b"correct horse battery")),
        [("key", "is encrypted, and nobody is there to be asked; give a key without a passphrase", True)],
    ),
    "everything nonsense": (
        lambda desk: [path.write_text("nonsense") for path in (desk.authority, desk.certificate, desk.key)],
        [
            ("authority", "holds no certificate in PEM; issue it with triptych pki", True),
            ("certificate", "holds no certificate in PEM; issue it with triptych pki", True),
            ("key", "holds no private key in PEM; issue it with triptych pki", True),
        ],
    ),
    "everything gone": (
        lambda desk: [path.rename(path.with_suffix(".away")) for path in (desk.authority, desk.certificate, desk.key)],
        [
            (part, "cannot be read: No such file or directory; issue it with triptych pki", True)
            for part in ("authority", "certificate", "key")
        ],
    ),
    "certificate as authority": (
        lambda desk: desk.authority.write_bytes(desk.certificate.read_bytes()),
        [
            (
                "authority",
                "is the certificate of host h1, no authority's; give that of the authority (ca.crt)",
                False,
            )
        ],
    ),
    "a controller's": (
        lambda desk: desk.issue(certificates.controller(["ctl"])),
        [
            (
                "certificate",
                "is the certificate of controller ctl, and this is host h1; give that of host h1, or correct host",
                True,
            ),
            ("certificate", "is a server's alone: nobody takes it here; issue it with triptych pki", False),
        ],
    ),
}


@pytest.mark.parametrize(("spoil", "wanted"), SPOILT.values(), ids=SPOILT)
def test_all_that_is_wrong_with_files_is_said(
    desk: Desk, spoil: Callable[[Desk], object], wanted: list[tuple[str, str, bool]]
) -> None:
    """Each file with what is wrong with it, what to do, and whether an agent would begin."""
    spoil(desk)
    found = [(fault.part, fault.problem, fault.fatal) for fault in desk.faults()]
    assert found == [(part, problem.format(desk.certificate), fatal) for part, problem, fatal in wanted]


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        (-1, ["counts from {from} on, by this machine's clock not yet"] * 2),
        (DAYS - 1, []),
        (DAYS, ["expired on {to}"]),
        (3 * DAYS, ["expired on {end}", "expired on {to}"]),
    ],
)
def test_a_certificate_counts_for_a_time(desk: Desk, days: int, wanted: list[str]) -> None:
    """Before and after its time, that is said of authority and certificate; a daemon begins all the same."""
    dates = {name: f"{NOW + timedelta(days=day):%Y-%m-%d}" for name, day in (("to", DAYS), ("end", 2 * DAYS))}
    dates["from"] = f"{NOW - certificates.BACKDATED:%Y-%m-%d}"
    found = list(desk.faults(NOW + timedelta(days=days)))
    assert [fault.problem.partition(";")[0] for fault in found] == [text.format(**dates) for text in wanted]
    require_fit("tls", found)


def test_a_chain_is_judged_whole_and_by_its_first(desk: Desk) -> None:
    """An expired certificate further on is told with its subject."""
    desk.certificate.write_bytes(desk.certificate.read_bytes() + desk.authority.read_bytes())
    found = [fault.problem for fault in judge_host("h1", desk.certificate, desk.key, NOW + timedelta(days=3 * DAYS))]
    assert [problem.partition(" expired")[0] for problem in found[1:]] == ["in its chain, the certificate of CN=test"]


def test_what_was_replaced_half_does_not_take_the_place_of_the_whole(desk: Desk) -> None:
    """A certificate whose key is still the former one is refused with both files named."""
    key = desk.key.read_bytes()
    desk.issue(certificates.host("h1"))
    desk.key.write_bytes(key)
    with pytest.raises(InputError) as refused:
        require_fit("tls", desk.faults())
    other = f"does not fit the certificate {desk.certificate}; give the two that were issued together"
    assert str(refused.value) == f"tls: {desk.key} {other}"


@pytest.mark.parametrize("section", ["tls", "southbound_tls"])
def test_a_controller_does_not_begin_with_the_key_of_another_certificate(desk: Desk, section: str) -> None:
    """Both listeners refuse a key that does not fit, in one sentence."""
    desk.issue(certificates.controller(["localhost"]))
    assert list(judge_controller(desk.certificate, desk.key, NOW)) == []
    desk.key.write_bytes(files.key_pem(certificates.new_key()))
    given = {
        "tls": {"tls": Tls(desk.certificate, desk.key)},
        "southbound_tls": {
            "southbound": "127.0.0.1:0",
            "southbound_tls": MutualTls(desk.authority, desk.certificate, desk.key),
        },
    }

    async def begin() -> None:
        config = ControllerConfig(listen="127.0.0.1:0", store="memory:", **given[section])  # type: ignore[arg-type]
        async with MemoryStore() as store, Controller(config, store):
            pass

    with pytest.raises(InputError) as refused:
        asyncio.run(begin())
    other = f"does not fit the certificate {desk.certificate}; give the two that were issued together"
    assert str(refused.value) == f"{section}: {desk.key} {other}"
