"""A process that owns a tap is a VM like any other, as QEMU is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.system.lab.traffic import quick_ping, reaches
from tests.system.lab.world import address, network
from triptych.errors import InputError
from triptych.lab import Lab
from triptych.lab.pytest_plugin import LabMaker
from triptych.testing.tap import TapGuest

FAMILY = pytest.mark.parametrize("version", [4, 6], ids=["v4", "v6"])
TAP = "acme/web-2"


@pytest.fixture(scope="module")
def world(module_lab: LabMaker) -> Lab:
    """The shared lab, one of its VMs a tap."""
    return module_lab(network(), taps=[TAP])


@pytest.fixture(scope="module", params=[True, False], ids=["vnet", "plain"])
def guest(request: pytest.FixtureRequest, world: Lab) -> Iterator[TapGuest]:
    """The guest behind the tap, with virtio-net headers and without."""
    with TapGuest(world, TAP, vnet_header=request.param) as running:
        yield running


@FAMILY
@pytest.mark.parametrize("peer", ["acme/web-1", "acme/web-3", "acme/db-1", "acme/db-2"])
def test_a_tap_is_reached_and_reaches(world: Lab, guest: TapGuest, peer: str, version: int) -> None:
    """Ping goes to the guest of a tap and from it, within a segment and across, local and remote."""
    reaches(world, peer, address(world.network, TAP, version))
    argv = ["ping", "-n", "-c", "1", "-W", "20", address(world.network, peer, version)]
    for _ in range(3):
        process: subprocess.Popen[str] = guest.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out


@FAMILY
def test_large_segments_arrive_at_a_tap(world: Lab, guest: TapGuest, version: int) -> None:
    """TCP from a remote VM into the guest of a tap carries a megabyte whole, whatever the sender left to offloads."""
    target = address(world.network, TAP, version)
    count = "import sys, socket; s = socket.create_server((sys.argv[1], 5001), family=int(sys.argv[2]));"
    count += "print('ready', flush=True); c = s.accept()[0]; print(sum(iter(lambda: len(c.recv(65536)), 0)))"
    family = {4: "2", 6: "10"}[version]
    with guest.popen(["python3", "-c", count, target, family], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            send = "import sys, socket; s = socket.create_connection((sys.argv[1], 5001)); s.sendall(bytes(1 << 20))"
            assert world.exec("acme/web-3", ["python3", "-c", send, target]) == 0
            assert server.communicate(timeout=60)[0] == f"{1 << 20}\n"
        finally:
            server.kill()


def test_without_a_process_the_tap_is_silent(lab: LabMaker) -> None:
    """A tap that nobody owns answers nothing, and harms nobody; its VM has no namespace to run commands in."""
    made = lab(network(), taps=[TAP])
    quick_ping(made, "acme/web-1", "10.0.1.12")
    reaches(made, "acme/web-1", "10.0.1.13")
    with pytest.raises(InputError, match="is a tap of host h1 and has no namespace"):
        made.exec(TAP, ["true"])


def test_a_vm_becomes_a_tap_and_back(lab: LabMaker) -> None:
    """Changing which VMs are taps remakes these, and the others keep their machines."""
    made = lab(network())
    made = lab(network(), taps=[TAP])
    with TapGuest(made, TAP):
        reaches(made, "acme/web-3", "10.0.1.12")
    made = lab(network())
    reaches(made, "acme/web-3", "10.0.1.12")
    reaches(made, TAP, "10.0.1.13")
