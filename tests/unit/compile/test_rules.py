"""The oracle itself: without any one dependency rule, or one field of it, a comparison goes red."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import msgspec
import pytest

from triptych.core.compile import Compiler, Put
from triptych.core.compile.rules import RULES, Rule
from triptych.core.model import Bum, Host, Kind, L2Gateway, Network, Object, Port, Router, Segment, StaticRoute
from triptych.testing.walks import EXPANDERS, Walk, follow
from triptych.testing.words import route, subnet
from triptych.testing.worlds import DB, TWO_SEGMENTS, WEB_1, WEB_2, WORLDS

RICH = (
    *TWO_SEGMENTS,
    msgspec.structs.replace(DB, bum=Bum.REPLICATE),
    Segment("acme", "lab", 10030, "edge", (subnet("10.0.3.0/24", "10.0.3.1"),), Bum.REPLICATE),
    msgspec.structs.replace(WEB_1, name="lab-1", segment="lab", ips=()),
    msgspec.structs.replace(WEB_1, name="lab-2", segment="lab", ips=(), mac=WEB_2.mac, host="h2"),
    L2Gateway("acme", "rack-7", "web", "h3", "eth1", 207),
    route("core", "10.9.0.0/16", "10.0.1.11", "10.0.2.11"),
    route("core", "10.8.0.0/16"),
    route("edge", "10.9.0.0/16", "10.0.3.11"),
)
FIELDS: dict[Kind, dict[str, tuple[object, ...]]] = {
    Kind.HOST: {"underlay": (ip_address("192.0.2.77"),), "id": (77,)},
    Kind.ROUTER: {"id": (77,), "mac": (b"\x06\x54\x00\x00\x00\x77",)},
    Kind.SEGMENT: {
        "vni": (77,),
        "router": (None, "core", "edge"),
        "bum": tuple(Bum),
        "subnets": ((), (subnet("10.0.1.0/24"),), (subnet("10.0.4.0/24", "10.0.4.1"),)),
    },
    Kind.PORT: {
        "segment": ("web", "db"),
        "mac": (b"\x02\x00\x00\x00\x00\x77",),
        "host": (None, "h1", "h2"),
        "ips": ((), (ip_address("10.0.1.77"),)),
        "generation": (77,),
    },
    Kind.ROUTE: {"via": ((ip_address("10.0.2.11"),), (ip_address("10.0.3.11"),)), "blackhole": (True, False)},
    Kind.L2_GATEWAY: {"segment": ("db", "lab"), "host": ("h1", "h2")},
}
"""Other values for each field that rows depend on."""


def one_field_at_a_time() -> Walk:
    """From one rich network, each object with one field changed, and back."""
    walk: Walk = [[Put(item) for item in Network(RICH)]]
    for item in Network(RICH):
        for edited in edits(item):
            walk += [[Put(edited)], [Put(item)]]
    return walk


def edits(item: Object) -> Iterator[Object]:
    """The object with one field changed, for each field and value that `FIELDS` lists."""
    for field, values in FIELDS.get(item.key.kind, {}).items():
        for value in values:
            if getattr(item, field) != value:
                yield msgspec.structs.replace(item, **{field: value})


def walks() -> Iterator[Walk]:
    """The walks that judge the rules, the sharpest first."""
    yield one_field_at_a_time()
    for expand in EXPANDERS:
        yield expand([world.network for world in WORLDS])


def is_caught(rules: tuple[Rule, ...]) -> bool:
    """Whether some walk shows that a compiler with these rules makes wrong rows."""
    for walk in walks():
        try:
            for _ in follow(walk, Compiler(rules=rules)):
                pass
        except AssertionError:
            return True
    return False


def without(position: int, field: str | None = None) -> tuple[Rule, ...]:
    """The rules less one, or less one field of one."""
    rule = RULES[position]
    if field is None:
        return RULES[:position] + RULES[position + 1 :]
    kept = tuple(name for name in rule.fields if name != field)
    return (*RULES[:position], rule._replace(fields=kept), *RULES[position + 1 :])


def test_the_rules_as_they_are_pass_every_walk() -> None:
    """No walk finds a fault with the rules that the product uses."""
    assert not is_caught(RULES)


@pytest.mark.parametrize("position", range(len(RULES)), ids=lambda position: RULES[position].why)
def test_no_rule_can_be_left_out(position: int) -> None:
    """Without any one rule some walk sees rows that differ from the full compile."""
    assert is_caught(without(position))


@pytest.mark.parametrize(
    ("position", "field"),
    [(position, field) for position, rule in enumerate(RULES) for field in rule.fields],
    ids=lambda value: RULES[value].kind.singular if isinstance(value, int) else value,
)
def test_no_field_of_a_rule_can_be_left_out(position: int, field: str) -> None:
    """With any one field overlooked some walk sees rows that differ from the full compile."""
    assert is_caught(without(position, field))


IDENTITY: dict[type[Object], set[str]] = {  # in the order of Kind
    Host: {"name"},
    Router: {"tenant", "name"},
    Segment: {"tenant", "name"},
    Port: {"tenant", "name"},
    StaticRoute: {"tenant", "router", "prefix"},
    L2Gateway: {"tenant", "name"},
}
RULED_KINDS = [kind for kind in Kind if kind is not Kind.TENANT]
LOCAL_TO_ITS_HOST: dict[type[Object], set[str]] = {
    Port: {"allowed_addresses", "migrate_to"},
    L2Gateway: {"interface", "vlan"},
}
"""Fields that one host alone must know: it is told with the port or gateway, not by rows."""


@pytest.mark.parametrize(("cls", "kind"), list(zip(IDENTITY, RULED_KINDS, strict=True)))
def test_a_field_without_a_rule_makes_no_rows(cls: type[Object], kind: Kind) -> None:
    """Every field of a noun is its identity, in a rule, or known to concern no row."""
    ruled = {field for rule in RULES if rule.kind is kind for field in rule.fields}
    assert {field.name for field in msgspec.structs.fields(cls)} == IDENTITY[cls] | LOCAL_TO_ITS_HOST.get(
        cls, set()
    ) | ruled
