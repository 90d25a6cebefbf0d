"""The network that most tests of this folder share: two tenants with the same addresses on three hosts."""

from __future__ import annotations

from triptych.core.model import Network
from triptych.documents import Text, load_network

UNDERLAYS = {4: "192.0.2.{}", 6: "2001:db8:ffff::{}"}

_DOCUMENT = """
hosts:
  - {{name: h1, underlay: "{h1}"}}
  - {{name: h2, underlay: "{h2}"}}
  - {{name: h3, underlay: "{h3}"}}
tenants: [{{name: acme}}, {{name: globex}}]
routers: [{{tenant: acme, name: core}}, {{tenant: globex, name: core}}]
segments:
  - {{tenant: acme, name: web, vni: 10010, router: core, subnets: [
      {{cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, {{cidr: "fd00:1::/64", gateway: "fd00:1::1"}}]}}
  - {{tenant: acme, name: db, vni: 10020, router: core, subnets: [
      {{cidr: 10.0.2.0/24, gateway: 10.0.2.1}}, {{cidr: "fd00:2::/64", gateway: "fd00:2::1"}}]}}
  - {{tenant: globex, name: web, vni: 20010, router: core, subnets: [
      {{cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, {{cidr: "fd00:1::/64", gateway: "fd00:1::1"}}]}}
ports:
  - {{tenant: acme, name: web-1, segment: web, host: h1, mac: "02:00:00:00:01:01", ips: [10.0.1.11, "fd00:1::11"]}}
  - {{tenant: acme, name: web-2, segment: web, host: h1, mac: "02:00:00:00:01:02", ips: [10.0.1.12, "fd00:1::12"]}}
  - {{tenant: acme, name: web-3, segment: web, host: h2, mac: "02:00:00:00:01:03", ips: [10.0.1.13, "fd00:1::13"]}}
  - {{tenant: acme, name: db-1, segment: db, host: h1, mac: "02:00:00:00:02:01", ips: [10.0.2.11, "fd00:2::11"]}}
  - {{tenant: acme, name: db-2, segment: db, host: h3, mac: "02:00:00:00:02:02", ips: [10.0.2.12, "fd00:2::12"]}}
  - {{tenant: globex, name: web-1, segment: web, host: h1, mac: "02:00:00:00:01:01", ips: [10.0.1.11, "fd00:1::11"]}}
  - {{tenant: globex, name: web-3, segment: web, host: h2, mac: "02:00:00:00:01:03", ips: [10.0.1.13, "fd00:1::13"]}}
  - {{tenant: globex, name: lone, segment: web, host: h2, mac: "02:00:00:00:01:99", ips: [10.0.1.99, "fd00:1::99"]}}
{more}
"""


def document(underlay: int = 4, more: str = "") -> str:
    """The YAML text, over an IPv4 or IPv6 underlay, with more ports (or lists that come after ports)."""
    hosts = {f"h{number}": UNDERLAYS[underlay].format(number) for number in (1, 2, 3)}
    return _DOCUMENT.format(**hosts, more=more)


def network(underlay: int = 4, more: str = "") -> Network:
    """The network of `document`."""
    return load_network([Text("test", document(underlay, more))])


def address(network: Network, vm: str, version: int) -> str:
    """The address of one family that a VM has."""
    tenant, port = vm.split("/")
    (ip,) = [ip for ip in network.port(tenant, port).ips if ip.version == version]
    return str(ip)
