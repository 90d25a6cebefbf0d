"""One host in trouble: it fares as well as it can, and the others do not notice. Real daemons, real traffic."""

from __future__ import annotations

import signal
from pathlib import Path

from cryptography import x509

from tests.system.control.edits import configured, cut_off
from tests.system.control.test_migration import ADDRESS, KEY, VM, carry, follow
from tests.system.control.watch import Pinging, agent, is_connected, kill, port, send, states, until
from triptych.client.rest import api
from triptych.client.rest.messages import RefusedRows, Revocation, Written
from triptych.core.model import Key, Kind
from triptych.core.tables import LOCATIONS, Location
from triptych.lab import Lab, planes
from triptych.pki.certificates import Role, serial_text

DB2 = "10.0.2.12"
ROUTE = Key(Kind.ROUTE, "globex", "core 10.66.0.0/16")
KEYS = [Key(Kind.PORT, "acme", f"late-{number}") for number in range(4)]


def test_a_table_that_is_full(fleet_lab: Lab, tmp_path: Path) -> None:
    """What does not fit is named to who waits for it and in every status; what fits, others, and room for all go on."""
    held = len(fleet_lab.actual("h1").tables[LOCATIONS.name])
    full = f"table locations is full with its {held + 2} rows; raise sizes.locations (now {held + 2}) and open again"

    def late(host: str) -> int:
        rows = fleet_lab.actual(host).tables[LOCATIONS.name]
        return sum(Location.key(10010, bytes((2, 0, 0, 0, 9, number))) in rows for number in range(len(KEYS)))

    def named() -> list[bool]:
        status = agent(fleet_lab, "h1")
        assert status is not None
        return [any(full in text for text in texts) for texts in (status.refused, states(fleet_lab)["h1"].problems)]

    def put(number: int) -> Written:
        fields = {"segment": "web", "host": "h2", "mac": f"02:00:00:00:09:{number:02x}"}
        return send(fleet_lab, api.put(KEYS[number], fields, wait=600))

    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        with configured(fleet_lab, "h1", "[tls]", f"[sizes]\nlocations = {held + 2}\n[tls]"):
            for number, rows in enumerate((0, 0, 1, 2)):
                refused = [RefusedRows("h1", LOCATIONS.name, rows, full)] if rows else []
                written = put(number)
                assert (written.laggards, written.refused) == (["h1"] if rows else [], refused)
            others = [api.put(ROUTE, {"blackhole": True}, wait=30), api.delete(ROUTE, wait=30)]
            assert [send(fleet_lab, call).laggards for call in others] == [[], []]
            assert (late("h1"), late("h2")) == (2, 4)
            until(lambda: named() == [True, True], "it is told")
            ping.goes_on()
        until(lambda: late("h1") == 4, "with room it has them all")
        until(lambda: named() == [False, False], "nothing is refused any longer")
        for key in KEYS:
            assert send(fleet_lab, api.delete(key, wait=30)).laggards == []
        ping.goes_on()
    assert ping.outcome == (True, [], [])
    assert fleet_lab.actual("h1").tables == fleet_lab.tables("h1").tables


def test_an_agent_that_is_stuck(fleet_lab: Lab, tmp_path: Path) -> None:
    """The others get their changes at once, who waits is told who is late; it catches up, and its VMs talk on."""
    key = Key(Kind.PORT, "acme", "new")
    fields = {"segment": "db", "host": "h1", "mac": "02:00:00:00:02:77", "ips": ["10.0.2.77"]}
    row = Location.key(10020, bytes.fromhex("020000000277"))

    def has(host: str) -> bool:
        return row in fleet_lab.actual(host).tables[LOCATIONS.name]

    stuck = fleet_lab.fleet.agent("h3")
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        assert stuck.signal(signal.SIGSTOP)
        try:
            until(lambda: send(fleet_lab, api.put(key, fields, wait=1)).laggards == ["h3"], "only this one is late")
            assert [has(host) for host in fleet_lab.hosts] == [True, True, False]
            assert [state.lag > 0 for state in states(fleet_lab).values()] == [False, False, True]
            ping.goes_on()
        finally:
            stuck.signal(signal.SIGCONT)
        until(lambda: has("h3"), "it catches up")
        until(lambda: states(fleet_lab)["h3"].lag == 0, "it is known to have")
        assert send(fleet_lab, api.delete(key, wait=30)).laggards == []
        ping.goes_on()
    assert ping.outcome == (True, [], [])


def test_a_certificate_is_revoked(fleet_lab: Lab, tmp_path: Path) -> None:
    """Its host's agent is sent away at once and hears no change, its VMs talk on; with a new one it is heard again."""
    pki, log = fleet_lab.fleet.pki, fleet_lab.fleet.agent("h3").log
    serial = serial_text(x509.load_pem_x509_certificate((pki.path / "hosts" / "h3.crt").read_bytes()))
    key = Key(Kind.PORT, "acme", "new")
    fields = {"segment": "web", "host": "h1", "mac": "02:00:00:00:01:78", "ips": ["10.0.1.78"]}
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        said = log.stat().st_size
        send(fleet_lab, api.revoke(Revocation(serial, "h3", "lost")))
        until(lambda: not states(fleet_lab)["h3"].connected, "its stream ended")
        refusal = "the certificate of host h3 was revoked; issue a new one"
        until(lambda: refusal in log.read_bytes()[said:].decode(), "it is told why")
        until(lambda: send(fleet_lab, api.put(key, fields, wait=1)).laggards == ["h3"], "only this one is late")
        rows = fleet_lab.actual("h3").tables
        assert rows == fleet_lab.tables("h3").tables
        assert all(is_connected(fleet_lab, host) for host in ("h1", "h2"))
        ping.goes_on()
        pki.renew(Role.HOST, "h3")
        until(lambda: is_connected(fleet_lab, "h3"), "with a new one it is heard")
        until(lambda: fleet_lab.actual("h3").tables != rows, "it hears what it missed")
        assert send(fleet_lab, api.delete(key, wait=30)).laggards == []
        ping.goes_on()
    assert ping.outcome == (True, [], [])
    assert fleet_lab.actual("h3").tables == rows


def test_a_vm_leaves_a_host_that_is_dead(fleet_lab: Lab, tmp_path: Path) -> None:
    """It talks on its new host without a word of the former one, which gives the port up once it is back."""
    link = fleet_lab.plan.vms[VM].port.interface
    others = Pinging(fleet_lab, "acme/web-2", DB2, tmp_path / "others")
    with others, Pinging(fleet_lab, "acme/web-1", ADDRESS, tmp_path / "ping") as ping:
        with cut_off(fleet_lab, "h2"):
            kill(fleet_lab, "h2")
            planes.destroy(fleet_lab.plan.hosts["h2"])
            ping.asks_on()
            until(lambda: not states(fleet_lab)["h2"].connected, "it is known to be away")
            send(fleet_lab, api.migrate(KEY, "h3"))
            carry(fleet_lab, link, "h2", "h3")
            with fleet_lab.fleet.local("h3") as local:
                done = local.attach(VM, link)
            assert (done.phase, done.note) == ("live", "")
            item = send(fleet_lab, api.get(KEY)).item
            assert (item["host"], item.get("migrate_to")) == ("h3", None)
            ping.goes_on()
            until(lambda: told(fleet_lab) == [(VM, "h2", "h3", ["h2"])], "only the dead one is waited for")
            away = "its agent is away: its VMs talk on, and hear of no change"
            wanted = [[], [away], []]
            until(lambda: [state.problems for state in states(fleet_lab).values()] == wanted, "no other is in trouble")
            others.goes_on()
        fleet_lab.fleet.agent("h2").start()
        until(lambda: is_connected(fleet_lab, "h2"), "it is back")
        until(lambda: port(fleet_lab, "h2", VM) is None, "it gave up the port")
        until(lambda: told(fleet_lab) == [], "the move is finished")
        ping.goes_on()
        others.goes_on()
    assert others.outcome == (True, [], [])
    assert ping.interruption == (True, 1, [])
    again = follow(fleet_lab)
    for host in again.hosts:
        assert again.actual(host).tables == again.tables(host).tables


def told(lab: Lab) -> list[tuple[str, str, str, list[str]]]:
    """The moves that are under way."""
    return [(item.port, item.former, item.host, item.waiting) for item in send(lab, api.status()).moving]
