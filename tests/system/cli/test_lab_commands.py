"""The commands on a running lab, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLE = str(Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml")
LAB = f"cli-{os.getpid()}"


def triptych(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "triptych", *words], capture_output=True, text=True, check=False, timeout=100
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[str]:
    """A lab of the example, taken down whatever happens."""
    try:
        done = triptych("lab", "up", EXAMPLE, "--name", LAB)
        assert done.returncode == 0, done.stderr
        yield LAB
    finally:
        triptych("lab", "down", "--name", LAB)


def test_exec_runs_inside_a_vm_and_passes_the_exit_code_on(lab: str) -> None:
    """The command's output and exit code are those of a process in the VM's namespace."""
    done = triptych("lab", "exec", "--name", lab, "acme/web-1", "--", "ip", "-4", "-br", "addr", "show", "eth0")
    assert done.returncode == 0
    assert "10.0.1.11/24" in done.stdout
    assert triptych("lab", "exec", "--name", lab, "acme/web-1", "--", "sh", "-c", "exit 7").returncode == 7
    done = triptych("lab", "exec", "--name", lab, "acme/web-1", "--", "no-such-command")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == (
        "triptych: cannot run 'no-such-command': No such file or directory; give a command that is installed\n"
    )
    assert triptych("lab", "exec", "--name", lab, "acme/web-1", "--", "/etc/passwd").returncode == 126
    done = triptych("lab", "exec", "--name", lab, "--host", "h1", "--", "ip", "-br", "addr", "show", "underlay")
    assert "192.0.2.1" in done.stdout


def test_actual_rows_are_the_rows_that_should_be(lab: str) -> None:
    """What tables --actual reads from the kernel's maps is what tables prints."""
    wanted = triptych("tables", "--lab", lab, "h2", "-o", "json")
    assert wanted.returncode == 0, wanted.stderr
    assert triptych("tables", "--lab", lab, "h2", "--actual", "-o", "json").stdout == wanted.stdout


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (("acme/web-1", "10.0.1.12"), "delivered"),
        (("acme/web-1", "fd00:2::12"), "delivered"),
        (("acme/web-1", "10.0.1.1"), "answered"),
        (("acme/web-1", "10.66.0.1"), "dropped"),
        (("acme/web-1", "10.0.2.12", "--ttl", "1"), "answered"),
        (("acme/web-1", "10.9.3.4", "--proto", "udp", "--dport", "53"), "delivered"),
        (("globex/web-1", "10.0.1.12", "--proto", "arp"), "answered"),
    ],
)
def test_a_live_trace_is_the_trace_of_the_rows(lab: str, words: tuple[str, ...], verdict: str) -> None:
    """The loaded programs of each host say what the rows say: same verdict, rewrites, hosts and lookups."""
    by_rows = json.loads(triptych("trace", "--lab", lab, *words, "-o", "json").stdout)
    live = json.loads(triptych("trace", "--lab", lab, *words, "--live", "-o", "json").stdout)
    assert by_rows["verdict"] == verdict
    noted = [step["lookups"][-1]["note"] for step in live["steps"]]
    assert all("decided by the loaded program" in note and "reference forwarder says" not in note for note in noted)
    for trace in (by_rows, live):
        for step in trace["steps"]:
            for lookup in step["lookups"]:
                del lookup["note"]
                (lookup["row"] or {}).pop("interface", None)
    assert live == by_rows


def test_list_names_the_lab(lab: str) -> None:
    """The list shows name, driver, hosts and ports of what runs."""
    rows = json.loads(triptych("lab", "list", "-o", "json").stdout)
    assert {"name": lab, "driver": "ebpf", "hosts": 3, "ports": 7} in rows


def test_up_again_changes_nothing(lab: str) -> None:
    """The same document again: exit code 0, and a VM's process does not notice."""
    before = triptych("lab", "exec", "--name", lab, "acme/web-1", "--", "readlink", "/proc/self/ns/net").stdout
    assert triptych("lab", "up", EXAMPLE, "--name", lab).returncode == 0
    after = triptych("lab", "exec", "--name", lab, "acme/web-1", "--", "readlink", "/proc/self/ns/net").stdout
    assert after == before


def test_the_demo_holds_and_leaves_nothing() -> None:
    """Every claim of the demo on real packets holds, and no namespace of it is left."""
    before = set(Path("/run/netns").iterdir())
    done = triptych("demo")
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") >= 15
    assert {name for name in set(Path("/run/netns").iterdir()) - before if "demo" in name.name} == set()


def test_a_demo_that_is_told_to_end_leaves_nothing() -> None:
    """SIGTERM in the middle of the demo ends it with 143, and its lab, namespaces and daemons are gone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "triptych", "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        seen = next(line for line in process.stdout if "pings" in line)
        assert any(str(process.pid) in path.name for path in Path("/run/netns").iterdir()), seen
        process.terminate()
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 143
    assert [path.name for path in Path("/run/netns").iterdir() if str(process.pid) in path.name] == []
    assert f"demo-{process.pid}" not in triptych("lab", "list", "-o", "json").stdout
