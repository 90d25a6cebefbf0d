"""Talking to the agent of this machine over its socket: the messages, and a client."""

from triptych.client.local.connection import SOCKET, LocalAgent
from triptych.client.local.messages import (
    Attach,
    Columns,
    Detach,
    Done,
    Listing,
    ListPorts,
    LocalPortStatus,
    PortDrops,
    ReadRows,
    Refused,
    Reply,
    Request,
    RowsReply,
    Status,
    StatusReply,
)

__all__ = [
    "SOCKET",
    "Attach",
    "Columns",
    "Detach",
    "Done",
    "ListPorts",
    "Listing",
    "LocalAgent",
    "LocalPortStatus",
    "PortDrops",
    "ReadRows",
    "Refused",
    "Reply",
    "Request",
    "RowsReply",
    "Status",
    "StatusReply",
]
