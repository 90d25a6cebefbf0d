"""A certificate authority and two certificates for loopback, in files, for one test run."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def make(folder: Path) -> dict[str, Path]:
    """`ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`, by name."""
    authority = ec.generate_private_key(ec.SECP256R1())
    ca = _sign(_name("tri-ca"), authority, _name("tri-ca"), authority, ca=True)
    contents = {"ca.pem": ca.public_bytes(serialization.Encoding.PEM)}
    for who in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(_name(""), key, ca.subject, authority, ca=False)
        contents[f"{who}.pem"] = certificate.public_bytes(serialization.Encoding.PEM)
        contents[f"{who}.key"] = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    paths = {name: folder / name for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return paths


def _name(common: str) -> x509.Name:
    # etcd takes the common name of a client certificate for a user; without one the user logs in.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])


def _sign(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    authority: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False).add_extension(
            x509.SubjectAlternativeName([loopback]), critical=True
        )
    return builder.sign(authority, hashes.SHA256())
