"""Verdicts, drop reasons and event counters: one numbering for the forwarder, the eBPF programs and the CLI.

A number, once used, is never given to another reason; a retired one stays here as
`UNUSED_n`. `bpf/include/triptych_abi.h` repeats these enumerations and a test
compares them through the BTF of the compiled object.
"""

from __future__ import annotations

from enum import IntEnum


class Verdict(IntEnum):
    """What becomes of a frame."""

    DROP = 1
    REPLY = 2
    """A frame goes back to the port that it came from (ARP, ND, echo reply, ICMP error)."""
    LOCAL = 3
    """Delivered to a port of this host."""
    ENCAP = 4
    """Sent to another host in VXLAN."""
    FLOOD = 5
    """Replicated to the members of the segment."""
    PASS = 6
    """Not ours: left to the host's own stack."""


class Reason(IntEnum):
    """Why a frame was dropped (or answered with an ICMP error, which drops it too)."""

    NONE = 0
    MALFORMED = 1
    VLAN_TAGGED = 2
    SPOOFED_MAC = 3
    SPOOFED_IP = 4
    SPOOFED_ARP = 5
    SPOOFED_ND = 6
    UNSOLICITED_ADVERTISEMENT = 7
    RESOLVE_SELF = 8
    RESOLVE_UNKNOWN = 9
    RESOLVE_TO_ROUTER = 10
    BUM = 11
    UNKNOWN_UNICAST = 12
    NO_LOCAL_PORT = 13
    NO_LOCATION = 14
    NOT_IP = 15
    NOT_ROUTABLE = 16
    NO_ROUTE = 17
    BLACKHOLE = 18
    NO_NEIGHBOR = 19
    TTL_EXCEEDED = 20
    TOO_BIG = 21
    TO_ROUTER = 22
    FRAGMENT_TO_ROUTER = 23
    UNKNOWN_VTEP = 24
    MALFORMED_TUNNEL = 25
    UNKNOWN_PORT = 26
    HAIRPIN = 27
    ENCAP_FAILED = 28
    PORT_UNREACHABLE = 29
    PASS_ON_EXPIRED = 30
    NOT_ETHERNET_II = 31


REASON_TEXT: dict[Reason, str] = {
    Reason.NONE: "not dropped",
    Reason.MALFORMED: "a header is cut short or contradicts itself",
    Reason.VLAN_TAGGED: "the frame carries a VLAN tag; a port's traffic is untagged",
    Reason.SPOOFED_MAC: "the source MAC is not the port's",
    Reason.SPOOFED_IP: "the source IP is neither the port's nor among its allowed addresses",
    Reason.SPOOFED_ARP: "an ARP payload claims an address that the port does not own",
    Reason.SPOOFED_ND: "a neighbour discovery message claims what the port does not own",
    Reason.UNSOLICITED_ADVERTISEMENT: "gratuitous ARP or unsolicited neighbour advertisement; neighbors are declared",
    Reason.RESOLVE_SELF: "the port asked for its own address (duplicate address detection): nobody else owns it",
    Reason.RESOLVE_UNKNOWN: "ARP or neighbour solicitation for an address that nothing declares",
    Reason.RESOLVE_TO_ROUTER: "ARP or neighbour discovery sent to the router that asks nothing it owns",
    Reason.BUM: "broadcast or multicast, and the segment does not replicate",
    Reason.UNKNOWN_UNICAST: "the destination MAC is nowhere in locations",
    Reason.NO_LOCAL_PORT: "the frame is for this host, which has no such port attached",
    Reason.NO_LOCATION: "the next hop's MAC is nowhere in locations",
    Reason.NOT_IP: "a frame for the router that is neither IPv4 nor IPv6",
    Reason.NOT_ROUTABLE: "the address is of a kind that is never routed (link-local, loopback, multicast)",
    Reason.NO_ROUTE: "no route of the router holds the destination",
    Reason.BLACKHOLE: "the route says so",
    Reason.NO_NEIGHBOR: "the next hop is nowhere in neighbors",
    Reason.TTL_EXCEEDED: "TTL or hop limit ran out at the router",
    Reason.TOO_BIG: "larger than the overlay's MTU and not to be fragmented",
    Reason.TO_ROUTER: "addressed to the router itself, which does not serve that",
    Reason.FRAGMENT_TO_ROUTER: "a fragment addressed to the router itself; it does not reassemble",
    Reason.UNKNOWN_VTEP: "the outer source address belongs to no host",
    Reason.MALFORMED_TUNNEL: "VXLAN header without a VNI, or cut short",
    Reason.UNKNOWN_PORT: "the interface is not attached to any port",
    Reason.HAIRPIN: "the destination is the port that it came from",
    Reason.ENCAP_FAILED: "the kernel could not add or remove the outer headers",
    Reason.PORT_UNREACHABLE: "UDP or TCP to the router itself",
    Reason.PASS_ON_EXPIRED: "passed on from host to host until its outer TTL ran out; their locations disagree",
    Reason.NOT_ETHERNET_II: "a length (802.3, LLC/SNAP) in place of the frame's type; it could hide an IP packet",
}


class Event(IntEnum):
    """What a host's programs count besides drops."""

    LOCAL = 0
    ENCAP = 1
    ENCAP_DEVICE = 2
    """Of ENCAP, those handed to the VXLAN device (non-IP, fragments, no fast path)."""
    DECAP = 3
    RESOLVED = 4
    """ARP and ND answered on the spot."""
    ECHO = 5
    ICMP_ERROR = 6
    ICMP_LIMITED = 7
    """ICMP errors not sent because of the rate limit."""
    ROUTED = 8
    FLOODED = 9
    FLOOD_COPIES = 10
    PASSED_ON = 11
    """Of ENCAP, frames of other hosts for a port that has moved on."""


__all__ = ["REASON_TEXT", "Event", "Reason", "Verdict"]
