"""What is said of a change that is written and not live: who is late, who refuses what, and exit code 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.controlled import Commands
from triptych.testing.rest import UNFORESEEN, Reply, Request, problem, serving

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


def deleted(name: str) -> dict[str, str]:
    """The answer's entry for a port of acme that went."""
    return {"kind": "ports", "tenant": "acme", "name": name, "action": "deleted"}


DELETIONS = {
    "/v1/ports/acme/b": Reply(200, {"revision": 10, "objects": [deleted("b")], "laggards": ["h1"], "refused": REFUSED}),
    "/v1/ports/acme/c": Reply(200, {"revision": 11, "objects": [deleted("c")], "laggards": []}),
    "/v1/ports/acme/d": problem(404, "not-found", "port acme/d: is not declared"),
}


def pruning(request: Request) -> Reply:
    """A controller with ports b and c too many: h2 is late for what is applied, h1 refuses rows when b goes."""
    match request.path:
        case "/v1/plan":
            return Reply(200, {"revision": 8, "pruned": [deleted("b"), deleted("c")]})
        case "/v1/apply":
            return Reply(200, {"revision": 9, "objects": [CREATED], "laggards": ["h2"]})
        case path:
            return DELETIONS.get(path, UNFORESEEN)


PRUNE = ("apply", "--prune", "--yes", "-f", "-")
BOTH = "ports:\n  - {tenant: acme, name: b, segment: web}\n  - {tenant: acme, name: c, segment: web}\n"


@pytest.mark.parametrize(
    ("words", "document", "late"),
    [
        (PRUNE, DOCUMENT, ["h1", "h2"]),
        (("delete", "-f", "-"), BOTH, ["h1"]),
        (("delete", "port", "acme/b", "acme/c", "acme/d"), "", ["h1"]),
    ],
    ids=["apply --prune", "delete -f", "delete"],
)
def test_a_host_that_an_earlier_write_concerned_is_told(
    triptych: Commands, words: tuple[str, ...], document: str, late: list[str]
) -> None:
    """Where several writes are waited for, who is late for one or refuses it is told, whatever the last one answers."""
    with serving(pruning) as fake:
        done = triptych(*words, "--wait", "600", "-o", "json", stdin=document, TRIPTYCH_SERVER=fake.url)
        waits = [float(item.query["wait"]) for item in fake.requests if item.path != "/v1/plan"]
    written = json.loads(done.stdout)
    assert (done.returncode, written["laggards"], written["refused"], written["revision"]) == (1, late, REFUSED, 11)
    assert waits[0] == 600
    assert waits == sorted(waits, reverse=True)
    assert f"revision 11 is written, and h1 does not take all of it: 1 row of locations: {FULL}" in done.stderr


def test_what_comes_after_the_time_is_over_is_not_waited_for(triptych: Commands) -> None:
    """Writes after the time is over are sent without a wait and told as such, with exit code 1; none is called live."""

    def answer(request: Request) -> Reply:
        laggards: list[str] | None = [] if "wait" in request.query else None
        return Reply(200, {"revision": 9, "objects": [deleted(request.path[-1])], "laggards": laggards})

    with serving(answer) as fake:
        words = ("delete", "port", "acme/a", "acme/b", "acme/c", "--wait", "0")
        done = triptych(*words, TRIPTYCH_SERVER=fake.url)
        data = triptych(*words, "-o", "json", TRIPTYCH_SERVER=fake.url)
    assert [item.query for item in fake.requests] == [{"wait": "0"}, {}, {}] * 2
    assert (done.returncode, done.stdout.splitlines()) == (1, [f"deleted port acme/{name}" for name in "abc"])
    assert done.stderr == (
        "triptych: revision 9 is written, and nobody waited for port acme/b and 1 other, for the time was over\n"
    )
    assert (data.returncode, json.loads(data.stdout)["laggards"]) == (1, None)


def test_a_refusal_is_told_although_a_host_is_late(triptych: Commands) -> None:
    """Where a deletion is refused after an apply that is not live, both are told."""
    refusal = problem(409, "referenced", "port acme/b: cannot be deleted")

    with serving(lambda request: refusal if request.method == "DELETE" else pruning(request)) as fake:
        done = triptych(*PRUNE, "--wait", "600", stdin=DOCUMENT, TRIPTYCH_SERVER=fake.url)
    assert (done.returncode, done.stdout) == (1, "created port acme/a\n")
    assert done.stderr.splitlines()[-2:] == [
        "triptych: revision 9 is written, and not programmed yet on h2",
        "triptych: port acme/b: cannot be deleted",
    ]


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
