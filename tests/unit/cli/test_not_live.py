"""What is said of a change that is written and not live: who is late, who refuses what, and exit code 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.controlled import Commands
from triptych.testing.rest import UNFORESEEN, Reply, Request, serving

FULL = "table locations is full with its 8 rows; raise sizes.locations (now 8)"
REFUSED = [{"host": "h1", "table": "locations", "rows": 1, "reason": FULL}]
DOCUMENT = "ports:\n  - {tenant: acme, name: a, segment: web, host: h1}\n"
CREATED = {"kind": "ports", "tenant": "acme", "name": "a", "action": "created"}


@pytest.fixture
def triptych(tmp_path: Path) -> Commands:
    """The command line of somebody who has a token."""
    (tmp_path / "token").write_text("t0k")
    return Commands(tmp_path, {"TRIPTYCH_TOKEN_FILE": str(tmp_path / "token")})


def test_a_host_that_refuses_is_told_with_the_reason(triptych: Commands) -> None:
    """Each host that refuses rows has a line with how many, of which table and why; late ones are told together."""
    written = {"revision": 9, "objects": [CREATED], "laggards": ["h1", "h2", "h3"], "refused": REFUSED}
    with serving(lambda _: Reply(200, written)) as fake:
        done = triptych("apply", "-f", "-", "--wait", "5", stdin=DOCUMENT, TRIPTYCH_SERVER=fake.url)
        data = triptych("apply", "-f", "-", "--wait", "5", "-o", "json", stdin=DOCUMENT, TRIPTYCH_SERVER=fake.url)
    assert (done.returncode, done.stdout) == (1, "created port acme/a\n")
    assert done.stderr.splitlines() == [
        "triptych: revision 9 is written, and not programmed yet on h2, h3",
        f"triptych: revision 9 is written, and h1 does not take all of it: 1 row of locations: {FULL}",
    ]
    assert (data.returncode, json.loads(data.stdout)["refused"]) == (1, REFUSED)


def test_a_move_that_only_refusals_hold_up_is_not_waited_for(triptych: Commands) -> None:
    """A migration that waits ends at once when every host has heard and one does not take it, with exit code 1."""
    move = {"port": "acme/a", "former": "h2", "host": "h3", "revision": 9, "waiting": ["h1"], "refused": REFUSED}
    late = {**move, "waiting": ["h1", "h4"]}
    states = [[late], [move]]

    def answer(request: Request) -> Reply:
        match request.path.rpartition("/")[2]:
            case "migrate":
                return Reply(200, {"revision": 9})
            case "a":
                return Reply(200, {"tenant": "acme", "name": "a", "segment": "web", "host": "h3"})
            case "status":
                return Reply(200, {"version": "1", "revision": 9, "moving": states.pop(0)})
            case _:
                return UNFORESEEN

    with serving(answer) as fake:
        done = triptych("migrate", "acme/a", "h3", "--wait", "3600", TRIPTYCH_SERVER=fake.url)
    assert (done.returncode, states) == (1, [])
    assert done.stderr == (
        f"triptych: port acme/a is on h3, and h1 does not take all of it: 1 row of locations: {FULL}\n"
    )
