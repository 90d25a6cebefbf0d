"""Names of the service and its methods, and what both ends tell gRPC about a connection."""

from __future__ import annotations

from triptych.wire.limits import MAX_MESSAGE

SERVICE = "triptych.southbound.v1.Southbound"
SYNC, ATTACH, DETACH = "Sync", "Attach", "Detach"

HOST_URI = "triptych:host:"
"""A certificate whose subject alternative names have this URI, with a name behind it, is that host's."""


def path(method: str) -> str:
    """The path of a method, as gRPC calls it."""
    return f"/{SERVICE}/{method}"


def options(*, keepalive_seconds: int) -> list[tuple[str, int]]:
    """Channel arguments: bounded messages, and a peer that is silently gone is noticed."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", keepalive_seconds * 1000),
        ("grpc.keepalive_timeout_ms", keepalive_seconds * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", keepalive_seconds * 500),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.so_reuseport", 0),
    ]
