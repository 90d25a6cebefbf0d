"""What this kernel and this underlay can do, and what is chosen because of it.

Each choice is a Capability with its reason, so that an operator can read why a host
runs the way it does.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from triptych.core.addresses import IP
from triptych.drivers.base import Capability
from triptych.drivers.ebpf.layout import ConfigFlag
from triptych.errors import MissingToolError
from triptych.kernel import bpf, features, uapi
from triptych.kernel.maps import BpfMap
from triptych.kernel.netdev import Link

_INNER_ETHERNET = 14
_TUNNEL_OFFLOADS = ("tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation")


class Encap(Enum):
    """Who writes and removes the outer headers."""

    AUTO = "auto"
    PROGRAM = "program"
    DEVICE = "device"


class Attach(Enum):
    """How programs are put on interfaces."""

    AUTO = "auto"
    TCX = "tcx"
    CLSACT = "clsact"


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen, with the reasons."""

    attach: Attach
    flags: ConfigFlag
    capabilities: tuple[Capability, ...]


def choose(attach: Attach, encap: Encap, vtep: IP, link: Link, offloads: Mapping[str, bool]) -> Choices:
    """Probe, and choose what was left open; MissingToolError when something demanded is not there."""
    way, reason = _choose_attach(attach)
    flags, parts = _choose_encap(encap, vtep, link)
    return Choices(
        way,
        flags,
        (
            Capability("attach", way.value, reason),
            *parts,
            _offload(link, offloads),
            _jit(),
        ),
    )


def _choose_attach(wanted: Attach) -> tuple[Attach, str]:
    if wanted is Attach.CLSACT:
        return wanted, "asked for"
    if features.tcx():
        return Attach.TCX, "the kernel attaches programs by TCX links"
    if wanted is Attach.TCX:
        raise MissingToolError("this kernel has no TCX links (Linux 6.6 has); choose attach: clsact or auto")
    return Attach.CLSACT, "the kernel has no TCX links (Linux 6.6 has)"


def _choose_encap(wanted: Encap, vtep: IP, link: Link) -> tuple[ConfigFlag, list[Capability]]:
    obstacle = _obstacle(vtep, link)
    if wanted is Encap.PROGRAM and obstacle:
        raise MissingToolError(f"the programs cannot encapsulate here: {obstacle}; choose encap: device or auto")
    if wanted is Encap.DEVICE or obstacle:
        reason = obstacle or "asked for"
        return ConfigFlag(0), [Capability("encapsulation", "device", f"by the VXLAN device: {reason}")]
    flags = ConfigFlag.ENCAP_PROGRAM | ConfigFlag.DECAP_PROGRAM
    found = [Capability("encapsulation", "program", "bpf_skb_adjust_room makes room for outer headers of every kind")]
    if _decap_l3():
        flags |= ConfigFlag.DECAP_L3
        found.append(
            Capability("decapsulation", "program", "inner and outer family may differ (BPF_F_ADJ_ROOM_DECAP_L3)")
        )
    else:
        text = (
            "the VXLAN device where inner and outer family differ: the kernel has no BPF_F_ADJ_ROOM_DECAP_L3 (6.3 has)"
        )
        found.append(Capability("decapsulation", "program and device", text))
    return flags, found


def _obstacle(vtep: IP, link: Link) -> str:
    if not link.ethernet:
        return f"underlay interface {link.name} is not Ethernet"
    outer = features.ENCAP_L3_IPV4 if vtep.version == 4 else features.ENCAP_L3_IPV6
    room = 50 if vtep.version == 4 else 70
    flags = outer | features.ENCAP_L4_UDP | features.ENCAP_L2_ETH | features.encap_l2(_INNER_ETHERNET)
    for version in (4, 6):
        answer = features.adjust_room(room, flags, version)
        if answer != 0:
            name = errno.errorcode.get(-answer, str(answer))
            return f"bpf_skb_adjust_room refuses to add an outer header to an IPv{version} packet ({name})"
    return ""


def _decap_l3() -> bool:
    return all(
        features.adjust_room(-50, flag, version) == 0
        for flag in (features.DECAP_L3_IPV4, features.DECAP_L3_IPV6)
        for version in (4, 6)
    )


def _offload(link: Link, offloads: Mapping[str, bool]) -> Capability:
    missing = [name for name in _TUNNEL_OFFLOADS if not offloads.get(name, False)]
    if not missing:
        return Capability("offload", "hardware", f"{link.name} segments and checksums inside UDP tunnels")
    text = (
        f"{link.name} lacks {' and '.join(missing)}; the kernel segments large packets before they leave, which works"
    )
    return Capability("offload", "software", text)


def _jit() -> Capability:
    if features.jit():
        return Capability("jit", "on", "programs run as machine code")
    return Capability("jit", "off", "programs are interpreted, several times slower; sysctl net.core.bpf_jit_enable=1")


def batches(routes: BpfMap) -> Capability:
    """Whether the trie of routes takes thousands of rows in one call (Linux 5.12)."""
    attr = uapi.Batch(0, 0, 0, 0, 0, routes.fd, 0, 0)
    answer = bpf.attempt(uapi.Command.UPDATE_BATCH, attr)
    if -answer in {uapi.ENOTSUPP, errno.EOPNOTSUPP}:
        return Capability(
            "route batches", "off", "the kernel has no batches for tries (5.12 has); routes go in one by one"
        )
    return Capability("route batches", "on", "routes go in thousands at a time")
