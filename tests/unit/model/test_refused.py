"""Documents that are refused, with every message in full.

`refused/` holds one document per file, and below the line `=====` the messages that it is
refused with, in order.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.core.model.faults import MAX_FAULTS
from triptych.core.model.fields import MAX_ADDRESSES
from triptych.testing.documents import refusals

CASES = sorted((Path(__file__).parent / "refused").glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_document_is_refused(path: Path) -> None:
    """All that is wrong is said at once: place, object, field, value, problem and remedy."""
    document, _, messages = path.read_text(encoding="utf-8").partition("=====\n")
    assert refusals(document) == messages.splitlines()


def test_the_world_of_the_cases_is_right() -> None:
    """What the cases of relations have in common is not what they are refused for."""
    document, _, _ = (CASES[0].parent / "relation-macs.txt").read_text(encoding="utf-8").partition("ports:\n")
    assert refusals(document) == []


def test_one_cause_is_one_fault() -> None:
    """A thousand ports in a segment that is not there are one fault, which counts the others."""
    ports = "".join(f"  - {{tenant: acme, name: p{number}, segment: web}}\n" for number in range(1000))
    (message,) = refusals(f"tenants: [{{name: acme}}]\nports:\n{ports}")
    assert message == (
        "net.yaml:3: port acme/p0: segment 'web' is not a declared segment (and 999 more like this); add it to segments"
        " of tenant acme, or correct the name"
    )


@pytest.mark.parametrize(("field", "what"), [("ips", "addresses"), ("allowed_addresses", "prefixes")])
def test_a_port_has_a_bounded_number_of_addresses(field: str, what: str) -> None:
    """What a host is told of one port stays small, whatever is declared."""

    def document(count: int) -> str:
        listed = ", ".join(f"10.{number >> 8}.{number & 255}.1" for number in range(count))
        return (
            "tenants: [{name: acme}]\nsegments: [{tenant: acme, name: web, subnets: [{cidr: 10.0.0.0/8}]}]\n"
            f"ports: [{{tenant: acme, name: a, segment: web, {field}: [{listed}]}}]\n"
        )

    assert refusals(document(MAX_ADDRESSES)) == []
    assert refusals(document(MAX_ADDRESSES + 1)) == [
        f"net.yaml:3: port acme/a: {field} has 1025 {what}; keep at most 1024"
    ]


def test_faults_are_bounded() -> None:
    """Beyond ten thousand faults the rest are only counted."""
    messages = refusals("tenants:\n" + "  - 1\n" * (MAX_FAULTS + 7))
    assert len(messages) == MAX_FAULTS + 1
    assert messages[-2:] == [
        "net.yaml:10001: tenants[9999]: '1' is not a mapping; write each of tenants as a mapping of its fields",
        "net.yaml: document: has 7 more faults; correct these first",
    ]


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (
            "segments: [{tenant: acme, nane: web}]",
            "net.yaml:2: segments[0]: nane is not a field of segments; did you mean 'name'?",
        ),
        (
            "segmants: [{tenant: acme, name: web}]",
            "net.yaml:2: document: segmants is not a list of a document; did you mean 'segments'?",
        ),
        (
            "segments: {tenant: acme, name: web}",
            "net.yaml:2: document: segments 'a mapping' is not a list; write segments as a list of objects",
        ),
        (
            "segments: [{tenant: acme, name: web, subnets: [{cidr: 10.0.1/24}]}]",
            (
                "net.yaml:2: segment acme/web: subnets[0].cidr '10.0.1/24' is not a prefix; give one like '10.0.1.0/24'"
                " or 'fd00:1::/64'"
            ),
        ),
        (
            "segments: [{tenant: acme, name: web, router: no one}]",
            (
                "net.yaml:2: segment acme/web: router 'no one' is not a name; use 1 to 63 letters, digits, '-', '_' or"
                " '.', the first a letter or digit"
            ),
        ),
    ],
)
def test_no_fault_follows_from_another(segments: str, message: str) -> None:
    """What depends on an object that could not be read is not blamed for it."""
    text = (
        f"tenants: [{{name: acme}}]\n{segments}\nrouters: [{{tenant: acme, name: core}}]\n"
        "ports: [{tenant: acme, name: a, segment: web}]\n"
        "routes: [{tenant: acme, router: core, prefix: 10.9.0.0/16, via: [10.0.1.9]}]\n"
    )
    assert refusals(text) == [message]
