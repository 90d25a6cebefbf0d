"""The nouns of the document, and the network that they make."""

from triptych.core.model.declarations import Declarations
from triptych.core.model.network import Network
from triptych.core.model.nodes import Block, Document, Items
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
from triptych.core.model.parse import parse
from triptych.core.model.render import document_of
from triptych.core.model.resolve import resolve

__all__ = [
    "Block",
    "Bum",
    "Declarations",
    "Document",
    "Host",
    "Items",
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
    "document_of",
    "parse",
    "resolve",
]
