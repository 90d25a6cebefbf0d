"""What can be done to a lab, one value each; `apply` knows how.

Every operation may be repeated: making what is there and removing what is not is
done, not an error. That is what lets an interrupted `up` be finished or taken down.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from triptych.core.addresses import IP, Mac
from triptych.core.local import LocalPort
from triptych.lab.plan import HostSpec, IPInterface


class Profile(Enum):
    """What kind of machine a namespace stands for, and so how its stack is set."""

    SPINE = "spine"
    HOST = "host"
    VM = "vm"


class MakeNamespace(msgspec.Struct, frozen=True):
    """A namespace with loopback up and the settings of its profile."""

    namespace: str
    profile: Profile


class RemoveNamespace(msgspec.Struct, frozen=True):
    """A namespace and every link in it; processes inside keep what they hold open."""

    namespace: str


class MakeBridge(msgspec.Struct, frozen=True):
    """The spine's bridge."""

    namespace: str
    mtu: int


class MakeUplink(msgspec.Struct, frozen=True):
    """A veth between the spine's bridge and a host, where it is called `underlay`."""

    spine: str
    link: str
    alias: str
    namespace: str
    mtu: int


class MakeWire(msgspec.Struct, frozen=True):
    """A veth between a VM's eth0 and its port link in the host."""

    host_namespace: str
    link: str
    alias: str
    namespace: str
    mac: Mac
    mtu: int


class MakeTap(msgspec.Struct, frozen=True):
    """A persistent tap in the host, for a process to open."""

    host_namespace: str
    link: str
    alias: str


class MoveLink(msgspec.Struct, frozen=True):
    """A port link goes to another host; the VM keeps eth0, its addresses and connections."""

    link: str
    source: str
    target: str


class RemoveLink(msgspec.Struct, frozen=True):
    """A link and, of a veth, its other end."""

    namespace: str
    link: str


class SetMtu(msgspec.Struct, frozen=True):
    """The MTU of one link, in bytes."""

    namespace: str
    link: str
    mtu: int


class SetForwarding(msgspec.Struct, frozen=True):
    """Whether a VM routes between others."""

    namespace: str
    on: bool


class AddAddress(msgspec.Struct, frozen=True):
    """An address of a link."""

    namespace: str
    link: str
    address: IPInterface


class RemoveAddress(msgspec.Struct, frozen=True):
    """An address of a link no more."""

    namespace: str
    link: str
    address: IPInterface


class AddDefault(msgspec.Struct, frozen=True):
    """A default route of one family (4 or 6): by a gateway, or (None) with everybody on the link."""

    namespace: str
    link: str
    version: int
    gateway: IP | None = None


class RemoveDefault(msgspec.Struct, frozen=True):
    """The default route of one family no more."""

    namespace: str
    version: int


class OpenPlane(msgspec.Struct, frozen=True):
    """The data plane of a host: made, or adopted and told its configuration."""

    host: HostSpec


class RemovePlane(msgspec.Struct, frozen=True):
    """The data plane of a host, and its pins."""

    host: HostSpec


class SetVteps(msgspec.Struct, frozen=True):
    """Whom a host accepts encapsulated frames from."""

    host: str
    vteps: tuple[IP, ...]


class Attach(msgspec.Struct, frozen=True):
    """A VM becomes a port of a host's data plane, or its facts change."""

    host: str
    port: LocalPort


class Detach(msgspec.Struct, frozen=True):
    """A VM is a port of a host's data plane no more."""

    host: HostSpec
    name: str


class WriteRows(msgspec.Struct, frozen=True):
    """Audit the rows of a host and write the differences."""

    host: str


Operation = (
    MakeNamespace
    | RemoveNamespace
    | MakeBridge
    | MakeUplink
    | MakeWire
    | MakeTap
    | MoveLink
    | RemoveLink
    | SetMtu
    | SetForwarding
    | AddAddress
    | RemoveAddress
    | AddDefault
    | RemoveDefault
    | OpenPlane
    | RemovePlane
    | SetVteps
    | Attach
    | Detach
    | WriteRows
)


def describe(operation: Operation) -> str:
    """A few words for a progress line: the operation and what it is about."""
    match operation:
        case OpenPlane(host=host) | RemovePlane(host=host) | Detach(host=host):
            about = host.name
        case SetVteps(host=name) | Attach(host=name) | WriteRows(host=name):
            about = name
        case MoveLink(target=name) | MakeTap(host_namespace=name):
            about = name
        case _:
            about = operation.namespace
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(operation).__name__)
    return f"{words.strip()} {about}"
