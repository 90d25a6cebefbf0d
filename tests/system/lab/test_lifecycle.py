"""A lab changes in place under traffic, lives beside another, repairs itself, and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.control.watch import Pinging
from tests.system.lab.traffic import quick_ping, reaches, run, socket_in
from tests.system.lab.world import document, network
from triptych.core.model import Network
from triptych.documents import Text, load_network
from triptych.drivers.base import Driver
from triptych.errors import DataPlaneError, InputError, NotFoundError
from triptych.lab import Lab, planes, state
from triptych.lab.apply import no_progress, perform
from triptych.lab.plan import HostSpec, Plan
from triptych.lab.planes import DirectPlanes
from triptych.lab.pytest_plugin import LabMaker
from triptych.lab.steps import steps

CHANGED = (
    document()
    .replace(
        '  - {name: h3, underlay: "192.0.2.3"}',
        '  - {name: h3, underlay: "192.0.2.3"}\n  - {name: h4, underlay: 192.0.2.4}',
    )
    .replace("name: web-2, segment: web, host: h1", "name: web-2, segment: web, host: h4")
    .replace("[10.0.2.11, ", "[10.0.2.111, ")
    + """
  - {tenant: acme, name: new, segment: web, host: h4, mac: "02:00:00:00:01:44", ips: [10.0.1.44, "fd00:1::44"]}
routes:
  - {tenant: acme, router: core, prefix: 10.66.0.0/16, blackhole: true}
"""
)
CHANGED = re.sub(r"\n  - \{tenant: globex, name: lone.*?\}", "", CHANGED)


def changed() -> Network:
    """Another host, a VM moved to it and one more there, an address changed, a route added, a VM removed."""
    return load_network([Text("test", CHANGED)])


def inode(lab: Lab, target: str) -> int:
    """What tells a namespace from another of the same name."""
    return Path("/run/netns", lab.namespace(target)).stat().st_ino


def test_a_change_in_place_loses_nothing(lab: LabMaker, tmp_path: Path) -> None:
    """Hosts and VMs come, move and go while a ping every 1 ms and a TCP connection of others run on, without a loss."""
    made = lab(network())
    reaches(made, "globex/web-1", "10.0.1.99")
    kept = ("acme/web-1", "acme/web-3", "acme/web-2", "h1", "h2")
    before = {target: inode(made, target) for target in kept}
    with (
        socket_in(made, "acme/db-2", 4, socket.SOCK_STREAM) as listener,
        socket_in(made, "acme/web-1", 4, socket.SOCK_STREAM) as near,
        Pinging(made, "acme/web-1", "10.0.1.13", tmp_path / "ping") as ping,
    ):
        listener.bind(("10.0.2.12", 0))
        listener.listen()
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        with far:
            made = lab(changed())
            near.sendall(b"still here")
            assert far.recv(100) == b"still here"
    assert ping.outcome == (True, [], [])
    assert {target: inode(made, target) for target in kept} == before
    reaches(made, "acme/web-1", "10.0.1.44")
    reaches(made, "acme/web-2", "10.0.1.13")
    reaches(made, "acme/web-1", "10.0.2.111")
    assert "10.0.2.11/" not in run(made, "acme/db-1", "ip", "addr")
    quick_ping(made, "globex/web-1", "10.0.1.99")
    with pytest.raises(NotFoundError, match="'globex/lone' is no host and no VM"):
        made.namespace("globex/lone")


def test_up_again_changes_nothing(lab: LabMaker) -> None:
    """Bringing a lab to the document that it has does no operation and writes no row."""
    lab(network())
    again = lab(network()).changed
    assert again is not None
    assert (again.operations, again.rows.put, again.rows.deleted, again.rows.refused) == (0, 0, 0, ())


def test_there_and_back_is_where_it_was(lab: LabMaker) -> None:
    """After a change and its reverse the rows, and what each VM can reach, are as they were."""
    first = lab(network())
    rows = {host: first.actual(host) for host in first.hosts}
    lab(changed())
    back = lab(network())
    assert {host: back.actual(host) for host in back.hosts} == rows
    reaches(back, "acme/web-2", "10.0.1.13")
    reaches(back, "globex/web-1", "10.0.1.99")
    with pytest.raises(NotFoundError):
        back.namespace("h4")


def test_vms_may_be_renamed_and_swap_their_macs(lab: LabMaker) -> None:
    """One `up` gives a MAC to another VM of the same host and segment: a new name for it, or its former neighbour."""
    lab(network())
    text = document().replace("name: web-2", "name: web-two")
    reaches(lab(load_network([Text("test", text)])), "acme/web-two", "10.0.1.11")
    swapped = text.replace("01:01", "01:02", 1).replace(
        'web-two, segment: web, host: h1, mac: "02:00:00:00:01:02"',
        'web-two, segment: web, host: h1, mac: "02:00:00:00:01:01"',
    )
    made = lab(load_network([Text("test", swapped)]))
    assert (made.plan.vms["acme/web-1"].mac[-1], made.plan.vms["acme/web-two"].mac[-1]) == (2, 1)
    reaches(made, "acme/web-two", "10.0.1.11")


def test_two_labs_live_side_by_side(lab: LabMaker) -> None:
    """Two labs of one document have the same names and addresses and nothing in common; one goes, the other stays."""
    one, other = lab(network(), "one"), lab(network(), "other")
    for made in (one, other):
        reaches(made, "acme/web-1", "10.0.1.13")
    with (
        socket_in(one, "acme/web-3", 4, socket.SOCK_DGRAM) as own,
        socket_in(other, "acme/web-1", 4, socket.SOCK_DGRAM) as sender,
    ):
        own.bind(("10.0.1.13", 5000))
        sender.sendto(b"from the other lab", ("10.0.1.13", 5000))
        reaches(other, "acme/web-1", "10.0.1.13")
        own.setblocking(False)
        with pytest.raises(BlockingIOError):
            own.recv(100)
    one.down()
    reaches(other, "acme/web-1", "10.0.1.13")


def traces(name: str) -> list[str]:
    """Everything on this machine that carries the name of a lab, and processes inside."""
    found = [str(path) for root in ("/run/netns", "/sys/fs/bpf") for path in Path(root).glob(f"tri-{name}:*")]
    if state.directory(name).exists():
        found.append(str(state.directory(name)))
    return found


def test_down_leaves_nothing(lab: LabMaker) -> None:
    """After down there is no namespace, no pin, no state and no process of the lab, and a second down is no error."""
    made = lab(network())
    sleeper = made.popen("acme/web-1", ["sleep", "100"])
    stubborn = made.popen(
        "h1",
        ["sh", "-c", "trap '' TERM; echo ready; while :; do read line; done"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline() == b"ready\n"
        assert traces(made.name)
        made.down()
        assert traces(made.name) == []
        assert (sleeper.wait(5), stubborn.wait(5)) == (-signal.SIGTERM, -signal.SIGKILL)
    finally:
        for process in (sleeper, stubborn):
            process.kill()
            process.communicate()
    assert not Lab.remove(made.name)
    with pytest.raises(NotFoundError, match="does not run"):
        Lab.open(made.name)


def test_down_works_without_a_state(lab: LabMaker) -> None:
    """A lab whose state cannot be read refuses to be used, is listed, and goes down all the same."""
    made = lab(network())
    (state.directory(made.name) / "state.json").write_text("{")
    with pytest.raises(DataPlaneError, match="triptych lab down --name"):
        Lab.open(made.name)
    assert made.name in {entry.name for entry in Lab.list()}
    assert Lab.remove(made.name)
    assert traces(made.name) == []


def test_down_removes_what_was_mounted_over(lab: LabMaker) -> None:
    """A namespace that somebody mounted over goes down like any other."""
    made = lab(network())
    path = f"/run/netns/{made.namespace('acme/web-1')}"
    subprocess.run(["mount", "--bind", path, path], check=True)
    made.down()
    assert traces(made.name) == []


class _Broken:
    """A data plane that cannot be opened."""

    def open(self) -> None:
        raise DataPlaneError("the verifier said no")


def _breaking(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """From now on the data plane of one host cannot be opened."""
    real = planes.ebpf_driver

    def driver(spec: HostSpec) -> Driver:
        return _Broken() if spec.name == host else real(spec)  # type: ignore[return-value]

    monkeypatch.setattr(planes, "ebpf_driver", driver)


def test_a_first_up_that_fails_leaves_nothing(lab: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a new lab cannot be built, what was built of it is gone, and the message is the kernel's."""
    _breaking(monkeypatch, "h3")
    with pytest.raises(DataPlaneError, match="the verifier said no"):
        lab(network())
    assert traces(lab.full_name()) == []


def test_a_change_that_fails_is_finished_by_the_next(lab: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a change fails what ran goes on running; the next up repairs, and leads where it should."""
    made = lab(network())
    reaches(made, "acme/web-1", "10.0.1.13")
    with monkeypatch.context() as patch:
        _breaking(patch, "h4")
        with pytest.raises(DataPlaneError, match="the verifier said no"):
            lab(changed())
    reaches(made, "acme/web-1", "10.0.1.13")
    made = lab(changed())
    for vm, target in (("acme/web-1", "10.0.1.44"), ("acme/web-2", "10.0.1.13"), ("acme/web-1", "10.0.2.111")):
        reaches(made, vm, target)
    for host in made.hosts:
        assert made.actual(host) == made.tables(host)


def test_a_killed_up_is_finished_by_the_next(lab: LabMaker, tmp_path: Path) -> None:
    """When a process is killed in the middle of a change, the next up leads where it should."""
    made = lab(network())
    (tmp_path / "changed.yaml").write_text(CHANGED)
    program = f"""
import os, signal
from pathlib import Path
from triptych.documents import load_network
from triptych.lab import Lab
def progress(words, done, total):
    if words.startswith("move link"):
        os.kill(os.getpid(), signal.SIGKILL)
Lab.up({made.name!r}, load_network([Path({str(tmp_path / "changed.yaml")!r})]), progress=progress)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, env=environment)
    assert killed.returncode == -signal.SIGKILL
    made = lab(changed())
    for vm, target in (("acme/web-1", "10.0.1.44"), ("acme/web-2", "10.0.1.13"), ("acme/web-1", "10.0.1.13")):
        reaches(made, vm, target)
    for host in made.hosts:
        assert made.actual(host) == made.tables(host)


def test_another_driver_is_refused(lab: LabMaker) -> None:
    """A lab that runs with one driver is not brought to another; the message says what to do."""
    lab(network(), driver="sim")
    with pytest.raises(InputError, match="runs with driver sim, not ebpf; run triptych lab down"):
        lab(network())


def test_exec_passes_the_exit_code_and_the_streams(lab: LabMaker) -> None:
    """A command in a VM or host has the caller's files, sees the BPF file system, and its exit code is passed on."""
    made = lab(network())
    assert made.exec("acme/web-1", ["sh", "-c", "exit 7"]) == 7
    assert made.exec("h1", ["sh", "-c", "kill -9 $$"]) == 128 + 9
    host = made.plan.hosts["h1"]
    assert made.exec("h1", ["test", "-d", f"/sys/fs/bpf/{host.pins}"]) == 0
    assert "192.0.2.1/32" in run(made, "h1", "ip", "addr", "show", "underlay")
    with pytest.raises(InputError, match="cannot run 'no-such-command'"):
        made.exec("acme/web-1", ["no-such-command"])
    with pytest.raises(NotFoundError, match="'acme/web-0' is no host and no VM"):
        made.exec("acme/web-0", ["true"])


def test_hosts_do_not_forward(lab: LabMaker) -> None:
    """A host forwards nothing by itself, of either family, and touches no firewall."""
    made = lab(network())
    for setting in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        assert run(made, "h1", "sysctl", "-n", setting).strip() == "0"


def test_hosts_say_nothing_to_vms(lab: LabMaker) -> None:
    """A host has no address of any family on a port link, so that it never speaks to a VM by itself."""
    made = lab(network(6))
    shown = run(made, "h1", "ip", "-o", "addr", "show", "up").splitlines()
    assert {line.split()[1] for line in shown} == {"lo", "underlay"}


def test_every_operation_may_be_repeated(lab: LabMaker, tmp_path: Path) -> None:
    """Doing again all that built a lab is no error and changes nothing: the same machines, still reached."""
    made = lab(network())
    kept = (*made.hosts, *made.ports)
    before = {target: inode(made, target) for target in kept}
    with Pinging(made, "acme/web-1", "10.0.1.13", tmp_path / "ping") as ping:
        perform(steps(Plan(), made.plan), DirectPlanes(made.tables), no_progress)
    assert ping.outcome == (True, [], [])
    assert {target: inode(made, target) for target in kept} == before


def test_progress_counts_every_operation(lab: LabMaker) -> None:
    """The progress callback counts every operation once, from nothing to all."""
    seen: list[tuple[int, int]] = []
    Lab.up(
        lab.full_name(), network(), control="direct", progress=lambda _words, done, total: seen.append((done, total))
    )
    total = seen[-1][1]
    assert [done for done, _ in seen] == list(range(total + 1))
    assert {each for _, each in seen} == {total}
