"""What a lab calls its namespaces, links and pins: pure, deterministic, never ambiguous.

Everything carries the prefix `tri-`. The colon, which no declared name holds, keeps
host `b` of lab `x-a` apart from host `a-b` of lab `x`. Links live in namespaces of
their own lab, so their names need no lab in them; but 15 bytes is all the kernel
gives, so a link named after an object carries a hash and has the whole name as its alias.
"""

from __future__ import annotations

import hashlib
import re

from triptych.errors import InputError

UNDERLAY = "underlay"
"""The host's link into the spine."""
ETH0 = "eth0"
"""The VM's only link."""
BRIDGE = "spine"
"""The bridge in the spine's namespace."""

_LAB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}\Z")
_SAFE = re.compile(r"[A-Za-z0-9_.-]+\Z")
_LONGEST = 64
_HASH = 10


def check_lab(name: str) -> str:
    """`name` when it can name a lab; InputError otherwise."""
    if not _LAB.match(name):
        raise InputError(
            f"lab name {name!r}: is not 1 to 40 letters, digits, '-' or '_', beginning with a letter or digit;"
            " choose another with --name"
        )
    return name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


def _part(name: str) -> str:
    """A declared name as part of a file name: itself, or shortened with a hash of the whole."""
    if len(name) <= _LONGEST and _SAFE.match(name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[: _LONGEST - _HASH - 1]}+{_digest(name)}"


def prefix(lab: str) -> str:
    """What the name of every namespace and pin directory of a lab begins with."""
    return f"tri-{lab}:"


def spine_namespace(lab: str) -> str:
    """The namespace that joins the hosts of a lab."""
    return f"{prefix(lab)}:spine"


def host_namespace(lab: str, host: str) -> str:
    """The namespace of a host."""
    return prefix(lab) + _part(host)


def vm_namespace(lab: str, tenant: str, port: str) -> str:
    """The namespace of a VM."""
    return f"{prefix(lab)}{_part(tenant)}:{_part(port)}"


def pin_name(lab: str, host: str) -> str:
    """The directory of a host's pins below the BPF file system, which allows no dot in a name."""
    part = _part(host)
    return prefix(lab) + (f"{part.replace('.', '_')}+{_digest(host)}" if "." in part else part)


def port_link(vm: str) -> str:
    """The host's side of the VM called `tenant/port`."""
    return f"p-{_digest(vm)}"


def directory(host: str) -> str:
    """The directory of a host's agent: short, for its socket's path must not be longer than 107 bytes."""
    return host if len(host) <= _HASH and _SAFE.match(host) and not host.startswith(".") else f"+{_digest(host)}"


def spine_link(host: str) -> str:
    """The spine's side of a host's underlay link."""
    return f"h-{_digest(host)}"
