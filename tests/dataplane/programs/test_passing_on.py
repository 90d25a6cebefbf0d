"""A VM moves while others talk to it, and not every host knows at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from zlib import adler32

import pytest

from tests.dataplane.programs.test_traffic import drain
from tests.dataplane.programs.three import ADDRESSES, MOVING, Hosts, three, until
from triptych.core.verdicts import Event, Reason
from triptych.kernel.netns import NetnsThread

SOME = 200
"""Requests of each part of a move."""

SILENCE = 2.0
"""Seconds that an answer is waited for which must not come."""


@pytest.fixture(
    params=[(4, "program"), (6, "program"), (4, "device"), (6, "device")],
    ids=lambda param: f"{param[1]}-over-v{param[0]}",
)
def hosts(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """Three hosts; the VM is on h1."""
    family, encap = request.param
    with three(family, encap) as found:
        yield found


def move(hosts: Hosts) -> None:
    """The VM goes from h1 to h2; h1 knows it before it lets go, h3 does not know it yet."""
    hosts.believe(1, 1)
    hosts.attach(1)
    hosts.believe(0, 1)
    hosts.detach(0)


def test_a_move_loses_nothing_and_repeats_nothing(hosts: Hosts) -> None:
    """Echo requests every millisecond, before, during and after the move: each is heard once and answered once."""
    assert hosts.ping(1) == (1, 1, 0)
    before = hosts.heard(0)
    with hosts.pinging() as ping:
        until(lambda: hosts.heard(0) >= before + SOME)
        move(hosts)
        until(lambda: hosts.passed_on(0) >= SOME)
        hosts.believe(2, 1)
        then = hosts.heard(1)
        until(lambda: hosts.heard(1) >= then + SOME)
    sent, *rest = ping.answers
    assert rest == [sent, 0]
    assert hosts.heard(0) - before + hosts.heard(1) == sent
    passed_on = hosts.passed_on(0)
    assert SOME <= passed_on < sent
    assert hosts.ping(10) == (10, 10, 0)
    assert (hosts.passed_on(0), hosts.passed_on(1), hosts.passed_on(2)) == (passed_on, 0, 0)
    assert all(not hosts.dropped(at, reason) for at in range(3) for reason in Reason)


def test_who_passes_on(hosts: Hosts) -> None:
    """The program addresses the packet anew itself where it may; else the VXLAN device sends a new one."""
    move(hosts)
    assert hosts.ping(5) == (5, 5, 0)
    events = hosts.drivers[0].events()
    # The unicast ARP by which a guest keeps its neighbours fresh may come besides.
    assert 5 <= events[Event.PASSED_ON] <= 7
    device = hosts.encap == "device"
    told = (events[Event.ENCAP], events[Event.ENCAP_DEVICE], events[Event.DECAP])
    assert told == (events[Event.PASSED_ON], events[Event.PASSED_ON] if device else 0, 0)


def test_a_large_packet_that_came_in_outer_fragments_goes_on(hosts: Hosts) -> None:
    """Over IPv4, what the underlay fragmented is put together by the kernel, passed on, and fragmented again."""
    move(hosts)
    mtu = str(1500 if hosts.family == 4 else 1430)
    for who in ("c", "m2"):
        assert hosts.succeeds(who, "ip", "link", "set", "eth0", "mtu", mtu)
    words = ("ping", "-c", "1", "-W", "20", "-M", "dont", "-s", str(int(mtu) - 28), ADDRESSES[MOVING])
    assert hosts.succeeds("c", *words)
    assert hosts.passed_on(0) >= 1


def test_a_stream_goes_on_in_super_packets(hosts: Hosts) -> None:
    """A TCP stream through the old host arrives whole, and where programs do it, in unsegmented super-packets."""
    move(hosts)
    with NetnsThread(f"{hosts.name}m2") as there, NetnsThread(f"{hosts.name}c") as here:
        server = there.run(lambda: socket.create_server((ADDRESSES[MOVING], 0)))
        client = here.run(lambda: socket.create_connection(server.getsockname(), 30))
    block, blocks = bytes(range(256)) * 1024, 64
    with server, client, ThreadPoolExecutor(1) as pool:
        taken = pool.submit(drain, server.accept()[0])
        for _ in range(blocks):
            client.sendall(block)
        client.shutdown(socket.SHUT_WR)
        assert taken.result() == (blocks * len(block), adler32(block * blocks))
    assert hosts.passed_on(0) * 4 * 1500 < blocks * len(block)


def test_hosts_that_believe_in_each_other_drop_it(hosts: Hosts) -> None:
    """h1 sends on to h2, which holds that it is on h1: it ends there, the first time."""
    hosts.detach(0)
    hosts.believe(0, 1)
    assert hosts.ping(3, patience=SILENCE) == (3, 0, 0)
    until(lambda: hosts.dropped(1, Reason.NO_LOCAL_PORT) == 3)
    assert (hosts.passed_on(0), hosts.passed_on(1), hosts.dropped(1, Reason.NO_LOCAL_PORT)) == (3, 0, 3)


def test_a_circle_ends(hosts: Hosts) -> None:
    """Each host believes in the next: 64 tunnels, then the outer TTL has run out."""
    hosts.detach(0)
    hosts.believe(0, 1)
    hosts.believe(1, 2)
    assert hosts.ping(1, patience=SILENCE) == (1, 0, 0)
    until(lambda: sum(hosts.dropped(at, Reason.PASS_ON_EXPIRED) for at in range(3)) == 1)
    assert sum(hosts.passed_on(at) for at in range(3)) == 63
