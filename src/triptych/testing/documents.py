"""What a document says when it is refused, and random data in the neighbourhood of documents."""

from __future__ import annotations

from hypothesis import strategies as st

from triptych.core.model import Kind, Network
from triptych.documents import Text, load_network
from triptych.errors import DocumentError

NAME = "net.yaml"
"""What messages call the document that `refusals` and `network_of` read."""


def network_of(text: str | bytes, previous: Network | None = None) -> Network:
    """The network of one document."""
    return load_network([Text(NAME, text)], previous)


def refusals(text: str | bytes) -> list[str]:
    """The messages of the faults of one document; none when it is accepted."""
    try:
        network_of(text)
    except DocumentError as error:
        return [str(fault) for fault in error.faults]
    return []


_FIELDS = (
    "name",
    "tenant",
    "router",
    "segment",
    "host",
    "underlay",
    "vni",
    "id",
    "subnets",
    "cidr",
    "gateway",
    "bum",
    "mac",
    "ips",
    "allowed_addresses",
    "prefix",
    "via",
    "blackhole",
    "interface",
    "vlan",
)
_WORDS = (
    "acme",
    "web",
    "core",
    "h1",
    "web 1",
    "",
    "drop",
    "replicate",
    "192.0.2.1",
    "10.0.1.0/24",
    "10.0.1.1",
    "10.0.1.255",
    "10.0.1.1/24",
    "0.0.0.0/0",
    "::/0",
    "fd00:1::/64",
    "fd00:1::1",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
    "02:00:00:00:01:01",
    "ff:ff:ff:ff:ff:ff",
    "eth1",
)

scalars = st.one_of(
    st.sampled_from(_WORDS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(0, 5),
    st.floats(),
    st.text(max_size=8),
)
"""Values that stand in documents, and values that must not."""


def anything() -> st.SearchStrategy[object]:
    """Nested plain data whose keys are often those of the format."""
    keys = st.one_of(st.sampled_from([*_FIELDS, *(kind.value for kind in Kind)]), st.text(max_size=5))
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


def nearly_documents() -> st.SearchStrategy[dict[str, object]]:
    """Data with the lists and fields of the format, and values that may or may not belong there."""
    plain = st.one_of(scalars, st.lists(scalars, max_size=3))
    subnets = st.lists(st.fixed_dictionaries({}, optional={"cidr": plain, "gateway": plain}), max_size=3)
    optional = dict.fromkeys(_FIELDS, plain) | {"subnets": subnets | plain}
    item = st.fixed_dictionaries({}, optional=optional)
    lists = {kind.value: st.lists(item, max_size=3) | plain for kind in Kind}
    return st.fixed_dictionaries({}, optional=lists)
