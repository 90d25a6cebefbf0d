"""Are the files of TLS that a daemon is given of use? Reads them, opens nothing else, and says all that is wrong.

Some faults keep a daemon from beginning (`fatal`): a file that cannot be read or holds
something else, a key that does not fit. With the others it would begin, and nobody would
believe it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from triptych.errors import InputError
from triptych.pki.certificates import Role, Subject, host, subject_of

_ISSUE = "issue it with triptych pki"
_PURPOSE = {Role.HOST: ExtendedKeyUsageOID.CLIENT_AUTH, Role.CONTROLLER: ExtendedKeyUsageOID.SERVER_AUTH}


class Fault(NamedTuple):
    """What is wrong with a file: `part` is authority, certificate or key; `problem` says the remedy, too."""

    part: str
    path: Path
    problem: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.path} {self.problem}"


class _UnfitError(Exception):
    """A file holds nothing that could be judged further."""


def judge_authority(path: Path, now: datetime) -> Iterator[Fault]:
    """What is wrong with a file of authorities; one that counts is enough."""
    try:
        found = _certificates(path)
    except _UnfitError as unfit:
        yield Fault("authority", path, str(unfit))
        return
    signers = [certificate for certificate in found if _may_sign(certificate)]
    if not signers:
        problem = f"is the certificate of {_who(found[0])}, no authority's; give that of the authority (ca.crt)"
        yield Fault("authority", path, problem, fatal=False)
        return
    spans = [_over(certificate, now) for certificate in signers]
    if all(spans):
        yield Fault("authority", path, f"{spans[0]}; make another with triptych pki init", fatal=False)


def judge_host(name: str, certificate: Path, key: Path, now: datetime) -> Iterator[Fault]:
    """What is wrong with the certificate and the key of a host."""
    return _judge(certificate, key, Role.HOST, name, now)


def judge_controller(certificate: Path, key: Path, now: datetime) -> Iterator[Fault]:
    """What is wrong with the certificate (with its chain) and the key of a server."""
    return _judge(certificate, key, Role.CONTROLLER, "", now)


def judge_client(certificate: Path, key: Path, now: datetime) -> Iterator[Fault]:
    """What is wrong with the certificate and the key of a client that is no host."""
    return _judge(certificate, key, Role.HOST, "", now)


def require_fit(section: str, faults: Iterable[Fault]) -> None:
    """InputError for the first fault that keeps a daemon from beginning; `section` is where its files are named."""
    for fault in faults:
        if fault.fatal:
            raise InputError(f"{section}: {fault}")


def _judge(certificate: Path, key: Path, role: Role, name: str, now: datetime) -> Iterator[Fault]:
    chain: list[x509.Certificate] = []
    public = b""
    try:
        chain = _certificates(certificate)
    except _UnfitError as unfit:
        yield Fault("certificate", certificate, str(unfit))
    try:
        public = _public(key)
    except _UnfitError as unfit:
        yield Fault("key", key, str(unfit))
    if not chain:
        return
    if name:
        yield from _of_another(chain[0], certificate, name)
    for number, item in enumerate(chain):
        if over := _over(item, now):
            which = "" if not number else f"in its chain, the certificate of {_who(item)} "
            yield Fault("certificate", certificate, f"{which}{over}; issue a new one", fatal=False)
    if not _is_for(chain[0], role):
        other = "a server's" if role is Role.HOST else "a client's"
        yield Fault("certificate", certificate, f"is {other} alone: nobody takes it here; {_ISSUE}", fatal=False)
    if public and public != chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        yield Fault("key", key, f"does not fit the certificate {certificate}; give the two that were issued together")
    elif public:
        yield from _refused_by_openssl(certificate, key)


def _of_another(leaf: x509.Certificate, path: Path, name: str) -> Iterator[Fault]:
    try:
        subject = subject_of(leaf)
    except InputError as error:
        yield Fault("certificate", path, f"holds no certificate of a host: {error}; {_ISSUE}")
        return
    if subject != Subject(Role.HOST, name):
        remedy = f"give that of {host(name)}, or correct host"
        yield Fault("certificate", path, f"is the certificate of {subject}, and this is host {name}; {remedy}")


def _refused_by_openssl(certificate: Path, key: Path) -> Iterator[Fault]:
    """What only OpenSSL finds, like a key that is too short for it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        yield Fault("certificate", certificate, f"and {key} are refused by OpenSSL ({reason}); {_ISSUE}")


def _certificates(path: Path) -> list[x509.Certificate]:
    data = _bytes(path)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise _UnfitError(f"holds no certificate in PEM; {_ISSUE}") from None


def _public(path: Path) -> bytes:
    """The public half of a private key, to compare."""
    data = _bytes(path)
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise _UnfitError("is encrypted, and nobody is there to be asked; give a key without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _UnfitError(f"holds no private key in PEM; {_ISSUE}") from None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _UnfitError(f"cannot be read: {error.strerror}; {_ISSUE}") from None


def _over(certificate: x509.Certificate, now: datetime) -> str:
    """Why a certificate does not count now; empty when it does."""
    if now >= certificate.not_valid_after_utc:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if now < certificate.not_valid_before_utc:
        return f"counts from {certificate.not_valid_before_utc:%Y-%m-%d} on, by this machine's clock not yet"
    return ""


def _may_sign(certificate: x509.Certificate) -> bool:
    """An authority, or one that signed itself: what may be trusted."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return certificate.issuer == certificate.subject


def _is_for(certificate: x509.Certificate, role: Role) -> bool:
    """RFC 5280, 4.2.1.12: one that names no purpose is for any."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    return _PURPOSE[role] in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes


def _who(certificate: x509.Certificate) -> str:
    try:
        return str(subject_of(certificate))
    except InputError:
        return certificate.subject.rfc4514_string()
