"""The way to the controller: what the host should have comes in, what it has programmed goes out."""

from triptych.agent.sync.client import SyncClient
from triptych.agent.sync.held import HeldScopes
from triptych.agent.sync.identity import Identity, Tls

__all__ = ["HeldScopes", "Identity", "SyncClient", "Tls"]
