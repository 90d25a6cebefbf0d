"""Networks to plain data and back, for the state of a lab.

The form is that of a document with everything that was allocated, and beside it the
one thing that no document says: the generation of each port.
"""

from __future__ import annotations

import msgspec

from triptych.core.model import Document, Network, Port, document_of, parse, resolve


class Plain(msgspec.Struct, frozen=True):
    """A network as JSON can hold it; `generations` by tenant and port, those that are not zero."""

    document: dict[str, list[dict[str, object]]]
    generations: dict[str, dict[str, int]] = {}


def to_plain(network: Network) -> Plain:
    """The plain data of a network."""
    generations: dict[str, dict[str, int]] = {}
    for port in network.ports:
        if port.generation:
            generations.setdefault(port.tenant, {})[port.name] = port.generation
    return Plain(document_of(network), generations)


def from_plain(plain: Plain) -> Network:
    """The network that `to_plain` was given; DocumentError when somebody else wrote the data."""
    network = resolve(parse([Document("state of the lab", plain.document)]))
    objects = []
    for item in network:
        raised = plain.generations.get(item.tenant, {}).get(item.name, 0) if isinstance(item, Port) else 0
        objects.append(msgspec.structs.replace(item, generation=raised) if raised else item)
    return Network(objects)
