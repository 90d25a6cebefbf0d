"""Which interfaces should be ports: the decision, case by case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import pytest

from triptych.agent.contract import Attachment, HostFacts, Phase, PortStatus
from triptych.agent.reconcile.ports import Attached, Knowledge, Plan, own_row, plan, take_over, unattached
from triptych.core.addresses import Mac, ip_address
from triptych.core.local import PortFacts
from triptych.core.tables import LOCATIONS, Location, LocationKind, Row

FACTS = PortFacts("acme/a", 10010, Mac.parse("02:00:00:00:01:01"), (ip_address("10.0.1.11"),), (), 3)
PORT = FACTS.on("tap1")
VTEP = ip_address("192.0.2.1")


def knowledge(
    *,
    attached: bool = True,
    known: bool = True,
    fresh: bool = True,
    links: Mapping[str, int] = {"tap1": 7},
    on: int | None = None,
    ready: bool = True,
    asked: int = 7,
    claimed: bool = True,
) -> Knowledge:
    """A host with one port; `on` is the interface index that the driver has it on."""
    actual = {} if on is None else {"acme/a": Attached(PORT, on)}
    attachments = {"acme/a": Attachment("tap1", asked, claimed=claimed)} if attached else {}
    return Knowledge(attachments, {"acme/a": FACTS} if known else {}, fresh, links, actual, lambda _: ready)


def status(
    phase: Phase, detail: str = "", *, interface: str = "tap1", generation: int = 3, claimed: bool = True
) -> tuple[PortStatus, ...]:
    """How the port fares."""
    return (PortStatus("acme/a", phase, interface, generation, detail, claimed),)


ATTACH = (Attached(PORT, 7),)
GONE = "interface tap1 does not exist"
ANOTHER = "interface tap1 is another one than was attached; attach it"
UNNAMED = "the controller does not name it as this host's"
CASES = {
    "comes": (knowledge(), Plan((), (), ATTACH, status(Phase.LIVE))),
    "is there": (knowledge(on=7), Plan((), (), (), status(Phase.LIVE))),
    "its interface was replaced": (
        knowledge(on=6, asked=6),
        Plan((), ("acme/a",), (), status(Phase.GONE, ANOTHER)),
    ),
    "its interface was replaced before": (
        knowledge(asked=6),
        Plan((), (), (), status(Phase.GONE, ANOTHER)),
    ),
    "moved away and its interface was replaced": (
        knowledge(known=False, asked=6),
        Plan(("acme/a",), (), (), status(Phase.GONE, ANOTHER, generation=0)),
    ),
    "granted by the last facts": (
        knowledge(claimed=False, on=7),
        Plan((), (), (), status(Phase.LIVE, claimed=False)),
    ),
    "its interface is not there yet": (
        knowledge(links={}),
        Plan((), (), (), status(Phase.GONE, GONE)),
    ),
    "its interface vanished": (
        knowledge(links={}, on=7),
        Plan((), ("acme/a",), (), status(Phase.GONE, GONE)),
    ),
    "moved away and its interface vanished": (
        knowledge(known=False, links={}, on=7),
        Plan(("acme/a",), ("acme/a",), (), status(Phase.GONE, GONE, generation=0)),
    ),
    "vanished while nobody is heard": (
        knowledge(known=False, fresh=False, links={}, on=7),
        Plan((), ("acme/a",), (), status(Phase.GONE, GONE, generation=0)),
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
        knowledge(attached=False, on=7),
        Plan((), ("acme/a",), (), ()),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_of_a_port(case: str) -> None:
    """Each case has its one answer: what to detach, what to attach, and what people are told."""
    known, wanted = CASES[case]
    assert plan(known) == wanted


def test_what_nobody_attached_is_told_and_costs_a_plan_nothing() -> None:
    """Ports that are declared and not attached are in the status, and a plan does not look at them."""
    many = HostFacts(ports=tuple(msgspec.structs.replace(FACTS, name=f"acme/{number:03}") for number in range(500)))
    told = list(unattached(many, {"acme/000": Attachment("tap1", 7)}))
    assert [port.name for port in told] == [port.name for port in many.ports[1:]]
    assert {msgspec.structs.replace(port, name="") for port in told} == {
        PortStatus("", Phase.WAITING, "", FACTS.generation, "no interface was attached on this host")
    }
    looked: list[str] = []

    class Watched(Mapping[str, PortFacts]):
        def __getitem__(self, name: str) -> PortFacts:
            looked.append(name)
            return FACTS

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("a plan looked at every port")

        def __len__(self) -> int:
            return len(many.ports)

    known = knowledge()._replace(facts=Watched())
    assert plan(known).attach == ATTACH
    assert set(looked) == {"acme/a"}


@pytest.mark.parametrize("rebooted", [False, True])
def test_what_a_life_begins_with(rebooted: bool) -> None:
    """What the driver adopted counts as it is, the rest by index; by name only after a reboot, or from an old file."""
    names = ("adopted", "moved", "waits", "replaced", "gone", "old")
    links = {f"tap-{name}": number for number, name in enumerate(names, start=11) if name != "gone"}
    adopted = [msgspec.structs.replace(PORT, name=name, interface=f"tap-{name}") for name in ("adopted", "unsaved")]
    moved = msgspec.structs.replace(PORT, name="moved", interface="tap-old")
    saved = {
        "adopted": Attachment("tap-adopted", 3, claimed=False),
        "moved": Attachment("tap-moved", 12),
        "waits": Attachment("tap-waits", 13, claimed=False),
        "replaced": Attachment("tap-replaced", 4),
        "gone": Attachment("tap-gone", 5),
        "old": Attachment("tap-old"),
    }
    attachments, actual = take_over([*adopted, moved], saved, {**links, "tap-unsaved": 20}, rebooted=rebooted)
    assert {name: (item.ifindex, item.claimed) for name, item in attachments.items()} == {
        "adopted": (11, False),
        "unsaved": (20, True),
        "moved": (12, True),
        "waits": (13, False),
        "replaced": (14 if rebooted else 4, True),
        "gone": (0 if rebooted else 5, True),
        "old": (16, True),
    }
    assert {name: (item.port.interface, item.ifindex) for name, item in actual.items()} == {
        "adopted": ("tap-adopted", 11),
        "unsaved": ("tap-unsaved", 20),
        "moved": ("tap-old", 16),
    }


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
