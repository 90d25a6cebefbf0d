"""A small network, and changed copies of it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
from hypothesis import strategies as st

from triptych.core.addresses import Mac
from triptych.core.model import Host, Key, Kind, Network, Object, Port, Segment, Subnet, Tenant
from triptych.documents import Text, load_network
from triptych.lab.plan import Options, Plan, make_plan

DOCUMENT = """
hosts:
  - {name: h1, underlay: 192.0.2.1}
  - {name: h2, underlay: 192.0.2.2}
tenants: [{name: acme}]
routers: [{tenant: acme, name: core}]
segments:
  - tenant: acme
    name: web
    vni: 10010
    router: core
    subnets:
      - {cidr: 10.0.1.0/24, gateway: 10.0.1.1}
      - {cidr: "fd00:1::/64", gateway: "fd00:1::1"}
  - {tenant: acme, name: flat, vni: 10020, subnets: [{cidr: 10.0.2.0/24}]}
ports:
  - {tenant: acme, name: web-1, segment: web, host: h1, mac: "02:00:00:00:01:01", ips: [10.0.1.11, "fd00:1::11"]}
  - {tenant: acme, name: web-2, segment: web, host: h2, mac: "02:00:00:00:01:02", ips: [10.0.1.12],
     allowed_addresses: [10.9.0.0/16]}
  - {tenant: acme, name: flat-1, segment: flat, host: h2, mac: "02:00:00:00:02:01", ips: [10.0.2.11]}
  - {tenant: acme, name: spare, segment: flat, mac: "02:00:00:00:02:02", ips: [10.0.2.12]}
"""
NETWORK = load_network([Text("test", DOCUMENT)])


def plan_of(network: Network, *, underlay_mtu: int | None = None, taps: frozenset[str] = frozenset()) -> Plan:
    """The plan of lab `x`."""
    return make_plan("x", network, Options("ebpf", underlay_mtu, taps))


def edited(network: Network, tenant: str, port: str, **fields: object) -> Network:
    """The same network with other fields of one port."""
    objects = dict(network.objects)
    key = Key(Kind.PORT, tenant, port)
    item = objects[key]
    assert isinstance(item, Port)
    objects[key] = msgspec.structs.replace(item, **fields)
    return Network(objects.values())


def without(network: Network, kind: Kind, tenant: str, name: str) -> Network:
    """The same network less one object."""
    return Network(item for key, item in network.objects.items() if key != Key(kind, tenant, name))


_UNDERLAYS = {4: "192.0.2.{}", 6: "2001:db8::{}"}
_SUBNETS = (
    Subnet(ip_network("10.0.1.0/24"), ip_address("10.0.1.1")),
    Subnet(ip_network("10.0.2.0/24")),
    Subnet(ip_network("fd00:1::/64"), ip_address("fd00:1::1")),
)
_VMS = ("vm-1", "vm-2", "vm-3")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of lab `x`: up to three hosts and VMs, which differ in everything that a plan holds.

    Small on purpose: what matters is how two or three of them differ, and that is drawn fast.
    """
    version = draw(st.sampled_from((4, 6)))
    hosts = [
        Host(name, ip_address(_UNDERLAYS[version].format(draw(st.sampled_from((number, number + 10))))), number)
        for number, name in enumerate(draw(st.sampled_from((("h1",), ("h1", "h2"), ("h2", "h3")))), start=1)
    ]
    objects: list[Object] = [*hosts, Tenant("acme")]
    objects += [Segment("acme", name, vni, subnets=_SUBNETS) for vni, name in enumerate(("web", "db"), start=10)]
    taps = set()
    # In any order: between two plans VMs may swap their MACs.
    owners = draw(st.permutations(range(1, len(_VMS) + 1)))
    for number, name in zip(owners, _VMS, strict=True):
        host = draw(st.sampled_from((None, *hosts)))
        if draw(st.booleans()):
            taps.add(f"acme/{name}")
        ips = [subnet.cidr[10 * number + draw(st.integers(0, 1))] for subnet in _SUBNETS if draw(st.booleans())]
        objects.append(
            Port(
                tenant="acme",
                name=name,
                segment=draw(st.sampled_from(("web", "db"))),
                mac=Mac.parse(f"02:00:00:00:0{number}:{draw(st.sampled_from(('01', '02')))}"),
                host=host.name if host is not None else None,
                ips=tuple(ips),
                allowed_addresses=(ip_network("10.9.0.0/16"),) if draw(st.booleans()) else (),
            )
        )
    return plan_of(Network(objects), underlay_mtu=draw(st.sampled_from((None, 9000))), taps=frozenset(taps))
