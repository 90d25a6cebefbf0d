"""The authority in its folder, and what its certificates are good for: judged by the TLS of this machine."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from triptych.controller.grpc.identity import peer_of_certificate
from triptych.errors import InputError, NotFoundError
from triptych.pki import certificates
from triptych.pki.certificates import Role, Subject
from triptych.pki.files import certificate_pem, key_pem, read_certificate, read_key, read_passphrase, write
from triptych.pki.folder import Pair, PkiFolder, State

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


class Calendar:
    """A time that a test sets."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """What time it is."""
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    """The time of the folder."""
    return Calendar()


@pytest.fixture
def pki(tmp_path: Path, calendar: Calendar) -> PkiFolder:
    """A folder with an authority."""
    folder = PkiFolder(tmp_path / "pki", calendar)
    folder.init()
    return folder


@pytest.fixture
def today(tmp_path: Path) -> PkiFolder:
    """A folder with an authority that is valid now, as TLS wants it."""
    folder = PkiFolder(tmp_path / "today")
    folder.init()
    return folder


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def context(pki: PkiFolder, pair: Pair, purpose: ssl.Purpose) -> ssl.SSLContext:
    """One end of a mutual TLS connection; strict about RFC 5280."""
    made = ssl.create_default_context(purpose, cafile=str(pki.authority_path))
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(pair.certificate, pair.key)
    return made


def shake_hands(pki: PkiFolder, server: Pair, client: Pair, name: str | None = "127.0.0.1") -> dict[str, Any] | None:
    """Connect over loopback; the client's certificate as the server sees it. Raises what either end refuses with."""
    seen: list[Any] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with context(pki, server, ssl.Purpose.CLIENT_AUTH).wrap_socket(connection, server_side=True) as secured:
                seen.append(secured.getpeercert())
                secured.sendall(b"hello")
        except OSError as error:
            seen.append(error)

    caller = context(pki, client, ssl.Purpose.SERVER_AUTH)
    caller.check_hostname = name is not None
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            socket.create_connection(listener.getsockname(), timeout=60) as raw,
            caller.wrap_socket(raw, server_hostname=name) as secured,
        ):
            # In TLS 1.3 a client learns only here what the server thinks of its certificate.
            assert secured.recv(5) == b"hello"
    finally:
        thread.join()
        listener.close()
    if isinstance(seen[0], Exception):
        raise seen[0]
    found: dict[str, Any] = seen[0]
    return found


def test_agent_and_controller_trust_each_other(today: PkiFolder) -> None:
    """A host's and a controller's certificate make a mutual TLS connection, by address and by name."""
    controller = today.issue(certificates.controller(["ctl.example.org", "127.0.0.1", "::1"]))
    agent = today.issue(certificates.host("h1"))
    for name in ("127.0.0.1", "ctl.example.org"):
        seen = shake_hands(today, controller, agent, name)
        assert seen is not None
        assert seen["subjectAltName"] == (("URI", "triptych:host:h1"),)


def test_the_controller_reads_the_host_from_the_certificate(pki: PkiFolder) -> None:
    """What is issued for a host is what the controller takes for that host."""
    pair = pki.issue(certificates.host("h1"))
    peer = peer_of_certificate(read_certificate(pair.certificate))
    assert (peer.host, f"{peer.serial:x}") == ("h1", pair.serial)


@pytest.mark.parametrize("wrong", ["host as server", "controller as client", "another name", "another authority"])
def test_who_is_not_what_it_should_be_is_refused(today: PkiFolder, tmp_path: Path, wrong: str) -> None:
    """No host passes for a controller nor the other way round; other names and authorities count for nothing."""
    server = today.issue(certificates.controller(["127.0.0.1"]))
    client = today.issue(certificates.host("h1"))
    name: str | None = "127.0.0.1"
    match wrong:
        case "host as server":
            # Not even to who does not look at names.
            server, name = client, None
        case "controller as client":
            client = server
        case "another name":
            name = "192.0.2.1"
        case _:
            foreign = PkiFolder(tmp_path / "foreign")
            foreign.init()
            client = foreign.issue(certificates.host("h1"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake_hands(today, server, client, name)


def test_an_issued_certificate_signs_nothing(today: PkiFolder, tmp_path: Path) -> None:
    """A host that signs a certificate with its own key convinces nobody: only the authority is one."""
    server = today.issue(certificates.controller(["127.0.0.1"]))
    stolen = today.issue(certificates.host("h1"))
    assert stolen.key is not None
    own = certificates.Authority(read_certificate(stolen.certificate), read_key(stolen.key))
    key = certificates.new_key()
    forged = certificates.issue(own, certificates.host("h2"), key.public_key(), datetime.now(UTC))
    chain, key_path = tmp_path / "forged.crt", tmp_path / "forged.key"
    write(chain, certificate_pem(forged) + certificate_pem(own.certificate), 0o644)
    write(key_path, key_pem(key), 0o600)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake_hands(today, server, Pair(chain, key_path, "0", NOW))


def test_keys_are_their_owners_alone(pki: PkiFolder) -> None:
    """Every key has mode 0600 and every certificate 0644, whatever the umask."""
    before = os.umask(0o027)
    try:
        pki.issue(certificates.host("h1"))
        pki.issue(certificates.controller(["127.0.0.1"]))
    finally:
        os.umask(before)
    modes = {name: mode for name, (mode, _) in everything(pki.path).items()}
    assert {mode for name, mode in modes.items() if name.endswith(".key")} == {0o600}
    assert {mode for name, mode in modes.items() if not name.endswith(".key")} == {0o644}
    assert sorted(name for name in modes if not name.startswith("issued")) == [
        "ca.crt",
        "ca.key",
        "controllers/127.0.0.1.crt",
        "controllers/127.0.0.1.key",
        "hosts/h1.crt",
        "hosts/h1.key",
    ]


def test_nothing_is_overwritten(pki: PkiFolder, tmp_path: Path) -> None:
    """A second init, a second issue and an issue over a key that lies there are refused, and change no file."""
    pki.issue(certificates.host("h1"))
    (pki.path / "hosts" / "h2.key").write_text("precious")
    before = everything(pki.path)
    with pytest.raises(InputError, match="there is an authority already"):
        pki.init()
    with pytest.raises(InputError, match="renew it: triptych pki renew h1"):
        pki.issue(certificates.host("h1"))
    with pytest.raises(InputError, match="host h2: has"):
        pki.issue(certificates.host("h2"))
    with pytest.raises(InputError, match="nothing is overwritten"):
        write(pki.path / "ca.key", b"other", 0o600)
    assert everything(pki.path) == before


def test_validity_is_what_was_asked_for(pki: PkiFolder) -> None:
    """A certificate begins a little before now and ends after its days, never after the authority."""
    year = read_certificate(pki.issue(certificates.host("h1"), days=365).certificate)
    assert year.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert year.not_valid_after_utc == NOW + timedelta(days=365)
    ages = read_certificate(pki.issue(certificates.host("h2"), days=36500).certificate)
    assert ages.not_valid_after_utc == read_certificate(pki.authority_path).not_valid_after_utc


def test_an_authority_whose_time_is_over_issues_nothing(pki: PkiFolder, calendar: Calendar) -> None:
    """After the end of the authority nothing is issued, and no key is left behind."""
    calendar.now = NOW + timedelta(days=4000)
    before = everything(pki.path)
    with pytest.raises(InputError, match="the authority expired on"):
        pki.issue(certificates.host("h1"))
    assert everything(pki.path) == before


def test_renewing_keeps_names_and_key(pki: PkiFolder, calendar: Calendar) -> None:
    """A renewed certificate has the names and the key of the one before, another serial number and a later end."""
    subject = certificates.controller(["ctl.example.org", "192.0.2.9", "fd00::9"])
    first = pki.issue(subject)
    key = (pki.path / "controllers" / "ctl.example.org.key").read_bytes()
    calendar.now = NOW + timedelta(days=300)
    second = pki.renew(Role.CONTROLLER, "ctl.example.org")
    renewed = read_certificate(second.certificate)
    assert certificates.subject_of(renewed) == subject
    assert second.serial != first.serial
    assert second.ends - first.ends == timedelta(days=300)
    assert (pki.path / "controllers" / "ctl.example.org.key").read_bytes() == key


def test_a_new_key_comes_only_when_asked_for(pki: PkiFolder) -> None:
    """With `new_key` the pair is another one, and still a pair."""
    first = pki.issue(certificates.host("h1"))
    assert first.key is not None
    before = first.key.read_bytes()
    second = pki.renew(Role.HOST, "h1", new_key=True)
    assert second.key is not None
    assert second.key.read_bytes() != before
    assert read_key(second.key).public_key() == read_certificate(second.certificate).public_key()


def test_a_key_may_stay_on_its_host(pki: PkiFolder, tmp_path: Path) -> None:
    """A signing request gets a certificate for its key, whatever the authority adds; one of another host is refused."""
    key = certificates.new_key()
    request = tmp_path / "h1.csr"
    request.write_bytes(certificate_pem(certificates.signing_request(certificates.host("h1"), key)))
    with pytest.raises(InputError, match="asks for h1, not for host h9"):
        pki.issue(certificates.host("h9"), request=request)
    pair = pki.issue(certificates.host("h1"), request=request)
    made = read_certificate(pair.certificate)
    assert (certificates.subject_of(made), made.public_key(), pair.key) == (
        Subject(Role.HOST, "h1"),
        key.public_key(),
        None,
    )
    assert not (pki.path / "hosts" / "h1.key").exists()
    assert read_certificate(pki.renew(Role.HOST, "h1").certificate).public_key() == key.public_key()
    with pytest.raises(InputError, match="made its own key"):
        pki.renew(Role.HOST, "h1", new_key=True)


def test_the_list_tells_what_each_certificate_is_worth(pki: PkiFolder, calendar: Calendar) -> None:
    """Valid, soon over, over and revoked: by subject, then by end."""
    old = pki.issue(certificates.host("h1"), days=10)
    ending = pki.issue(certificates.host("h2"), days=50)
    lost = pki.issue(certificates.host("h3"))
    calendar.now = NOW + timedelta(days=30)
    fresh = pki.renew(Role.HOST, "h1")
    (revoked,) = pki.revoke(lost.serial, "stolen")
    found = [(entry.subject.name, entry.serial, entry.state, entry.reason) for entry in pki.list()]
    assert found == [
        ("h1", old.serial, State.EXPIRED, ""),
        ("h1", fresh.serial, State.VALID, ""),
        ("h2", ending.serial, State.EXPIRING, ""),
        ("h3", lost.serial, State.REVOKED, "stolen"),
    ]
    assert (revoked.serial, revoked.name, revoked.at) == (lost.serial, "h3", "2031-06-05T07:08:09Z")


def test_revoking_a_host_revokes_all_that_it_has(pki: PkiFolder, calendar: Calendar) -> None:
    """By name every certificate that is not over yet is revoked; again, the same is said again."""
    first = pki.issue(certificates.host("h1"))
    second = pki.renew(Role.HOST, "h1")
    done = pki.revoke("h1", "lost")
    assert {item.serial for item in done} == {first.serial, second.serial}
    calendar.now = NOW + timedelta(days=1)
    assert pki.revoke("h1", "found again") == done
    with pytest.raises(NotFoundError, match="see triptych pki list"):
        pki.revoke("h7")


@pytest.mark.parametrize("name", ["", "h 1", "../h1", "h1\n", "x" * 64])
def test_a_host_has_a_name_that_can_be_declared(name: str) -> None:
    """What no document could declare as a host's name gets no certificate."""
    with pytest.raises(InputError, match="host "):
        certificates.host(name)


@pytest.mark.parametrize("place", ["", "a_b.example", "-a.example", "a..b", "../../etc/x", "*.example.org", "x" * 254])
def test_a_controller_is_at_names_and_addresses(place: str) -> None:
    """What is neither a DNS name nor an address is refused; so is a controller that is nowhere."""
    with pytest.raises(InputError, match="controller "):
        certificates.controller([place])
    with pytest.raises(InputError, match="no place to reach it"):
        certificates.controller([])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: (path / "ca.key").unlink(), "ca.key: cannot be read"),
        (
            lambda path: (path / "ca.key").write_bytes(key_pem(certificates.new_key())),
            "ca.key is not the key of ca.crt",
        ),
        (lambda path: (path / "ca.crt").write_text("nothing"), "ca.crt: holds no certificate in PEM"),
        (lambda path: (path / "ca.key").write_text("nothing"), "ca.key: holds no private key in PEM"),
        (
            lambda path: (path / "ca.crt").unlink(),
            "holds no authority; name its folder with --dir, or make one: triptych pki init",
        ),
    ],
    ids=["no key", "another key", "no certificate", "no PEM", "nothing"],
)
def test_a_damaged_folder_is_named(pki: PkiFolder, spoil: Any, message: str) -> None:
    """What is wrong with the folder is said in one sentence, and nothing is issued."""
    spoil(pki.path)
    before = everything(pki.path)
    with pytest.raises((InputError, NotFoundError), match=message):
        pki.issue(certificates.host("h1"))
    assert everything(pki.path) == before


def test_the_profile_is_what_rfc_5280_asks_for(pki: PkiFolder) -> None:
    """The authority signs and no more, the issued ones do not sign; identifiers link them."""
    authority = read_certificate(pki.authority_path)
    made = read_certificate(pki.issue(certificates.host("h1")).certificate)
    constraints = [
        (item.critical, item.value)
        for item in (
            authority.extensions.get_extension_for_class(x509.BasicConstraints),
            made.extensions.get_extension_for_class(x509.BasicConstraints),
        )
    ]
    assert constraints == [
        (True, x509.BasicConstraints(ca=True, path_length=0)),
        (True, x509.BasicConstraints(ca=False, path_length=None)),
    ]
    signer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    link = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert link.key_identifier == signer.digest


SECRET = b"correct horse battery staple"


@pytest.fixture
def sealed(tmp_path: Path, calendar: Calendar) -> PkiFolder:
    """A folder whose authority has its key encrypted."""
    folder = PkiFolder(tmp_path / "sealed", calendar, SECRET)
    folder.init()
    return folder


def test_an_encrypted_authority_works_with_its_passphrase(sealed: PkiFolder) -> None:
    """Its key is PKCS #8 in PBES2, mode 0600, and opens with the passphrase alone; what it issues is plain."""
    mode, pem = everything(sealed.path)["ca.key"]
    assert (mode, pem.splitlines()[0]) == (0o600, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    pair = sealed.issue(certificates.host("h1"))
    assert sealed.renew(Role.HOST, "h1").serial != pair.serial
    assert pair.key is not None
    assert read_key(pair.key).public_key() == read_certificate(pair.certificate).public_key()


def test_without_the_passphrase_nothing_is_signed(sealed: PkiFolder, pki: PkiFolder, calendar: Calendar) -> None:
    """No passphrase, a wrong one, and one for a key that is not encrypted are told apart; no file changes."""
    before = everything(sealed.path), everything(pki.path)
    for folder, message in (
        (PkiFolder(sealed.path, calendar), r"ca\.key: is encrypted; give its passphrase by --passphrase-file"),
        (PkiFolder(sealed.path, calendar, SECRET[:-1]), r"ca\.key: the passphrase is another"),
        (PkiFolder(pki.path, calendar, SECRET), r"ca\.key: is not encrypted; leave --passphrase-file out"),
    ):
        with pytest.raises(InputError, match=message):
            folder.issue(certificates.host("h1"))
    assert (everything(sealed.path), everything(pki.path)) == before


def test_revoking_needs_no_passphrase(sealed: PkiFolder, calendar: Calendar) -> None:
    """To revoke, which signs nothing, the certificate's place in the list is enough."""
    sealed.issue(certificates.host("h1"))
    (revoked,) = PkiFolder(sealed.path, calendar).revoke("h1", "lost")
    assert (revoked.name, revoked.reason) == ("h1", "lost")


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    """An authority is not made with a passphrase that would be guessed, and no folder is left."""
    with pytest.raises(InputError, match="shorter than 16 bytes"):
        PkiFolder(tmp_path / "new", passphrase=b"fifteen letters").init()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (SECRET + b"\nanything\n", 0o600, SECRET),
        (SECRET, 0o400, SECRET),
        (SECRET, 0o640, "others can read the passphrase; chmod 600 it"),
        (b"", 0o600, "its first line is to be the passphrase, and is empty"),
        (b"\n" + SECRET, 0o600, "its first line is to be the passphrase, and is empty"),
        (None, 0, "cannot be read: No such file or directory"),
    ],
    ids=["lines", "no newline", "open", "empty", "empty line", "missing"],
)
def test_a_passphrase_is_the_first_line_of_a_file_of_ones_own(
    tmp_path: Path, content: bytes | None, mode: int, said: bytes | str
) -> None:
    """Nothing else of the file counts; one that others can read, or that says nothing, is refused."""
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    if isinstance(said, bytes):
        assert read_passphrase(path) == said
    else:
        with pytest.raises(InputError, match=said):
            read_passphrase(path)


def test_a_revoked_key_is_not_certified_again(pki: PkiFolder) -> None:
    """Renewing what is revoked needs another key; the list says which certificate of a host is the current one."""
    first = pki.issue(certificates.host("h1"))
    second = pki.renew(Role.HOST, "h1")
    pki.revoke("h1", "lost")
    with pytest.raises(InputError, match="triptych pki renew h1 --new-key"):
        pki.renew(Role.HOST, "h1")
    third = pki.renew(Role.HOST, "h1", new_key=True)
    found = {entry.serial: (entry.state, entry.present) for entry in pki.list()}
    assert found == {
        first.serial: (State.REVOKED, False),
        second.serial: (State.REVOKED, False),
        third.serial: (State.VALID, True),
    }
