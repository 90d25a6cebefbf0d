"""Writing keys and certificates: whole or not at all, keys readable by their owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from triptych.errors import EnvironmentError_, InputError
from triptych.pki.certificates import Key

PRIVATE = 0o600
PUBLIC = 0o644
SHORTEST = 16
"""Bytes of a passphrase: what encrypts keys makes guessing little slower (PBKDF2, 2,048 rounds)."""


def write(path: Path, data: bytes, mode: int, *, replace: bool = False) -> None:
    """Make a file with all of `data` or none. InputError when it is there and may not be replaced."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                part.replace(path)
            else:
                # Unlike a rename, a link refuses to take the place of what is there.
                path.hardlink_to(part)
        finally:
            part.unlink(missing_ok=True)
        _settle(path.parent)
    except FileExistsError:
        raise InputError(
            f"{path}: is there already, and nothing is overwritten; move it away, or choose another"
        ) from None
    except OSError as error:
        raise EnvironmentError_(f"{path}: cannot be written: {error.strerror}") from error


def make_folder(path: Path, mode: int) -> None:
    """Make a folder and those above it; no error when it is there."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentError_(f"{path}: cannot be made: {error.strerror}") from error


def read(path: Path) -> bytes:
    """What is in a file; InputError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def read_certificate(path: Path) -> x509.Certificate:
    """The certificate in a PEM file; InputError."""
    try:
        return x509.load_pem_x509_certificate(read(path))
    except ValueError:
        raise InputError(f"{path}: holds no certificate in PEM") from None


def read_passphrase(path: Path) -> bytes:
    """The first line of a file that its owner alone can read; InputError."""
    lines = read(path).splitlines()
    if path.is_file() and path.stat().st_mode & 0o077:
        raise InputError(f"{path}: others can read the passphrase; chmod 600 it, and choose another passphrase")
    if not lines or not lines[0]:
        raise InputError(f"{path}: its first line is to be the passphrase, and is empty")
    return lines[0]


def read_key(path: Path, passphrase: bytes | None = None) -> Key:
    """The private key in a PEM file, which is encrypted exactly when there is a passphrase; InputError."""
    try:
        key = load_pem_private_key(read(path), passphrase)
    except TypeError:
        raise InputError(
            f"{path}: is encrypted; give its passphrase by --passphrase-file"
            if passphrase is None
            else f"{path}: is not encrypted; leave --passphrase-file out"
        ) from None
    except ValueError:
        problem = "holds no private key in PEM"
        raise InputError(
            f"{path}: {problem}" if passphrase is None else f"{path}: the passphrase is another, or it {problem}"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{path}: holds a key of another kind; Triptych's are on an elliptic curve")
    return key


def key_pem(key: Key, passphrase: bytes | None = None) -> bytes:
    """A private key as a file holds it: PKCS #8, encrypted (RFC 8018: PBES2, AES-256) when there is a passphrase."""
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def certificate_pem(certificate: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """A certificate, or the request for one, as a file holds it."""
    return certificate.public_bytes(Encoding.PEM)


def _settle(folder: Path) -> None:
    """Make sure that a name survives a power cut."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
