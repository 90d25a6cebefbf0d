"""What publishing costs, counted; tests compare these and never seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Work:
    """Since the publisher began: rows compared, updates encoded, hosts looked at, messages handed out."""

    compiled_rows: int = 0
    updates: int = 0
    update_rows: int = 0
    update_bytes: int = 0
    hosts: int = 0
    messages: int = 0
    message_bytes: int = 0
