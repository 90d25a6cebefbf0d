"""Open vSwitch, userspace datapath, with the flows that the three tables of this network compile to.

One switch per host namespace, as on two machines. `br-int` has the VM and the tunnel;
`br-phy` has the underlay link and its address, which is how the userspace datapath
finds its way out (Open vSwitch, "Userspace Tunneling").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from triptych.bench.namespaces import World, ip
from triptych.bench.openvswitch import Switch, arp_responder, switch
from triptych.bench.processes import call
from triptych.bench.scenarios.base import PORT_LINK, UNDERLAY_LINK, VM_LINK, VNI, Host, Pair, Scenario, two_hosts

VM_PORT, TUNNEL_PORT = 1, 2


@contextmanager
def openvswitch(world: World) -> Iterator[Pair]:
    """Two switches; the flows check the sender, answer ARP and send known MACs into the tunnel."""
    one, two = two_hosts(world)
    with ExitStack() as stack:
        for host, other in ((one, two), (two, one)):
            # The userspace datapath moves frames as they are: it neither fills in checksums nor cuts super-packets.
            call(["ethtool", "-K", VM_LINK, "tx", "off", "tso", "off", "gso", "off", "gro", "off"], host.vm.namespace)
            _configure(stack.enter_context(switch(host.namespace)), host, other)
        yield Pair(one.vm, two.vm)


def flows(host: Host, other: Host) -> list[str]:
    """The OpenFlow flows of one host: table 0 is who sends, table 1 where to."""
    own, peer = host.vm, other.vm
    sender = f"table=0,priority=20,in_port={VM_PORT},dl_src={own.mac}"
    onward = f"actions=set_field:{VNI}->tun_id,resubmit(,1)"
    arrived = f"table=0,priority=10,in_port={TUNNEL_PORT},tun_id={VNI},tun_src={other.underlay}"
    tunnel = f"actions=set_field:{other.underlay}->tun_dst,output:{TUNNEL_PORT}"
    return [
        f"{sender},arp,arp_spa={own.address},arp_sha={own.mac},{onward}",
        f"{sender},ip,nw_src={own.address},{onward}",
        f"{arrived},actions=resubmit(,2)",
        "table=0,priority=0,actions=drop",
        arp_responder(VNI, peer.address, peer.mac),
        f"table=1,priority=10,tun_id={VNI},dl_dst={peer.mac},{tunnel}",
        f"table=1,priority=10,tun_id={VNI},dl_dst={own.mac},actions=output:{VM_PORT}",
        f"table=2,priority=10,tun_id={VNI},dl_dst={own.mac},actions=output:{VM_PORT}",
    ]


def _configure(daemon: Switch, host: Host, other: Host) -> None:
    ip(host.namespace, [f"addr flush dev {UNDERLAY_LINK}"])
    daemon.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev")
    daemon.vsctl("add-port", "br-phy", UNDERLAY_LINK)
    ip(host.namespace, [f"addr add {host.underlay}/24 dev br-phy", "link set br-phy mtu 1600 up"])
    daemon.vsctl(
        *("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure"),
        *("--", "add-port", "br-int", PORT_LINK, "--", "set", "interface", PORT_LINK, f"ofport_request={VM_PORT}"),
        *("--", "add-port", "br-int", "vxlan0", "--", "set", "interface", "vxlan0", "type=vxlan"),
        *("options:remote_ip=flow", "options:key=flow", f"options:local_ip={host.underlay}"),
        f"ofport_request={TUNNEL_PORT}",
    )
    daemon.add_flows("br-int", flows(host, other))


SCENARIOS = (
    Scenario(
        "ovs-userspace",
        "Open vSwitch, userspace",
        openvswitch,
        ("ethtool", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl"),
    ),
)
