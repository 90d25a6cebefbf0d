"""Telling the service manager how a daemon fares: sd_notify(3), which is one datagram."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send `READY=1` and the like where a service manager asked to be told; nowhere else."""
    where = environment.get("NOTIFY_SOCKET")
    if not where:
        return
    # An abstract address is written with an @.
    address = "\0" + where[1:] if where.startswith("@") else where
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.connect(address)
            out.sendall(state.encode())
        except OSError:
            # Whoever asked has gone; the daemon goes on.
            return
