from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ByteOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BYTE_ORDER_UNSPECIFIED: _ClassVar[ByteOrder]
    BYTE_ORDER_LITTLE: _ClassVar[ByteOrder]
    BYTE_ORDER_BIG: _ClassVar[ByteOrder]

class ScopeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCOPE_KIND_UNSPECIFIED: _ClassVar[ScopeKind]
    SCOPE_KIND_SEGMENT: _ClassVar[ScopeKind]
    SCOPE_KIND_ROUTER: _ClassVar[ScopeKind]

class PortPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PORT_PHASE_UNSPECIFIED: _ClassVar[PortPhase]
    PORT_PHASE_LIVE: _ClassVar[PortPhase]
    PORT_PHASE_WAITING: _ClassVar[PortPhase]
    PORT_PHASE_GONE: _ClassVar[PortPhase]
    PORT_PHASE_REFUSED: _ClassVar[PortPhase]

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_UNSPECIFIED: _ClassVar[Action]
    ACTION_SNAPSHOT: _ClassVar[Action]
    ACTION_DELTA: _ClassVar[Action]
    ACTION_REMOVE: _ClassVar[Action]
BYTE_ORDER_UNSPECIFIED: ByteOrder
BYTE_ORDER_LITTLE: ByteOrder
BYTE_ORDER_BIG: ByteOrder
SCOPE_KIND_UNSPECIFIED: ScopeKind
SCOPE_KIND_SEGMENT: ScopeKind
SCOPE_KIND_ROUTER: ScopeKind
PORT_PHASE_UNSPECIFIED: PortPhase
PORT_PHASE_LIVE: PortPhase
PORT_PHASE_WAITING: PortPhase
PORT_PHASE_GONE: PortPhase
PORT_PHASE_REFUSED: PortPhase
ACTION_UNSPECIFIED: Action
ACTION_SNAPSHOT: Action
ACTION_DELTA: Action
ACTION_REMOVE: Action

class FromAgent(_message.Message):
    __slots__ = ("hello", "ack", "report", "resync")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ack: Ack
    report: Report
    resync: Resync
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., report: _Optional[_Union[Report, _Mapping]] = ..., resync: _Optional[_Union[Resync, _Mapping]] = ...) -> None: ...

class ToAgent(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: Batch
    def __init__(self, batch: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("agent_version", "layout_version", "byte_order", "scopes")
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_VERSION_FIELD_NUMBER: _ClassVar[int]
    BYTE_ORDER_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    agent_version: str
    layout_version: int
    byte_order: ByteOrder
    scopes: _containers.RepeatedCompositeFieldContainer[ScopeState]
    def __init__(self, agent_version: _Optional[str] = ..., layout_version: _Optional[int] = ..., byte_order: _Optional[_Union[ByteOrder, str]] = ..., scopes: _Optional[_Iterable[_Union[ScopeState, _Mapping]]] = ...) -> None: ...

class ScopeState(_message.Message):
    __slots__ = ("kind", "id", "revision", "digest")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    kind: ScopeKind
    id: int
    revision: int
    digest: bytes
    def __init__(self, kind: _Optional[_Union[ScopeKind, str]] = ..., id: _Optional[int] = ..., revision: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("sequence", "refused")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    refused: _containers.RepeatedCompositeFieldContainer[Refusal]
    def __init__(self, sequence: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("table", "rows", "message", "scopes")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    table: int
    rows: int
    message: str
    scopes: _containers.RepeatedCompositeFieldContainer[ScopeName]
    def __init__(self, table: _Optional[int] = ..., rows: _Optional[int] = ..., message: _Optional[str] = ..., scopes: _Optional[_Iterable[_Union[ScopeName, _Mapping]]] = ...) -> None: ...

class Resync(_message.Message):
    __slots__ = ("scopes",)
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    scopes: _containers.RepeatedCompositeFieldContainer[ScopeName]
    def __init__(self, scopes: _Optional[_Iterable[_Union[ScopeName, _Mapping]]] = ...) -> None: ...

class ScopeName(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: ScopeKind
    id: int
    def __init__(self, kind: _Optional[_Union[ScopeKind, str]] = ..., id: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("audits", "drift", "drops", "ports", "errors")
    AUDITS_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    DROPS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    audits: int
    drift: int
    drops: _containers.RepeatedCompositeFieldContainer[DropCount]
    ports: _containers.RepeatedCompositeFieldContainer[PortState]
    errors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, audits: _Optional[int] = ..., drift: _Optional[int] = ..., drops: _Optional[_Iterable[_Union[DropCount, _Mapping]]] = ..., ports: _Optional[_Iterable[_Union[PortState, _Mapping]]] = ..., errors: _Optional[_Iterable[str]] = ...) -> None: ...

class DropCount(_message.Message):
    __slots__ = ("port", "reason", "packets", "bytes")
    PORT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    port: str
    reason: int
    packets: int
    bytes: int
    def __init__(self, port: _Optional[str] = ..., reason: _Optional[int] = ..., packets: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class PortState(_message.Message):
    __slots__ = ("name", "generation", "phase", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    generation: int
    phase: PortPhase
    detail: str
    def __init__(self, name: _Optional[str] = ..., generation: _Optional[int] = ..., phase: _Optional[_Union[PortPhase, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("sequence", "revision", "more", "scope_updates", "facts")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_UPDATES_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    revision: int
    more: bool
    scope_updates: _containers.RepeatedScalarFieldContainer[bytes]
    facts: HostFacts
    def __init__(self, sequence: _Optional[int] = ..., revision: _Optional[int] = ..., more: _Optional[bool] = ..., scope_updates: _Optional[_Iterable[bytes]] = ..., facts: _Optional[_Union[HostFacts, _Mapping]] = ...) -> None: ...

class ScopeUpdate(_message.Message):
    __slots__ = ("kind", "id", "action", "base_revision", "revision", "puts", "deletes", "digest", "part", "parts")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    BASE_REVISION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PUTS_FIELD_NUMBER: _ClassVar[int]
    DELETES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    kind: ScopeKind
    id: int
    action: Action
    base_revision: int
    revision: int
    puts: _containers.RepeatedCompositeFieldContainer[TableRows]
    deletes: _containers.RepeatedCompositeFieldContainer[TableKeys]
    digest: bytes
    part: int
    parts: int
    def __init__(self, kind: _Optional[_Union[ScopeKind, str]] = ..., id: _Optional[int] = ..., action: _Optional[_Union[Action, str]] = ..., base_revision: _Optional[int] = ..., revision: _Optional[int] = ..., puts: _Optional[_Iterable[_Union[TableRows, _Mapping]]] = ..., deletes: _Optional[_Iterable[_Union[TableKeys, _Mapping]]] = ..., digest: _Optional[bytes] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ...) -> None: ...

class TableRows(_message.Message):
    __slots__ = ("table", "keys", "values")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    table: int
    keys: bytes
    values: bytes
    def __init__(self, table: _Optional[int] = ..., keys: _Optional[bytes] = ..., values: _Optional[bytes] = ...) -> None: ...

class TableKeys(_message.Message):
    __slots__ = ("table", "keys")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    table: int
    keys: bytes
    def __init__(self, table: _Optional[int] = ..., keys: _Optional[bytes] = ...) -> None: ...

class HostFacts(_message.Message):
    __slots__ = ("complete", "vteps", "config", "ports", "ports_gone")
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    VTEPS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    PORTS_GONE_FIELD_NUMBER: _ClassVar[int]
    complete: bool
    vteps: Vteps
    config: HostConfig
    ports: _containers.RepeatedCompositeFieldContainer[PortFacts]
    ports_gone: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, complete: _Optional[bool] = ..., vteps: _Optional[_Union[Vteps, _Mapping]] = ..., config: _Optional[_Union[HostConfig, _Mapping]] = ..., ports: _Optional[_Iterable[_Union[PortFacts, _Mapping]]] = ..., ports_gone: _Optional[_Iterable[str]] = ...) -> None: ...

class Vteps(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: bytes
    def __init__(self, addresses: _Optional[bytes] = ...) -> None: ...

class HostConfig(_message.Message):
    __slots__ = ("name", "vtep", "udp_port", "overlay_mtu", "icmp_rate")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VTEP_FIELD_NUMBER: _ClassVar[int]
    UDP_PORT_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_MTU_FIELD_NUMBER: _ClassVar[int]
    ICMP_RATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    vtep: bytes
    udp_port: int
    overlay_mtu: int
    icmp_rate: int
    def __init__(self, name: _Optional[str] = ..., vtep: _Optional[bytes] = ..., udp_port: _Optional[int] = ..., overlay_mtu: _Optional[int] = ..., icmp_rate: _Optional[int] = ...) -> None: ...

class PortFacts(_message.Message):
    __slots__ = ("name", "vni", "mac", "ips", "allowed", "generation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VNI_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    vni: int
    mac: bytes
    ips: bytes
    allowed: _containers.RepeatedCompositeFieldContainer[Prefix]
    generation: int
    def __init__(self, name: _Optional[str] = ..., vni: _Optional[int] = ..., mac: _Optional[bytes] = ..., ips: _Optional[bytes] = ..., allowed: _Optional[_Iterable[_Union[Prefix, _Mapping]]] = ..., generation: _Optional[int] = ...) -> None: ...

class Prefix(_message.Message):
    __slots__ = ("address", "bits")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    address: bytes
    bits: int
    def __init__(self, address: _Optional[bytes] = ..., bits: _Optional[int] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("tenant", "port")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    port: str
    def __init__(self, tenant: _Optional[str] = ..., port: _Optional[str] = ...) -> None: ...

class AttachReply(_message.Message):
    __slots__ = ("generation", "revision")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    generation: int
    revision: int
    def __init__(self, generation: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class DetachRequest(_message.Message):
    __slots__ = ("tenant", "port", "generation")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    port: str
    generation: int
    def __init__(self, tenant: _Optional[str] = ..., port: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class DetachReply(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...
