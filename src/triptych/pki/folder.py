"""The authority's folder: its key, everything that it ever issued, and what it has revoked.

::

    ca.crt               trusted by agents, controllers and users; copy it anywhere
    ca.key               signs; whoever has it, and its passphrase, is any host (mode 0600)
    hosts/NAME.crt .key        the present pair of a host, to be taken there
    controllers/NAME.crt .key  the present pair of a controller
    issued/SERIAL.crt    every certificate that was issued
    revoked/SERIAL.json  when and why it was revoked
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from triptych.errors import InputError, NotFoundError
from triptych.pki import certificates
from triptych.pki.certificates import AUTHORITY_DAYS, DAYS, Authority, Key, Role, Subject, serial_text
from triptych.pki.files import (
    PRIVATE,
    PUBLIC,
    SHORTEST,
    certificate_pem,
    key_pem,
    make_folder,
    read,
    read_certificate,
    read_key,
    write,
)

DEFAULT = Path("/etc/triptych/pki")
SOON = timedelta(days=30)
"""Before its end a certificate is said to expire soon."""

_FOLDERS = {Role.HOST: "hosts", Role.CONTROLLER: "controllers"}


class State(StrEnum):
    """What a certificate is worth now."""

    VALID = "valid"
    EXPIRING = "expires soon"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Revoked(msgspec.Struct, frozen=True):
    """That a certificate counts no longer; `at` is RFC 3339."""

    serial: str
    role: str
    name: str
    at: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate that was issued."""

    subject: Subject
    serial: str
    begins: datetime
    ends: datetime
    state: State
    reason: str = ""
    present: bool = False
    """Whether it is the one that its subject is to use: the last one issued."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Where a certificate and its key are; no key when its owner made it (a signing request)."""

    certificate: Path
    key: Path | None
    serial: str
    ends: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PkiFolder:
    """An authority in a folder. Nothing is overwritten, except a certificate that is renewed.

    `passphrase` is that of the authority's key; None: the key is not encrypted.
    """

    def __init__(
        self, path: Path = DEFAULT, now: Callable[[], datetime] = _utc_now, passphrase: bytes | None = None
    ) -> None:
        self.path = path
        self._now = now
        self._passphrase = passphrase

    @property
    def authority_path(self) -> Path:
        """The certificate that all trust."""
        return self.path / "ca.crt"

    def init(self, name: str = "triptych", days: int = AUTHORITY_DAYS) -> Path:
        """Make the authority; its certificate. InputError when there is one, or a part of one."""
        if self._passphrase is not None and len(self._passphrase) < SHORTEST:
            raise InputError(
                f"the passphrase is shorter than {SHORTEST} bytes and would be guessed; "
                "openssl rand -base64 24 makes a good one"
            )
        key = certificates.new_key()
        certificate = certificates.make_authority(name, key, self._now(), days)
        make_folder(self.path, 0o700)
        for path in (self.path / "ca.key", self.authority_path):
            if path.exists():
                raise InputError(
                    f"{path}: there is an authority already, and it is kept; choose another folder by --dir"
                )
        write(self.path / "ca.key", key_pem(key, self._passphrase), PRIVATE)
        write(self.authority_path, certificate_pem(certificate), PUBLIC)
        return self.authority_path

    def issue(self, subject: Subject, days: int = DAYS, request: Path | None = None) -> Pair:
        """Issue the first certificate of a subject, for a new key or for that of a signing request (RFC 2986)."""
        authority = self._authority()
        certificate_path, key_path = self._places(subject)
        if certificate_path.exists() or key_path.exists():
            raise InputError(f"{subject}: has {certificate_path} already; renew it: {self._renewal(subject)}")
        if request is not None:
            return self._keep(subject, self._signed(authority, subject, requested_key(request, subject), days))
        return self._keep(subject, *self._with_new_key(authority, subject, days))

    def renew(self, role: Role, name: str, days: int = DAYS, *, new_key: bool = False) -> Pair:
        """Issue a certificate anew, for the same names and the same key, or for a new one."""
        authority = self._authority()
        certificate_path, key_path = self._places(Subject(role, name))
        if not certificate_path.exists():
            raise NotFoundError(f"{role} {name}: has no certificate in {self.path}; issue one: triptych pki issue")
        old = read_certificate(certificate_path)
        subject = certificates.subject_of(old)
        if not new_key:
            if (self.path / "revoked" / f"{serial_text(old)}.json").exists():
                raise InputError(
                    f"{subject}: its certificate is revoked, and a new one for the same key would undo that;"
                    f" give it another key: {self._renewal(subject)} --new-key"
                )
            return self._keep(subject, self._signed(authority, subject, _public_key(old, certificate_path), days))
        if not key_path.exists():
            raise InputError(f"{subject}: made its own key; let it make a new signing request and issue that")
        return self._keep(subject, *self._with_new_key(authority, subject, days))

    def revoke(self, what: str, reason: str = "") -> list[Revoked]:
        """Let certificates count no longer: one by its serial number, or all that a host or controller has left.

        Revoking again changes nothing and gives what was said then. InputError when both have that name.
        """
        found = [entry for entry in self.list() if what in (entry.serial, entry.subject.name)]
        if not found:
            raise NotFoundError(f"{what!r}: no certificate has this serial number or name; see triptych pki list")
        if len({entry.subject.role for entry in found}) > 1:
            raise InputError(
                f"{what!r}: a host and a controller have this name; say by serial numbers which, see triptych pki list"
            )
        make_folder(self.path / "revoked", 0o755)
        return [self._revoke(entry, reason) for entry in found if entry.state is not State.EXPIRED]

    def list(self) -> list[Entry]:
        """Every certificate that was issued, by subject and end."""
        self._need_authority()
        read_certificate(self.authority_path)
        entries = [self._entry(read_certificate(path)) for path in (self.path / "issued").glob("*.crt")]
        return sorted(entries, key=lambda entry: (entry.subject.role, entry.subject.name, entry.ends, entry.serial))

    def _revoke(self, entry: Entry, reason: str) -> Revoked:
        path = self.path / "revoked" / f"{entry.serial}.json"
        if not path.exists():
            made = Revoked(
                entry.serial, entry.subject.role.value, entry.subject.name, f"{self._now():%Y-%m-%dT%H:%M:%SZ}", reason
            )
            write(path, msgspec.json.encode(made), PUBLIC)
        return self._revoked(path)

    @staticmethod
    def _revoked(path: Path) -> Revoked:
        try:
            return msgspec.json.decode(read(path), type=Revoked)
        except msgspec.DecodeError as error:
            raise InputError(f"{path}: is not what a revocation looks like: {error}") from error

    def _entry(self, certificate: x509.Certificate) -> Entry:
        serial = serial_text(certificate)
        begins, ends, now = certificate.not_valid_before_utc, certificate.not_valid_after_utc, self._now()
        path = self.path / "revoked" / f"{serial}.json"
        state, reason = State.VALID, ""
        if path.exists():
            state, reason = State.REVOKED, self._revoked(path).reason
        elif ends <= now:
            state = State.EXPIRED
        elif ends - now <= SOON:
            state = State.EXPIRING
        subject = certificates.subject_of(certificate)
        path, _ = self._places(subject)
        present = path.exists() and serial_text(read_certificate(path)) == serial
        return Entry(subject, serial, begins, ends, state, reason, present)

    def _need_authority(self) -> None:
        if not self.authority_path.exists():
            raise NotFoundError(
                f"{self.path}: holds no authority; name its folder with --dir,"
                f" or make one: triptych pki init --dir {self.path}"
            )

    def _authority(self) -> Authority:
        self._need_authority()
        certificate, key = (
            read_certificate(self.authority_path),
            read_key(self.path / "ca.key", self._passphrase),
        )
        if certificate.public_key() != key.public_key():
            raise InputError(f"{self.path}: ca.key is not the key of ca.crt; put the right pair back")
        return Authority(certificate, key)

    def _with_new_key(self, authority: Authority, subject: Subject, days: int) -> tuple[x509.Certificate, Key]:
        key = certificates.new_key()
        return self._signed(authority, subject, key.public_key(), days), key

    def _signed(
        self, authority: Authority, subject: Subject, key: ec.EllipticCurvePublicKey, days: int
    ) -> x509.Certificate:
        return certificates.issue(authority, subject, key, self._now(), days)

    def _keep(self, subject: Subject, certificate: x509.Certificate, key: Key | None = None) -> Pair:
        pem, serial = certificate_pem(certificate), serial_text(certificate)
        path, key_path = self._places(subject)
        for folder, mode in ((self.path / "issued", 0o755), (path.parent, 0o700)):
            make_folder(folder, mode)
        # Listed before it is of use, so that whatever was given out can be revoked.
        write(self.path / "issued" / f"{serial}.crt", pem, PUBLIC)
        if key is not None:
            write(key_path, key_pem(key), PRIVATE, replace=True)
        write(path, pem, PUBLIC, replace=True)
        return Pair(path, key_path if key_path.exists() else None, serial, certificate.not_valid_after_utc)

    def _places(self, subject: Subject) -> tuple[Path, Path]:
        folder = self.path / _FOLDERS[subject.role]
        return folder / f"{subject.name}.crt", folder / f"{subject.name}.key"

    @staticmethod
    def _renewal(subject: Subject) -> str:
        flag = "--controller " if subject.role is Role.CONTROLLER else ""
        return f"triptych pki renew {flag}{subject.name}"


def requested_key(path: Path, subject: Subject) -> ec.EllipticCurvePublicKey:
    """The public key of a signing request, which its signature proves its owner to have; InputError.

    Who issues chooses the names, but a request that names somebody else is the wrong file.
    """
    try:
        request = x509.load_pem_x509_csr(read(path))
    except ValueError:
        raise InputError(f"{path}: holds no signing request in PEM") from None
    named = certificates.requested_name(request)
    if named not in ("", certificates.common_name(subject)):
        raise InputError(f"{path}: asks for {named}, not for {subject}; issue that one, or take the right request")
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not request.is_signature_valid:
        raise InputError(f"{path}: its key is not on an elliptic curve, or it is not signed with it")
    return key


def _public_key(certificate: x509.Certificate, path: Path) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InputError(f"{path}: holds a certificate of another kind of key")
    return key
