"""Which interfaces should be ports: the decision, case by case."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from triptych.agent.contract import Phase, PortStatus
from triptych.agent.reconcile.ports import Attached, Knowledge, Plan, own_row, plan
from triptych.core.addresses import Mac, ip_address
from triptych.core.local import PortFacts
from triptych.core.tables import LOCATIONS, Location, LocationKind, Row

FACTS = PortFacts("acme/a", 10010, Mac.parse("02:00:00:00:01:01"), (ip_address("10.0.1.11"),), (), 3)
PORT = FACTS.on("tap1")
VTEP = ip_address("192.0.2.1")


def knowledge(
    *,
    attachments: Mapping[str, str] = {"acme/a": "tap1"},
    known: bool = True,
    fresh: bool = True,
    links: Mapping[str, int] = {"tap1": 7},
    on: int | None = None,
    ready: bool = True,
    asked: int = 7,
) -> Knowledge:
    """A host with one port; `on` is the interface index that the driver has it on."""
    actual = {} if on is None else {"acme/a": Attached(PORT, on)}
    return Knowledge(
        attachments, {"acme/a": FACTS} if known else {}, fresh, links, actual, lambda _: ready, {"acme/a": asked}
    )


def status(
    phase: Phase, detail: str = "", *, interface: str = "tap1", generation: int = 3, assumed: bool = False
) -> tuple[PortStatus, ...]:
    """How the port fares."""
    return (PortStatus("acme/a", phase, interface, generation, detail, assumed),)


ATTACH = (Attached(PORT, 7),)
GONE = "interface tap1 does not exist"
UNNAMED = "the controller does not name it as this host's"
CASES = {
    "comes": (knowledge(), Plan((), (), ATTACH, status(Phase.LIVE))),
    "is there": (knowledge(on=7), Plan((), (), (), status(Phase.LIVE))),
    "its interface was replaced": (
        knowledge(on=6, asked=6),
        Plan((), (), ATTACH, status(Phase.LIVE, assumed=True)),
    ),
    "its interface is not there yet": (
        knowledge(links={}),
        Plan((), (), (), status(Phase.GONE, GONE, assumed=True)),
    ),
    "its interface vanished": (
        knowledge(links={}, on=7),
        Plan((), ("acme/a",), (), status(Phase.GONE, GONE, assumed=True)),
    ),
    "moved away and its interface vanished": (
        knowledge(known=False, links={}, on=7),
        Plan(("acme/a",), ("acme/a",), (), status(Phase.GONE, GONE, generation=0, assumed=True)),
    ),
    "vanished while nobody is heard": (
        knowledge(known=False, fresh=False, links={}, on=7),
        Plan((), ("acme/a",), (), status(Phase.GONE, GONE, generation=0, assumed=True)),
    ),
    "its rows are not there": (
        knowledge(ready=False),
        Plan((), (), (), status(Phase.WAITING, "its rows are not programmed yet")),
    ),
    "stays while its rows change": (knowledge(ready=False, on=7), Plan((), (), (), status(Phase.LIVE))),
    "another host's": (knowledge(known=False), Plan((), (), (), status(Phase.WAITING, UNNAMED, generation=0))),
    "moved away": (
        knowledge(known=False, on=7),
        Plan((), ("acme/a",), (), status(Phase.WAITING, UNNAMED, generation=0)),
    ),
    "nobody heard, not there": (
        knowledge(known=False, fresh=False),
        Plan((), (), (), status(Phase.WAITING, "no controller has been heard yet", generation=0)),
    ),
    "nobody heard, adopted": (
        knowledge(known=False, fresh=False, on=7),
        Plan((), (), (), status(Phase.LIVE, generation=0)),
    ),
    "detached": (
        knowledge(attachments={}, on=7),
        Plan((), ("acme/a",), (), status(Phase.WAITING, "no interface was attached on this host", interface="")),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_of_a_port(case: str) -> None:
    """Each case has its one answer: what to detach, what to attach, and what people are told."""
    known, wanted = CASES[case]
    assert plan(known) == wanted


@pytest.mark.parametrize(
    ("row", "ready"),
    [
        (Location(10010, FACTS.mac, LocationKind.VTEP, VTEP, generation=3).row(), True),
        (Location(10010, FACTS.mac, LocationKind.VTEP, VTEP, generation=4).row(), True),
        (Location(10010, FACTS.mac, LocationKind.VTEP, VTEP, generation=2).row(), False),
        (Location(10010, FACTS.mac, LocationKind.VTEP, ip_address("192.0.2.2"), generation=3).row(), False),
        (Location(10010, FACTS.mac, LocationKind.ROUTER, router=1).row(), False),
        (Location(10011, FACTS.mac, LocationKind.VTEP, VTEP, generation=3).row(), False),
    ],
    ids=["its generation", "a later one", "a former one", "another host", "a router", "another segment"],
)
def test_a_port_is_ready_with_its_own_row(row: Row, ready: bool) -> None:
    """A port may be attached when `locations` says that it is here, at its generation or a later one."""
    held = {(LOCATIONS.name, row.key): row.value}
    assert own_row(VTEP, lambda table, key: held.get((table.name, key)))(FACTS) is ready
