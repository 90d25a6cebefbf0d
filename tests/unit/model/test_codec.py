"""Objects as the store holds them."""

import pytest
from hypothesis import given, settings

from triptych.core.model import Kind, Network
from triptych.core.model.codec import decode_object, encode_object
from triptych.core.model.declarations import Declarations
from triptych.core.model.declare import declare
from triptych.core.model.resolve import resolve
from triptych.testing.networks import networks


@settings(max_examples=30)
@given(networks())
def test_round_trip(network: Network) -> None:
    """Every object of every network comes back from its value as it was."""
    assert [decode_object(item.key.kind, encode_object(item)) for item in network] == list(network)


@settings(max_examples=30)
@given(networks())
def test_declared_again(network: Network) -> None:
    """The declarations of a network's objects make that network again, its generations kept."""
    found: dict[str, list[object]] = {kind.value: [] for kind in Kind}
    for item in network:
        found[item.key.kind.value].append(declare(item))
    declarations = Declarations(**{name: tuple(items) for name, items in found.items()})  # type: ignore[arg-type]
    assert resolve(declarations, network) == network


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b'{"name":"h","underlay":"10.0.0.256","id":1}',
        b'{"name":"h","underlay":"::1","id":"1"}',
        b'{"name":"h","underlay":"::1","id":1,"colour":"red"}',
        b'{"name":"\xff","underlay":"::1","id":1}',
    ],
)
def test_damaged_value(raw: bytes) -> None:
    """What is no object of its kind is a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r".+"):
        decode_object(Kind.HOST, raw)
