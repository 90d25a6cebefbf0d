"""Talking to the agent of this machine over its socket: the messages, and a client."""

from triptych.client.local.connection import SOCKET, LocalAgent
from triptych.client.local.messages import (
    Attach,
    Detach,
    Done,
    Listing,
    ListPorts,
    LocalPortStatus,
    Refused,
    Reply,
    Request,
    Status,
    StatusReply,
)

__all__ = [
    "SOCKET",
    "Attach",
    "Detach",
    "Done",
    "ListPorts",
    "Listing",
    "LocalAgent",
    "LocalPortStatus",
    "Refused",
    "Reply",
    "Request",
    "Status",
    "StatusReply",
]
