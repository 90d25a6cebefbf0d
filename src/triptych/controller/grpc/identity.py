"""Who is on the other end, by its certificate alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cryptography import x509

from triptych.errors import WireError
from triptych.wire.service import HOST_URI


class Peer(NamedTuple):
    """A host, and the serial number of the certificate that says so."""

    host: str
    serial: int


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """The host of a connection's certificate, which TLS has verified; WireError when it names none."""
    pem = next(iter(auth_context.get("x509_pem_cert", ())), None)
    if pem is None:
        raise WireError("no certificate was shown; agents connect with the certificate of their host")
    try:
        return peer_of_certificate(x509.load_pem_x509_certificate(pem))
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise WireError(f"the certificate cannot be read: {error}") from None


def peer_of_certificate(certificate: x509.Certificate) -> Peer:
    """The host that a certificate names; WireError when it names none, or several."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        uris = []
    else:
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    hosts = [uri.removeprefix(HOST_URI) for uri in uris if uri.startswith(HOST_URI)]
    if len(hosts) != 1 or not hosts[0]:
        raise WireError(
            f"the certificate names {len(hosts)} hosts; it needs one subject alternative name URI {HOST_URI}NAME"
        )
    return Peer(hosts[0], certificate.serial_number)
