"""The documents that people start from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from triptych.core.model import Kind
from triptych.documents import Text, document_of, load_network, yaml_of

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_accepted(path: Path) -> None:
    """Every example is a document, and reads back the same from what is shown of it."""
    network = load_network([path])
    assert network.ports
    assert load_network([Text("shown", yaml_of(network))]) == network


def test_the_demo_network() -> None:
    """The demo's network has two tenants with the same addresses on three hosts."""
    network = load_network([path for path in EXAMPLES if path.stem == "two-tenants"])
    counts = Counter(key.kind for key in network.objects)
    assert counts == {
        Kind.HOST: 3,
        Kind.TENANT: 2,
        Kind.ROUTER: 2,
        Kind.SEGMENT: 4,
        Kind.PORT: 7,
        Kind.ROUTE: 2,
    }
    addresses = {
        tenant.name: {ip for port in network.ports if port.tenant == tenant.name for ip in port.ips}
        for tenant in network.tenants
    }
    assert addresses["globex"] < addresses["acme"]


def test_document_of_is_plain() -> None:
    """What is shown of a network holds what was allocated and leaves out what is empty."""
    text = "tenants: [{name: t}]\nsegments: [{tenant: t, name: s}]\nports: [{tenant: t, name: p, segment: s}]\n"
    assert document_of(load_network([Text("net.yaml", text)])) == {
        "tenants": [{"name": "t"}],
        "segments": [{"tenant": "t", "name": "s", "vni": 10001}],
        "ports": [{"tenant": "t", "name": "p", "segment": "s", "mac": "02:54:3d:bc:11:2d", "ips": []}],
    }
