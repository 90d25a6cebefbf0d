"""Making and reading certificates. Pure: keys, names and the time are given.

A host's certificate names the host in a URI (`triptych:host:NAME`, what the controller
goes by) and is good for clients only; a controller's has its DNS names and addresses (what
agents and users go by) and is good for servers only. So no host can pass for a controller,
nor a controller for a host. The authority signs nothing but these (path length 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from triptych.core.model.fields import RefusedError
from triptych.core.model.fields import name as check_name
from triptych.errors import InputError
from triptych.wire.service import HOST_URI

Key = ec.EllipticCurvePrivateKey

AUTHORITY_DAYS = 3650
DAYS = 397
"""Of a host's or controller's certificate: a year and a month to renew it in."""
LONGEST_DAYS = 36500
BACKDATED = timedelta(minutes=5)
"""How much earlier than now a certificate is valid: clocks differ."""

_LONGEST_DNS = 253
_LONGEST_COMMON_NAME = 64


class Role(StrEnum):
    """What a certificate is for."""

    HOST = "host"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate names: a host by its declared name, or a controller by where it is reached."""

    role: Role
    name: str
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.role.value} {self.name}"


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate that all trust, and its key."""

    certificate: x509.Certificate
    key: Key


def new_key() -> Key:
    """A new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def host(name: str) -> Subject:
    """A host; InputError for what no host can be called."""
    return Subject(Role.HOST, _checked(name))


def controller(places: Sequence[str]) -> Subject:
    """A controller reached at DNS names and addresses, named by the first; InputError for what is neither."""
    dns: list[str] = []
    addresses: list[str] = []
    for place in places:
        try:
            addresses.append(str(ip_address(place)))
        except ValueError:
            dns.append(_dns(place))
    if not places:
        raise InputError("controller: no place to reach it; give its DNS names or IP addresses")
    return Subject(Role.CONTROLLER, places[0], tuple(dns), tuple(addresses))


def make_authority(name: str, key: Key, now: datetime, days: int = AUTHORITY_DAYS) -> x509.Certificate:
    """A certificate that signs itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_COMMON_NAME])])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return (
        _builder(subject, key.public_key(), now, now + timedelta(days=_days(days)))
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def issue(
    authority: Authority, subject: Subject, public_key: ec.EllipticCurvePublicKey, now: datetime, days: int = DAYS
) -> x509.Certificate:
    """A certificate of the authority for a subject's key; InputError when the authority's time is over."""
    until = authority.certificate.not_valid_after_utc
    if until <= now:
        raise InputError(f"the authority expired on {until:%Y-%m-%d}; make a new one in another folder: pki init")
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if subject.role is Role.HOST else ExtendedKeyUsageOID.SERVER_AUTH
    signer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.name[:_LONGEST_COMMON_NAME])])
    return (
        # Nothing outlives who vouches for it.
        _builder(name, public_key, now, min(now + timedelta(days=_days(days)), until))
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(subject)), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def signing_request(subject: Subject, key: Key) -> x509.CertificateSigningRequest:
    """What proves to an authority that its sender has a key, and shows nothing of it (RFC 2986)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name(subject))])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())


def common_name(subject: Subject) -> str:
    """What stands in a signing request for a subject."""
    return subject.name[:_LONGEST_COMMON_NAME]


def requested_name(request: x509.CertificateSigningRequest) -> str:
    """Whom a signing request names; empty when nobody."""
    found = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def subject_of(certificate: x509.Certificate) -> Subject:
    """Whom a certificate of this authority names; InputError for one of another kind."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise InputError("the certificate names neither a host nor a controller") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if uris:
        return Subject(Role.HOST, uris[0].removeprefix(HOST_URI))
    dns = tuple(names.get_values_for_type(x509.DNSName))
    addresses = tuple(str(address) for address in names.get_values_for_type(x509.IPAddress))
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not common and not dns and not addresses:
        raise InputError("the certificate names neither a host nor a controller")
    return Subject(Role.CONTROLLER, str(common[0].value) if common else (*dns, *addresses)[0], dns, addresses)


def serial_text(certificate: x509.Certificate) -> str:
    """A certificate's serial number as it is written everywhere: hexadecimal, no prefix."""
    return f"{certificate.serial_number:x}"


def _builder(
    subject: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _names(subject: Subject) -> list[x509.GeneralName]:
    if subject.role is Role.HOST:
        return [x509.UniformResourceIdentifier(HOST_URI + subject.name)]
    return [
        *(x509.DNSName(name) for name in subject.dns),
        *(x509.IPAddress(ip_address(address)) for address in subject.addresses),
    ]


def _checked(name: str) -> str:
    try:
        return str(check_name(name))
    except RefusedError as refused:
        raise InputError(f"host {name!r}: {refused.problem}; {refused.remedy}") from None


def _dns(name: str) -> str:
    labels = name.rstrip(".").split(".")
    right = all(
        label
        and len(label) <= 63
        and label.isascii()
        and label.replace("-", "").isalnum()
        and label.strip("-") == label
        for label in labels
    )
    if not right or len(name) > _LONGEST_DNS:
        raise InputError(
            f"controller {name!r}: neither an IP address nor a DNS name; write for example ctl.example.org"
        )
    return ".".join(labels).lower()


def _days(days: int) -> int:
    if not 1 <= days <= LONGEST_DAYS:
        raise InputError(f"days {days}: a certificate is valid for 1 to {LONGEST_DAYS} days")
    return days
