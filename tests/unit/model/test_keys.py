"""Identities of objects as keys of the store."""

import pytest
from hypothesis import given, settings

from triptych.core.model import Network
from triptych.core.model.keys import object_key, parse_object_key
from triptych.testing.networks import networks


@settings(max_examples=30)
@given(networks())
def test_round_trip(network: Network) -> None:
    """Every identity of every network comes back from its key, and no two share one."""
    keys = [object_key(item.key) for item in network]
    assert [parse_object_key(key) for key in keys] == [item.key for item in network]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "raw",
    [b"", b"objects/hosts/-", b"claims/vni/1", b"objects/moons/-/h1", b"objects/hosts/-/%ff", b"objects/\xff/a/b"],
)
def test_foreign_key(raw: bytes) -> None:
    """A key that names no object is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        parse_object_key(raw)
