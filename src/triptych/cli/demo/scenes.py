"""The scenes on real packets; each says what it shows and proves it by what came back."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from triptych.cli.demo.listen import Listener, carries_arp
from triptych.cli.demo.narrator import Narrator
from triptych.lab import Lab
from triptych.lab.names import ETH0, UNDERLAY

_RTT = re.compile(r"= [\d.]+/([\d.]+)/")
_PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    text: str


def ask(lab: Lab, target: str, argv: Sequence[str]) -> Answer:
    """Run a command in a VM or host and wait for what it says."""
    process = lab.popen(target, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
    return Answer(process.returncode, text)


def ping(lab: Lab, vm: str, address: str) -> Answer:
    """Three quick echo requests; the answer's text is the average round trip when there was one."""
    answer = ask(lab, vm, ["ping", "-n", "-q", "-c", "3", "-i", "0.05", "-W", "1", address])
    found = _RTT.search(answer.text)
    return Answer(answer.code, f"{found[1]} ms" if found else answer.text.strip().splitlines()[-1])


def reachability(lab: Lab, tell: Narrator) -> None:
    """Ping of both families: within a segment, across segments, to the gateway; traceroute."""
    tell.scene(
        "Packets", "The same three lookups at the sender's host carry them all; routing needs no router on the way."
    )
    for vm, address, what in (
        ("acme/web-1", "10.0.1.12", "within a segment, h1 to h2"),
        ("acme/web-1", "fd00:1::12", "within a segment, IPv6"),
        ("acme/web-1", "10.0.2.12", "across segments, h1 to h3, through the distributed router"),
        ("acme/web-1", "fd00:2::12", "across segments, IPv6"),
        ("acme/web-1", "10.0.1.1", "to the gateway, which is answered on h1 itself"),
        ("globex/web-1", "10.0.1.12", "the other tenant, same addresses, its own VM"),
    ):
        answer = ping(lab, vm, address)
        tell.claim(f"{vm} pings {address}: {what}", answer.code == 0, answer.text)
    for family, address in (("-4", "10.0.2.12"), ("-6", "fd00:2::12")):
        answer = ask(lab, "acme/web-1", ["traceroute", family, "-n", "-q", "1", "-w", "1", "-m", "4", address])
        hops = [line.split()[1] for line in answer.text.splitlines()[1:] if len(line.split()) > 1]
        gateway = "10.0.1.1" if family == "-4" else "fd00:1::1"
        tell.claim(
            f"traceroute to {address} shows the gateway, then the VM", hops == [gateway, address], " → ".join(hops)
        )


def isolation(lab: Lab, tell: Narrator) -> None:
    """Tenants with equal addresses neither reach nor hear each other."""
    tell.scene(
        "Isolation",
        "Both tenants use 10.0.1.0/24 and even the same MACs. A row belongs to one segment, so nothing can mix.",
    )
    with Listener(lab.namespace("globex/web-2"), ETH0) as other, Listener(lab.namespace("acme/web-2"), ETH0) as own:
        answer = ping(lab, "acme/web-1", "10.0.1.12")
        ask(lab, "acme/web-1", ["arping", "-q", "-c", "2", "-w", "1", "-I", ETH0, "10.0.1.12"])
        ask(lab, "acme/web-1", ["ping", "-n", "-q", "-b", "-c", "2", "-i", "0.05", "-W", "1", "10.0.1.255"])
    tell.claim("acme/web-2 got the pings for 10.0.1.12", answer.code == 0, f"{len(own.frames)} frames seen")
    tell.claim(
        "globex/web-2, which has the same address, heard nothing: no unicast, no ARP, no broadcast",
        not other.frames,
        f"{len(other.frames)} frames seen",
    )
    answer = ask(lab, "globex/web-1", ["ping", "-n", "-q", "-c", "1", "-W", "1", "10.0.2.12"])
    tell.claim(
        "globex/web-1 cannot reach 10.0.2.12, which only acme has",
        answer.code != 0,
        "host unreachable, said by its gateway",
    )


def resolution(lab: Lab, tell: Narrator) -> None:
    """ARP is answered where it is asked; the underlay never sees it."""
    tell.scene(
        "ARP without broadcast",
        "Who has 10.0.1.12? The answer is in neighbors on the asking host; nobody else is disturbed.",
    )
    ask(lab, "acme/web-1", ["ip", "neigh", "flush", "dev", ETH0])
    with (
        Listener(lab.namespace("h1"), UNDERLAY, sent=True) as wire,
        Listener(lab.namespace("acme/web-2"), ETH0) as asked,
    ):
        answer = ask(lab, "acme/web-1", ["arping", "-c", "3", "-w", "2", "-b", "-I", ETH0, "10.0.1.12"])
    replies = answer.text.count("reply from")
    tell.claim("acme/web-1 asks by broadcast and is answered", replies >= 1, f"{replies} replies")
    tell.claim("no ARP on the underlay", not any(map(carries_arp, wire.frames)), f"{len(wire.frames)} frames looked at")
    tell.claim("acme/web-2 was not even asked", not asked.frames, f"{len(asked.frames)} frames seen")


def protection(lab: Lab, tell: Narrator) -> None:
    """A VM that lies about its address is stopped at its own port, by name."""
    tell.scene("Anti-spoofing", "A VM sends only from its own MAC and IPs. Every drop has a name and a counter.")
    ask(lab, "acme/web-1", ["ip", "addr", "add", "10.0.1.99/24", "dev", ETH0])
    answer = ask(lab, "acme/web-1", ["ping", "-n", "-q", "-c", "1", "-W", "1", "-I", "10.0.1.99", "10.0.1.12"])
    ask(lab, "acme/web-1", ["ip", "addr", "del", "10.0.1.99/24", "dev", ETH0])
    drops = {drop.reason.name.lower(): drop.packets for drop in lab.drops("h1") if drop.port == "acme/web-1"}
    counted = ", ".join(f"{name} {packets}" for name, packets in sorted(drops.items()))
    spoofed = drops.get("spoofed_ip", 0) + drops.get("spoofed_arp", 0)
    tell.claim("from a stolen address nothing gets through", answer.code != 0 and spoofed > 0, f"drops: {counted}")
