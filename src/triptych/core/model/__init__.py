"""The nouns of the document, and the network that they make."""

from triptych.core.model.network import Network
from triptych.core.model.nouns import (
    Bum,
    Host,
    Key,
    Kind,
    L2Gateway,
    Object,
    Port,
    Router,
    Segment,
    StaticRoute,
    Subnet,
    Tenant,
)

__all__ = [
    "Bum",
    "Host",
    "Key",
    "Kind",
    "L2Gateway",
    "Network",
    "Object",
    "Port",
    "Router",
    "Segment",
    "StaticRoute",
    "Subnet",
    "Tenant",
]
