"""What a document leaves out: who gets what, what stays, and what runs out."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest

from triptych.core.addresses import Mac
from triptych.core.model import (
    Bum,
    Host,
    Key,
    Kind,
    L2Gateway,
    Network,
    Port,
    Router,
    Segment,
    StaticRoute,
    Subnet,
    Tenant,
    resolve,
)
from triptych.core.model.pools import AddressPool, Pool, port_mac
from triptych.documents import Text, load_declarations, load_network
from triptych.testing.documents import network_of, refusals

WORLD = """\
hosts: [{name: h1, underlay: 192.0.2.1}, {name: h2, underlay: 192.0.2.2, id: 1}]
tenants: [{name: acme}]
routers: [{tenant: acme, name: core}]
segments:
  - tenant: acme
    name: web
    router: core
    subnets:
      - {cidr: 10.0.1.0/24, gateway: 10.0.1.1}
      - {cidr: "fd00:1::/64", gateway: "fd00:1::1"}
"""
PORT = "  - {{tenant: acme, name: {}, segment: web}}\n"


def with_ports(*names: str) -> str:
    """The world with ports of these names, about which nothing else is said."""
    return WORLD + "ports:\n" + "".join(PORT.format(name) for name in names)


def test_everything_declared() -> None:
    """A document that says everything becomes exactly that network."""
    network = network_of("""\
hosts: [{name: h1, underlay: "2001:db8::1", id: 4294967295}]
tenants: [{name: acme}]
routers: [{tenant: acme, name: core, id: 7, mac: 02:00:00:00:99:99}]
segments:
  - tenant: acme
    name: web
    vni: 16777215
    router: core
    bum: replicate
    subnets: [{cidr: 10.0.1.0/24, gateway: 10.0.1.1}, {cidr: "fd00:1::/64"}]
ports:
  - tenant: acme
    name: web-1
    segment: web
    host: h1
    mac: 02:00:00:00:01:0A
    ips: [10.0.1.11, "fd00:1::11", 10.0.1.12]
    allowed_addresses: [10.9.0.0/16, 10.8.0.1, "::/0"]
routes:
  - {tenant: acme, router: core, prefix: 10.9.0.0/16, via: [10.0.1.11, 10.0.1.99]}
  - {tenant: acme, router: core, prefix: "::/0", blackhole: true}
l2_gateways:
  - {tenant: acme, name: rack-7, segment: web, host: h1, interface: eth1, vlan: 207}
""")
    assert network == Network(
        [
            Host("h1", ip_address("2001:db8::1"), 2**32 - 1),
            Tenant("acme"),
            Router("acme", "core", 7, Mac.parse("02:00:00:00:99:99")),
            Segment(
                "acme",
                "web",
                2**24 - 1,
                "core",
                (
                    Subnet(ip_network("10.0.1.0/24"), ip_address("10.0.1.1")),
                    Subnet(ip_network("fd00:1::/64")),
                ),
                Bum.REPLICATE,
            ),
            Port(
                "acme",
                "web-1",
                "web",
                Mac.parse("02:00:00:00:01:0a"),
                "h1",
                (ip_address("10.0.1.11"), ip_address("fd00:1::11"), ip_address("10.0.1.12")),
                (ip_network("10.9.0.0/16"), ip_network("10.8.0.1/32"), ip_network("::/0")),
            ),
            StaticRoute("acme", "core", ip_network("10.9.0.0/16"), (ip_address("10.0.1.11"), ip_address("10.0.1.99"))),
            StaticRoute("acme", "core", ip_network("::/0"), blackhole=True),
            L2Gateway("acme", "rack-7", "web", "h1", "eth1", 207),
        ]
    )


def test_allocation() -> None:
    """What is left out is the lowest that is free; what is said is never given to another."""
    text = (
        with_ports("a", "b")
        + '  - {tenant: acme, name: c, segment: web, ips: [10.0.1.2], mac: "02:00:00:00:00:01"}\n'
        + "  - {tenant: acme, name: d, segment: web, ips: []}\n"
    )
    network = network_of(text)
    assert [host.id for host in network.hosts] == [2, 1]
    assert network.routers == (Router("acme", "core", 1, Mac.parse("06:54:00:00:00:01")),)
    assert network.segment("acme", "web").vni == 10001
    assert [[str(ip) for ip in port.ips] for port in network.ports] == [
        ["10.0.1.3", "fd00:1::2"],
        ["10.0.1.4", "fd00:1::3"],
        ["10.0.1.2"],
        [],
    ]
    assert [str(port.mac) for port in network.ports if port.name != "c"] == [
        str(port_mac("acme", name, set())) for name in ("a", "b", "d")
    ]


def test_port_mac_probes() -> None:
    """A MAC that is taken gives way to the next one; the same name gives the same MAC."""
    first = port_mac("acme", "web-1", set())
    assert first == port_mac("acme", "web-1", set())
    assert first[:2] == b"\x02\x54"
    second = port_mac("acme", "web-1", {first})
    assert (int.from_bytes(second[2:], "big") - int.from_bytes(first[2:], "big")) % 2**32 == 1
    assert port_mac("acme", "web-1", {first, second}) not in {first, second}


def test_previous_allocations_stay() -> None:
    """An object added before the others takes nothing from them."""
    before = network_of(with_ports("b", "c"))
    after = network_of(with_ports("a", "b", "c"), before)
    assert {port.name: port for port in after.ports} == {
        "a": Port(
            "acme",
            "a",
            "web",
            port_mac("acme", "a", set()),
            ips=(ip_address("10.0.1.4"), ip_address("fd00:1::4")),
        ),
        "b": before.port("acme", "b"),
        "c": before.port("acme", "c"),
    }


def test_previous_numbers_stay() -> None:
    """Ids and VNIs outlive a change of order, and give way only to a number that somebody says."""
    before = network_of("tenants: [{name: t}]\nsegments: [{tenant: t, name: a}, {tenant: t, name: b}]\n")
    after = network_of(
        "tenants: [{name: t}]\n"
        "segments: [{tenant: t, name: c}, {tenant: t, name: b}, {tenant: t, name: a},"
        " {tenant: t, name: d, vni: 10001}]\n",
        before,
    )
    assert [(item.name, item.vni) for item in after.segments] == [
        ("c", 10003),
        ("b", 10002),
        ("a", 10004),
        ("d", 10001),
    ]


def test_previous_addresses_must_still_fit() -> None:
    """An address stays while its subnet holds it and nobody claims it; a new subnet gives a new one."""
    before = network_of(with_ports("a", "b"))
    moved = WORLD.replace("fd00:1::", "fd00:5::") + (
        "ports:\n"
        + PORT.format("a")
        + PORT.format("b")
        + "  - {tenant: acme, name: c, segment: web, ips: [10.0.1.2]}\n"
    )
    after = network_of(moved, before)
    assert [[str(ip) for ip in port.ips] for port in after.ports] == [
        ["10.0.1.4", "fd00:5::2"],
        ["10.0.1.3", "fd00:5::3"],
        ["10.0.1.2"],
    ]


def test_previous_mac_gives_way() -> None:
    """A MAC stays until another port of the segment says that it is its own."""
    before = network_of(with_ports("a"))
    mac = before.port("acme", "a").mac
    after = network_of(with_ports("a") + f'  - {{tenant: acme, name: b, segment: web, mac: "{mac}"}}\n', before)
    assert [port.mac for port in after.ports] == [port_mac("acme", "a", {mac}), mac]


def test_what_was_said_once_stays() -> None:
    """A MAC and an address that the document no longer says stay with the port that had them."""
    said = WORLD + 'ports: [{tenant: acme, name: a, segment: web, mac: "02:00:00:00:00:05", ips: [10.0.1.77]}]\n'
    before = network_of(said)
    after = network_of(with_ports("a"), before).port("acme", "a")
    assert (str(after.mac), [str(ip) for ip in after.ips]) == ("02:00:00:00:00:05", ["10.0.1.77", "fd00:1::2"])


def test_allocated_mac_is_not_the_router_s() -> None:
    """A port never gets the MAC of the router of its segment."""
    mac = port_mac("acme", "a", set())
    network = network_of(with_ports("a").replace("name: core}", f'name: core, mac: "{mac}"}}'))
    assert network.port("acme", "a").mac == port_mac("acme", "a", {mac})


def test_generation_is_kept() -> None:
    """Applying a document again does not forget how often a port was attached."""
    text = with_ports("a")
    before = network_of(text)
    port = before.port("acme", "a")
    attached = Port(port.tenant, port.name, port.segment, port.mac, "h1", port.ips, generation=5)
    again = network_of(text, Network([*(item for item in before if item is not port), attached]))
    assert again.port("acme", "a").generation == 5


def test_router_mac_is_kept() -> None:
    """A router keeps the MAC that its guests have in their caches, also when its id changes."""
    before = network_of(WORLD)
    after = network_of(WORLD.replace("name: core}", "name: core, id: 9}"), before)
    assert after.router("acme", "core") == Router("acme", "core", 9, Mac.parse("06:54:00:00:00:01"))


@pytest.mark.parametrize(
    ("cidr", "gateway", "count"),
    [
        ("10.0.1.0/29", "10.0.1.1", 5),
        ("10.0.1.0/30", "10.0.1.2", 1),
        ("10.0.1.0/31", "10.0.1.0", 1),
        ("fd00::/125", "fd00::1", 6),
        ("fd00::/127", "fd00::", 1),
    ],
)
def test_small_subnets_fill_up(cidr: str, gateway: str, count: int) -> None:
    """Every host address of a subnet is given out once; ports beyond are one fault that counts them."""
    head = (
        "tenants: [{name: t}]\nsegments:\n"
        f"  - {{tenant: t, name: s, subnets: [{{cidr: '{cidr}', gateway: '{gateway}'}}]}}\nports:\n"
    )
    ports = [f"  - {{tenant: t, name: p{number}, segment: s}}\n" for number in range(count + 2)]
    network = network_of(head + "".join(ports[:count]))
    given = [ip for port in network.ports for ip in port.ips]
    assert len(set(given)) == count
    assert all(ip in ip_network(cidr) and ip != ip_address(gateway) for ip in given)
    (message,) = refusals(head + "".join(ports))
    assert message == (
        f"net.yaml:{5 + count}: port t/p{count}: ips cannot be allocated, no address of {cidr} is free (and 1 more like"
        " this); give segment t/s a larger subnet, or this port ips of its own"
    )


def test_pool_runs_out() -> None:
    """A pool gives each number once, lowest first, and then none."""
    pool = Pool(range(5, 8), range(1, 3), taken=[6])
    assert pool.claim(7)
    assert not pool.claim(7)
    assert [pool.lowest() for _ in range(5)] == [5, 1, 2, None, None]


def test_address_pool_claims_only_its_own() -> None:
    """An address of another family, of another subnet, or at the edge cannot be claimed."""
    pool = AddressPool(ip_network("10.0.1.0/29"), [ip_address("10.0.1.1"), ip_address("fd00::1")])
    asked = ["10.0.1.1", "10.0.1.0", "10.0.1.7", "10.0.2.1", "::a00:102", "10.0.1.2", "10.0.1.2"]
    assert [pool.claim(ip_address(text)) for text in asked] == [False, False, False, False, False, True, False]


def test_resolving_looks_at_declarations_only() -> None:
    """Declarations can be resolved again and again, with the same result."""
    declarations = load_declarations([Text("net.yaml", with_ports("a", "b"))])
    first = resolve(declarations)
    assert (
        resolve(declarations)
        == first
        == resolve(declarations, first)
        == load_network([Text("net.yaml", with_ports("a", "b"))])
    )
    assert list(first.objects)[-1] == Key(Kind.PORT, "acme", "b")


def test_a_migration_that_happened_stays() -> None:
    """A document that asks for a migration leaves the port on its new host once it is there."""
    text = """
hosts: [{name: h1, underlay: 192.0.2.1}, {name: h2, underlay: 192.0.2.2}]
tenants: [{name: acme}]
segments: [{tenant: acme, name: web}]
ports: [{tenant: acme, name: vm, segment: web, host: h1, migrate_to: h2}]
"""
    asked = network_of(text)
    port = asked.port("acme", "vm")
    assert (port.host, port.migrate_to) == ("h1", "h2")
    moved = msgspec.structs.replace(port, host="h2", migrate_to=None, generation=2)
    done = Network([moved if item is port else item for item in asked])
    assert load_network([Text("net.yaml", text)], done) == done
