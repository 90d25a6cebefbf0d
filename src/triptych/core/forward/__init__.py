"""The reference forwarder: the readable meaning of the three tables (docs/explanation/forwarding.md)."""

from triptych.core.forward.fabric import Fabric, Passage, Plane, ReferencePlane, Visit
from triptych.core.forward.forwarder import from_port, from_underlay
from triptych.core.forward.host import Host
from triptych.core.forward.outcome import IcmpFate, Lookup, Outcome
from triptych.core.forward.probe import Probe, Protocol, probe
from triptych.core.forward.trace import Trace, TraceLookup, TraceStep, trace
from triptych.core.forward.tunnel import encapsulate
from triptych.core.forward.walk import MaySendIcmp

__all__ = [
    "Fabric",
    "Host",
    "IcmpFate",
    "Lookup",
    "MaySendIcmp",
    "Outcome",
    "Passage",
    "Plane",
    "Probe",
    "Protocol",
    "ReferencePlane",
    "Trace",
    "TraceLookup",
    "TraceStep",
    "Visit",
    "encapsulate",
    "from_port",
    "from_underlay",
    "probe",
    "trace",
]
