"""An Open vSwitch of our own: private directory, database, sockets and pids; nothing of the machine's is touched."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from triptych.bench.processes import call, running, wait_for

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


@dataclass(frozen=True)
class Switch:
    """A running ovs-vswitchd and how to speak to it."""

    namespace: str
    directory: Path

    @property
    def _env(self) -> dict[str, str]:
        where = str(self.directory)
        return {"OVS_RUNDIR": where, "OVS_LOGDIR": where, "OVS_DBDIR": where, "OVS_SYSCONFDIR": where}

    @property
    def _database(self) -> str:
        return f"unix:{self.directory / 'db.sock'}"

    def vsctl(self, *words: str) -> str:
        """`ovs-vsctl`, which waits until the daemon has done it."""
        return call(["ovs-vsctl", f"--db={self._database}", "--timeout=20", *words], self.namespace, env=self._env)

    def ofctl(self, *words: str, text: str | None = None, timeout: float = 60.0) -> str:
        """`ovs-ofctl` with OpenFlow 1.4, which has bundles."""
        return call(["ovs-ofctl", "-O", "OpenFlow14", *words], env=self._env, text=text, timeout=timeout)

    def bridge(self, name: str) -> str:
        """The management socket of a bridge, as ovs-ofctl wants it."""
        return f"unix:{self.directory / f'{name}.mgmt'}"

    def add_flows(self, bridge: str, flows: Iterable[str]) -> None:
        """Add flows, all or none."""
        self.ofctl("--bundle", "add-flows", self.bridge(bridge), "-", text="\n".join(flows) + "\n")


@contextmanager
def switch(namespace: str) -> Iterator[Switch]:
    """A switch in a namespace for the length of the block."""
    directory = Path(tempfile.mkdtemp(prefix="tri-ovs-"))
    try:
        daemon = Switch(namespace, directory)
        database = directory / "conf.db"
        call(["ovsdb-tool", "create", str(database), str(SCHEMA)])
        server = ["ovsdb-server", f"--remote=p{daemon._database}", f"--pidfile={directory / 'ovsdb.pid'}"]
        quiet = ["--verbose=off", f"--unixctl={directory / 'ovsdb.ctl'}", str(database)]
        with running([*server, *quiet], namespace, env=daemon._env) as process:
            wait_for("the socket of ovsdb-server", (directory / "db.sock").exists, process)
            call(["ovs-vsctl", f"--db={daemon._database}", "--no-wait", "init"], env=daemon._env)
            vswitchd = ["ovs-vswitchd", daemon._database, f"--pidfile={directory / 'vswitchd.pid'}"]
            control = ["--verbose=off", f"--unixctl={directory / 'vswitchd.ctl'}"]
            with running([*vswitchd, *control], namespace, env=daemon._env) as worker:
                wait_for("the control socket of ovs-vswitchd", (directory / "vswitchd.ctl").exists, worker)
                yield daemon
                # Bridges are taken down by the daemon that made them: it owns their taps.
                daemon.vsctl(
                    "--", *(word for name in daemon.vsctl("list-br").split() for word in ("del-br", name, "--"))
                )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def arp_responder(vni: int, address: str, mac: str) -> str:
    """The flow that answers an ARP request for `address` in place: a `neighbors` row in OpenFlow."""
    raw_mac, raw_ip = mac.replace(":", ""), f"{int(ip_address(address)):08x}"
    return (
        f"table=1,priority=20,tun_id={vni},arp,arp_op=1,arp_tpa={address},dl_dst=ff:ff:ff:ff:ff:ff"
        f",actions=move:eth_src->eth_dst,set_field:{mac}->eth_src,set_field:2->arp_op"
        ",move:arp_sha->arp_tha,move:arp_spa->arp_tpa"
        f",load:0x{raw_mac}->NXM_NX_ARP_SHA[],load:0x{raw_ip}->NXM_OF_ARP_SPA[],in_port"
    )
