"""An authority for tests: certificates of hosts and of a controller on loopback, valid for an hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from triptych.wire.service import HOST_URI


class Issued(NamedTuple):
    """A certificate with its key, in PEM, and its serial number."""

    key: bytes
    certificate: bytes
    serial: int


class Authority:
    """Signs what tests need."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        certificate = self._build(self._name, self._key.public_key(), [], authority=True)
        self.certificate = certificate.public_bytes(Encoding.PEM)

    def host(self, *names: str) -> Issued:
        """A certificate that names these hosts (an honest one names one)."""
        return self._issue([x509.UniformResourceIdentifier(HOST_URI + name) for name in names], "agent")

    def controller(self) -> Issued:
        """A certificate of a server on loopback."""
        return self._issue([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")], "controller")

    def _issue(self, names: Iterable[x509.GeneralName], title: str) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, title)])
        certificate = self._build(subject, key.public_key(), list(names), authority=False)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Issued(pem, certificate.public_bytes(Encoding.PEM), certificate.serial_number)

    def _build(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, names: list[x509.GeneralName], *, authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())
