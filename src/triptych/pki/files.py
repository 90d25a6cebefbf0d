"""Writing keys and certificates: whole or not at all, keys readable by their owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from triptych.errors import EnvironmentError_, InputError
from triptych.pki.certificates import Key

PRIVATE = 0o600
PUBLIC = 0o644


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


def read_key(path: Path) -> Key:
    """The private key in a PEM file; InputError."""
    try:
        key = load_pem_private_key(read(path), None)
    except (ValueError, TypeError):
        raise InputError(f"{path}: holds no unencrypted private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{path}: holds a key of another kind; Triptych's are on an elliptic curve")
    return key


def key_pem(key: Key) -> bytes:
    """A private key as a file holds it (PKCS #8)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


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
