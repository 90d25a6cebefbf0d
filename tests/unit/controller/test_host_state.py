"""How a host fares, as the API tells it: from what its agent reported and from what it has acknowledged."""

from __future__ import annotations

import msgspec

from triptych.client.rest.messages import HostState
from triptych.controller.ports import HostStatus
from triptych.controller.rest.answers import host_state
from triptych.controller.service.claims import Refusal
from triptych.core.verdicts import Reason
from triptych.wire.messages import Drops, PortPhase, PortState, Refused, Report


def test_a_report_is_told_in_names() -> None:
    """Drops are summed by the reason's name, ports counted by phase; what is wrong is a sentence each."""
    report = Report(
        audits=3,
        drift=4,
        drops=(
            Drops("acme/a", Reason.SPOOFED_IP, 5, 500),
            Drops("acme/b", Reason.SPOOFED_IP, 2, 200),
            Drops("", 65_000, 1, 60),
        ),
        ports=(
            PortState("acme/a", 1, PortPhase.LIVE),
            PortState("acme/b", 1, PortPhase.LIVE),
            PortState("acme/c", 2, PortPhase.REFUSED, "the interface is another port's"),
            PortState("acme/d", 2, PortPhase.REFUSED, "port acme/d: no room"),
        ),
        errors=("the disk is full",),
    )
    plain = msgspec.to_builtins(report) | {"refused": msgspec.to_builtins((Refused("routes", 7, "the map is full"),))}
    refusal = Refusal("h1", "acme/z", "it is h2's", 3, 0.0)
    assert host_state(HostStatus("h1", True, 40, plain), 42, (refusal,)) == HostState(
        host="h1",
        connected=True,
        programmed=40,
        lag=2,
        drift=4,
        drops={"spoofed_ip": 7, "65000": 1},
        ports={"live": 2, "refused": 2},
        problems=[
            "the disk is full",
            "7 rows of routes are refused there: the map is full",
            "port acme/c: the interface is another port's",
            "port acme/d: no room",
            "claimed acme/z, 3 times in vain, last at 00:00:00 UTC: it is h2's",
        ],
    )


def test_a_host_that_never_came_is_behind_by_everything() -> None:
    """A host that nothing is known of lags by all revisions, and one that is up to date by none; each says why."""
    unseen = "its agent has not come since this controller began"
    assert host_state(HostStatus("h1", False), 9, ()) == HostState("h1", False, lag=9, problems=[unseen])
    away = "its agent is away: its VMs talk on, and hear of no change"
    gone = HostState("h1", False, 7, 2, problems=[away], away=130)
    assert host_state(HostStatus("h1", False, 7, away=130.2), 9, ()) == gone
    assert host_state(HostStatus("h1", True, 9), 9, ()) == HostState("h1", True, 9)
