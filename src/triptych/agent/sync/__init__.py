"""The way to the controller: what the host should have comes in, what it has programmed goes out."""

from triptych.agent.sync.client import SyncClient, Tls
from triptych.agent.sync.held import HeldScopes

__all__ = ["HeldScopes", "SyncClient", "Tls"]
