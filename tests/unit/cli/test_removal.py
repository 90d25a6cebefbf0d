"""What goes: several objects, those of a document, those that a document no longer lists; and who changed what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.controlled import Commands, RunningController, running_controller
from triptych.cli import removal
from triptych.cli.removal import surplus
from triptych.client.rest.messages import Plan
from triptych.errors import InputError

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml"
SMALL = """
hosts: [{name: h1, underlay: 192.0.2.1}, {name: h2, underlay: 192.0.2.2}]
tenants: [{name: acme}, {name: globex}]
segments:
  - {tenant: acme, name: web, subnets: [{cidr: 10.0.1.0/24}]}
  - {tenant: acme, name: old, subnets: [{cidr: 10.0.2.0/24}]}
  - {tenant: globex, name: web, subnets: [{cidr: 10.0.1.0/24}]}
ports:
  - {tenant: acme, name: a, segment: web, host: h1}
  - {tenant: acme, name: b, segment: web, host: h1}
  - {tenant: acme, name: c, segment: old, host: h2}
  - {tenant: globex, name: a, segment: web, host: h2}
"""
WANTED = """
segments:
  - {tenant: acme, name: web, subnets: [{cidr: 10.0.1.0/24}]}
ports:
  - {tenant: acme, name: a, segment: web, host: h2}
"""
NEW_HOST = "name: c, segment: old, host: h1"
LEFT = ["acme/a", "globex/a"]


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningController]:
    """A controller with nothing declared."""
    with running_controller(tmp_path_factory.mktemp("controller")) as running:
        yield running


@pytest.fixture
def triptych(controller: RunningController, tmp_path: Path) -> Commands:
    """The command line; exactly SMALL is declared."""
    environment = {"TRIPTYCH_SERVER": controller.url, "TRIPTYCH_TOKEN_FILE": str(controller.token_file)}
    commands = Commands(tmp_path, environment)
    assert commands("apply", "-f", "-", stdin=SMALL).returncode == 0
    return commands


def ports(triptych: Commands) -> list[str]:
    """The ports that are declared."""
    items = json.loads(triptych("get", "ports", "-o", "json").stdout)["ports"]
    return [f"{item['tenant']}/{item['name']}" for item in items]


def test_a_plan_shows_what_pruning_would_delete(triptych: Commands) -> None:
    """Only objects of listed kinds and tenants are surplus, dependents first; their rows go, host by host.

    Planning deletes nothing.
    """
    done = triptych("plan", "-f", "-", "--prune", stdin=WANTED)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[:12] == [
        "~ port acme/a  host",
        "",
        "and then would be deleted, one by one",
        "- port acme/b",
        "- port acme/c",
        "- segment acme/old",
        "",
        "rows that change",
        "host       locations  neighbors  routes",
        "(network)  ~1 -2      -2         ·",
        "h1         -2         -2         ·",
        "h2         +1 -1      +1 -1      ·",
    ]
    assert [line.split()[:2] for line in lines if line.startswith("  -")] == [["-", "acme/web"], ["-", "acme/old"]] * 2
    data = json.loads(triptych("plan", "-f", "-", "--prune", "-o", "json", stdin=WANTED).stdout)
    assert [(item["kind"], item["name"], item["action"]) for item in data["pruned"]] == [
        ("ports", "b", "deleted"),
        ("ports", "c", "deleted"),
        ("segments", "old", "deleted"),
    ]
    (row,) = data["rows"]["neighbors"]["removed"][1:]
    assert (row["segment"], data["counts"]["neighbors"]) == ("acme/old", {"added": 0, "changed": 0, "removed": 2})
    assert "pruned" not in json.loads(triptych("plan", "-f", "-", "-o", "json", stdin=WANTED).stdout)
    assert ports(triptych) == ["acme/a", "acme/b", "acme/c", "globex/a"]


def test_a_plan_without_surplus_says_so(triptych: Commands) -> None:
    """A document that lists everything prunes nothing, in a plan that changes something and in one that does not."""
    assert triptych("plan", "-f", "-", "--prune", stdin=SMALL).stdout.startswith(
        "nothing would change (as of revision "
    )
    moved = triptych("plan", "-f", "-", "--prune", stdin=SMALL.replace("name: c, segment: old, host: h2", NEW_HOST))
    assert moved.stdout.splitlines()[:3] == ["~ port acme/c  host", "", "nothing would be pruned"]


def test_a_controller_that_plans_no_pruning_is_told_from_one_without_surplus() -> None:
    """An answer that does not speak of pruning at all is refused; nothing is taken for granted."""
    assert surplus(Plan(7, pruned=[])) == []
    with pytest.raises(InputError, match="the controller is older than this command"):
        surplus(Plan(7))


def test_pruning_asks_or_is_told_yes(triptych: Commands) -> None:
    """Where nobody can be asked, nothing at all is done without --yes; with it the surplus goes, and nothing else."""
    refused = triptych("apply", "-f", "-", "--prune", stdin=WANTED)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--prune would delete 3 objects, and nobody can be asked here; give --yes" in refused.stderr
    assert ports(triptych) == ["acme/a", "acme/b", "acme/c", "globex/a"]
    done = triptych("apply", "-f", "-", "--prune", "--yes", stdin=WANTED)
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == [
        "changed port acme/a (host)",
        "deleted port acme/b",
        "deleted port acme/c",
        "deleted segment acme/old",
    ]
    assert ports(triptych) == LEFT
    again = triptych("apply", "-f", "-", "--prune", stdin=WANTED)
    assert (again.returncode, again.stdout, again.stderr) == (0, "nothing changed\n", "")


def test_a_refused_apply_prunes_nothing(triptych: Commands) -> None:
    """What is wanted is written first: when that is refused, everything is still there."""
    done = triptych("apply", "-f", "-", "--prune", "--yes", stdin=WANTED.replace("host: h2", "host: h9"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "deleted" not in done.stderr
    assert ports(triptych) == ["acme/a", "acme/b", "acme/c", "globex/a"]


WIDER = "segments:\n  - {tenant: acme, name: web, subnets: [{cidr: 10.0.1.0/24}, {cidr: 10.0.9.0/24}]}\n"


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes")], ids=" ".join)
def test_what_others_refer_to_is_not_pruned_and_nothing_is_written(triptych: Commands, words: tuple[str, ...]) -> None:
    """Where a deletion would be refused, plan and apply say so before anything is done."""
    done = triptych(*words, "-f", "-", "--prune", stdin=WIDER)
    assert (done.returncode, done.stdout) == (1, "")
    remedy = "delete or change these first"
    refusal = f"segment acme/old: cannot be deleted while port acme/c refer to it; {remedy}"
    assert done.stderr == f"triptych: {refusal}\n"
    assert len(json.loads(triptych("get", "segment", "acme/web", "-o", "json").stdout)["segments"][0]["subnets"]) == 1


def test_a_refused_deletion_does_not_hide_what_was_written(triptych: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody declares a reference between plan and deletion, what was applied is told, and then the refusal."""
    remove = removal.remove

    def late(*args: Any) -> None:
        claimed = "ports: [{tenant: acme, name: late, segment: old}]"
        assert triptych.process("apply", "-f", "-", stdin=claimed).returncode == 0
        remove(*args)

    monkeypatch.setattr(removal, "remove", late)
    segment = WIDER + "ports:\n  - {tenant: acme, name: a, segment: web, host: h1}\n"
    done = triptych("apply", "-f", "-", "--prune", "--yes", stdin=segment)
    assert done.returncode == 1
    assert done.stdout.startswith("changed segment acme/web (subnets)\n")
    assert "deleted before what follows was refused: port acme/b, port acme/c" in done.stderr
    assert "segment acme/old: cannot be deleted while port acme/late refer to it" in done.stderr
    assert triptych("delete", "port", "acme/late").returncode == 0


def test_everything_that_a_document_names_can_be_deleted(triptych: Commands) -> None:
    """Deleting by a document takes dependents first, tells what is not there, and stops at what others refer to."""
    done = triptych("delete", "-f", "-", stdin=WANTED.replace("name: a,", "name: c,").replace("web", "old"))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["deleted port acme/c", "deleted segment acme/old"]
    refused = triptych("delete", "-f", "-", stdin=WANTED)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "deleted before what follows was refused: port acme/a" in refused.stderr
    assert "cannot be deleted while port acme/b" in refused.stderr
    assert ports(triptych) == ["acme/b", "globex/a"]


def test_several_names_are_deleted_at_once(triptych: Commands) -> None:
    """All that are named go, in the order in which they are named; one that is not there is told."""
    done = triptych("delete", "port", "acme/b", "acme/none", "acme/c")
    assert (done.returncode, done.stderr) == (0, "triptych: port acme/none: is not declared\n")
    assert done.stdout == "deleted port acme/b\ndeleted port acme/c\n"
    for words in (("delete",), ("delete", "port"), ("delete", "port", "acme/a", "-f", str(EXAMPLE))):
        assert triptych(*words).returncode == 2


def test_the_audit_log_tells_who_changed_what(triptych: Commands) -> None:
    """The latest entries that hold a text, as a table and as data."""
    triptych("delete", "port", "acme/b")
    shown = triptych("audit", "port acme/b", "--count", "1")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[0].rstrip() == "1 entry"
    assert shown.stdout.splitlines()[2].split()[2:7] == ["(bootstrap)", "delete", "deleted", "port", "acme/b"]
    (entry,) = json.loads(triptych("audit", "port acme/b", "--count", "1", "-o", "json").stdout)
    assert (entry["action"], entry["objects"], entry["count"]) == ("delete", ["deleted port acme/b"], 1)
    assert entry["actor"].startswith("token:")


def test_a_watch_says_where_it_begins_and_what_differs(triptych: Commands) -> None:
    """Its first line names the revision after which nothing is missed; a change tells its fields."""
    revision = json.loads(triptych("apply", "-f", "-", "-o", "json", stdin=SMALL).stdout)["revision"]
    triptych("apply", "-f", "-", stdin=WANTED)
    triptych("apply", "-f", "-", stdin=WANTED.replace("host: h2", "host: h1"))
    done = triptych("watch", "--after", str(revision), "--count", "2")
    assert done.stderr == f"watching what changes after revision {revision}, until interrupted\n"
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{revision + 1} changed port acme/a  segment=web ")
    assert second == f"{revision + 2} changed port acme/a  host=h1"


def test_a_migration_that_is_waited_for_says_what_is_missing(triptych: Commands) -> None:
    """With --wait, a port that was not attached on its new host in time is told, with the remedy, and exit code 1."""
    done = triptych("migrate", "acme/a", "h2", "--wait", "0")
    assert (done.returncode, done.stdout) == (1, "changed port acme/a (migrate_to)\n")
    assert done.stderr == (
        "triptych: port acme/a has not moved yet: attach its interface on h2 (triptych attach acme/a IFNAME)\n"
    )
    triptych("migrate", "acme/a", "--cancel")
    moved = triptych("migrate", "globex/a", "h2", "--wait", "0")
    assert (moved.returncode, moved.stderr) == (0, "")


def test_the_status_of_one_host_is_checked(triptych: Commands) -> None:
    """One host is shown with what is wrong on it; --check makes that an exit code; an unknown host is refused."""
    done = triptych("status", "h1")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "h1: its agent has not come since this controller began" in lines
    assert [line.split()[0] for line in lines[2:5]] == ["1", "host", "h1"]
    assert triptych("status", "h1", "--check").returncode == 1
    unknown = triptych("status", "h9")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "host h9: is not declared" in unknown.stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("triptych tables h", ["h1", "h2"]),
        ("triptych get port acme/", ["acme/a", "acme/b", "acme/c"]),
        ("triptych delete segments globex", ["globex/web"]),
        ("triptych migrate acme/a h2", ["h2"]),
    ],
)
def test_the_shell_completes_names(triptych: Commands, words: str, wanted: list[str]) -> None:
    """Objects and hosts of the configured controller are completed; with none, nothing is, and nobody is told."""
    completing = {"_TRIPTYCH_COMPLETE": "complete_bash", "COMP_CWORD": str(len(words.split()) - 1), "COMP_WORDS": words}
    for server, expected in ((triptych.environment["TRIPTYCH_SERVER"], wanted), ("http://127.0.0.1:1", [])):
        done = triptych(**completing, TRIPTYCH_SERVER=server)
        assert (done.returncode, done.stdout.split(), done.stderr) == (0, expected, "")
