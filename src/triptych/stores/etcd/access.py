"""How an etcd cluster is reached: endpoints, certificates, and the channels made of them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import msgspec

from triptych.errors import InputError

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # pages and watch responses are as large as the values in them
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 10_000),  # finds a dead peer under a silent watch; etcd allows one in 5 s
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
)


class Access(msgspec.Struct, frozen=True):
    """Certificates and keys as PEM files, an etcd user, and the seconds that a call may take in all.

    `ca` alone: the server is verified. With `certificate` and `key` it verifies us too.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password: str = ""
    timeout: float = 5.0

    def __repr__(self) -> str:
        return f"Access(ca={self.ca}, certificate={self.certificate}, user={self.user!r})"


def channel(endpoint: str, access: Access) -> grpc.aio.Channel:
    """A channel to `https://host:port`, or to `http://` on loopback; InputError for anything else."""
    url = urlsplit(endpoint)
    try:
        target = f"{url.netloc}" if url.hostname and url.port else ""
    except ValueError:
        target = ""
    if not target or url.scheme not in {"http", "https"}:
        raise InputError(
            f"etcd endpoint {endpoint!r} is not a URL like https://192.0.2.1:2379; write scheme, host and port"
        )
    if url.scheme == "https":
        return grpc.aio.secure_channel(target, _credentials(access), options=_OPTIONS)
    if not _is_loopback(url.hostname or ""):
        raise InputError(f"etcd endpoint {endpoint!r} has no TLS; use https:// for anything but loopback")
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


def _credentials(access: Access) -> grpc.ChannelCredentials:
    if (access.certificate is None) != (access.key is None):
        raise InputError("etcd: a client certificate needs its key, and a key its certificate; give both or none")
    ca, certificate, key = (_read(path) for path in (access.ca, access.certificate, access.key))
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=certificate)


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise InputError(f"etcd: {path}: {error.strerror}; name a PEM file that can be read") from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
