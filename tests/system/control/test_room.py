"""A host whose tables have too little room: real daemons, real traffic."""

from __future__ import annotations

from pathlib import Path

from tests.system.control.edits import configured
from tests.system.control.watch import Pinging, agent, send, states, until
from triptych.client.rest import api
from triptych.core.model import Key, Kind
from triptych.core.tables import LOCATIONS, Location
from triptych.lab import Lab

KEYS = [Key(Kind.PORT, "acme", f"late-{number}") for number in range(4)]


def test_a_table_that_is_full(fleet_lab: Lab, tmp_path: Path) -> None:
    """What fits is there, what does not is named in every status; others have all, and room lets the rest in."""
    held = len(fleet_lab.actual("h1").tables[LOCATIONS.name])
    full = f"table locations is full with its {held + 2} rows; raise sizes.locations (now {held + 2})"

    def late(host: str) -> int:
        rows = fleet_lab.actual(host).tables[LOCATIONS.name]
        return sum(Location.key(10010, bytes((2, 0, 0, 0, 9, number))) in rows for number in range(len(KEYS)))

    def told() -> list[bool]:
        status = agent(fleet_lab, "h1")
        assert status is not None
        return [any(full in text for text in texts) for texts in (status.refused, states(fleet_lab)["h1"].problems)]

    with Pinging(fleet_lab, "acme/web-1", "10.0.2.12", tmp_path / "ping") as ping:
        with configured(fleet_lab, "h1", "[tls]", f"[sizes]\nlocations = {held + 2}\n[tls]"):
            for number, key in enumerate(KEYS):
                fields = {"segment": "web", "host": "h2", "mac": f"02:00:00:00:09:{number:02x}"}
                assert send(fleet_lab, api.put(key, fields, wait=30)).laggards == []
            assert (late("h1"), late("h2")) == (2, 4)
            until(lambda: told() == [True, True], "it is told")
            ping.goes_on()
        until(lambda: late("h1") == 4, "with room it has them all")
        until(lambda: told() == [False, False], "nothing is refused any longer")
        for key in KEYS:
            assert send(fleet_lab, api.delete(key, wait=30)).laggards == []
        ping.goes_on()
    assert ping.outcome == (True, [], [])
    assert fleet_lab.actual("h1").tables == fleet_lab.tables("h1").tables
