"""The plan of a lab: what each machine gets, and what cannot be a lab."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import msgspec
import pytest

from tests.unit.lab.networks import DOCUMENT, NETWORK, plan_of
from triptych.core.addresses import Mac
from triptych.core.local import HostConfig, LocalPort
from triptych.core.model import Network
from triptych.documents import Text, load_network
from triptych.errors import InputError
from triptych.lab.plan import HostSpec, Options, VmSpec, make_plan

GATEWAY = """
l2_gateways: [{tenant: acme, name: rack, segment: flat, host: h1, interface: eth1, vlan: 7}]
"""


def test_a_host_is_a_namespace_with_a_data_plane() -> None:
    """A host gets its underlay address alone, the underlay MTU, and a data plane that knows the overlay MTU."""
    assert plan_of(NETWORK).hosts["h1"] == HostSpec(
        name="h1",
        namespace="tri-x:h1",
        spine_link="h-" + "33112ee14e",
        mtu=1550,
        address=ip_interface("192.0.2.1/32"),
        config=HostConfig("h1", ip_address("192.0.2.1"), overlay_mtu=1500),
        pins="tri-x:h1",
    )


def test_a_vm_gets_what_dhcp_would_give() -> None:
    """A VM gets its addresses with the length of their subnets, and a gateway of each family."""
    mac = Mac.parse("02:00:00:00:01:01")
    ips = (ip_address("10.0.1.11"), ip_address("fd00:1::11"))
    plan = plan_of(NETWORK)
    assert plan.vms["acme/web-1"] == VmSpec(
        name="acme/web-1",
        host="h1",
        namespace="tri-x:acme:web-1",
        mac=mac,
        mtu=1500,
        addresses=(ip_interface("10.0.1.11/24"), ip_interface("fd00:1::11/64")),
        gateways=(ip_address("10.0.1.1"), ip_address("fd00:1::1")),
        forward=False,
        port=LocalPort("acme/web-1", plan.vms["acme/web-1"].port.interface, 10010, mac, ips),
    )


def test_a_vm_with_allowed_addresses_routes() -> None:
    """A VM that may send from addresses of others is one that routes, so it forwards."""
    vm = plan_of(NETWORK).vms["acme/web-2"]
    assert (vm.forward, vm.port.allowed) == (True, (ip_network("10.9.0.0/16"),))


def test_a_subnet_without_gateway_gives_no_default_route() -> None:
    """Without a gateway in its subnet a VM has no default route."""
    assert plan_of(NETWORK).vms["acme/flat-1"].gateways == ()


def test_a_port_without_host_is_no_machine() -> None:
    """A port that is bound to no host has neither namespace nor attachment."""
    assert list(plan_of(NETWORK).vms) == ["acme/web-1", "acme/web-2", "acme/flat-1"]


def test_a_tap_has_no_namespace() -> None:
    """A VM that is asked for as a tap differs in having no namespace, and in nothing else."""
    plain = plan_of(NETWORK).vms["acme/web-1"]
    tap = plan_of(NETWORK, taps=frozenset({"acme/web-1"})).vms["acme/web-1"]
    assert tap == msgspec.structs.replace(plain, namespace=None)


@pytest.mark.parametrize(
    ("first", "second", "asked", "underlay", "overlay"),
    [
        ("192.0.2.1", "192.0.2.2", None, 1550, 1500),
        ("2001:db8::1", "2001:db8::2", None, 1570, 1500),
        ("192.0.2.1", "192.0.2.2", 1500, 1500, 1450),
        ("2001:db8::1", "2001:db8::2", 1500, 1500, 1430),
        ("2001:db8::1", "2001:db8::2", 1350, 1350, 1280),
    ],
)
def test_mtus_follow_the_family_of_the_underlay(
    first: str, second: str, asked: int | None, underlay: int, overlay: int
) -> None:
    """VMs get 1500 unless an underlay MTU is given, and then that less 50 bytes over IPv4 or 70 over IPv6."""
    text = DOCUMENT.replace("192.0.2.1", f'"{first}"').replace("192.0.2.2", f'"{second}"')
    plan = plan_of(load_network([Text("test", text)]), underlay_mtu=asked)
    assert plan.mtu == underlay
    assert {host.config.overlay_mtu for host in plan.hosts.values()} == {overlay}
    assert {vm.mtu for vm in plan.vms.values()} == {overlay}


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        (NETWORK, Options("openflow"), "driver 'openflow' is not known; choose one of ebpf, sim"),
        (NETWORK, Options(underlay_mtu=1329), "underlay MTU 1329 is not between 1330 and 65000"),
        (NETWORK, Options(underlay_mtu=65001), "underlay MTU 65001 is not between 1330 and 65000"),
        (NETWORK, Options(taps=frozenset({"acme/nobody"})), "tap 'acme/nobody': no port of this name"),
        (Network(), Options(), "declares no hosts"),
        (load_network([Text("test", DOCUMENT + GATEWAY)]), Options(), "l2 gateway acme/rack: no data plane of a lab"),
    ],
)
def test_what_cannot_be_a_lab_is_refused(network: Network, options: Options, words: str) -> None:
    """Options and networks that no lab can be made of are refused by name, value and remedy."""
    with pytest.raises(InputError) as caught:
        make_plan("x", network, options)
    assert words in str(caught.value)
