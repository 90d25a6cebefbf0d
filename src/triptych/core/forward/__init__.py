"""The reference forwarder: the readable meaning of the three tables (docs/explanation/forwarding.md)."""

from triptych.core.forward.forwarder import from_overlay, from_port, from_underlay
from triptych.core.forward.host import Host
from triptych.core.forward.outcome import IcmpFate, Lookup, Outcome
from triptych.core.forward.tunnel import encapsulate
from triptych.core.forward.walk import MaySendIcmp

__all__ = [
    "Host",
    "IcmpFate",
    "Lookup",
    "MaySendIcmp",
    "Outcome",
    "encapsulate",
    "from_overlay",
    "from_port",
    "from_underlay",
]
