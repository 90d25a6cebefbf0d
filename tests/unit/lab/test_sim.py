"""A simulated lab needs no root: it is a state, and rows that can be asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given

from tests.unit.lab.networks import NETWORK, edited
from triptych.core.compile import host_rows
from triptych.core.model import Network
from triptych.errors import DataPlaneError, EnvironmentError_, InputError, NotFoundError, PrivilegeError
from triptych.lab import Entry, Lab, state
from triptych.lab.codec import from_plain, to_plain
from triptych.testing.networks import networks


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The tests run as a user without rights, whose labs are in a directory of the test."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "triptych" / "labs"


@given(networks())
def test_a_network_survives_the_disk(network: Network) -> None:
    """A network read back from the state of a lab is the same, generations of its ports included."""
    assert from_plain(to_plain(network)) == network


def test_a_lab_that_is_up_can_be_opened_and_listed() -> None:
    """What was brought up is found again with its network and options, until it is down."""
    assert Lab.list() == ()
    Lab.up("x", NETWORK, driver="sim", underlay_mtu=1600)
    found = Lab.open("x")
    assert (found.network, found.options, found.plan.mtu) == (NETWORK, found.options, 1600)
    assert Lab.list() == (Entry("x", "sim", 2, 3),)
    assert (found.hosts, found.ports) == (("h1", "h2"), ("acme/web-1", "acme/web-2", "acme/flat-1"))
    found.down()
    assert Lab.list() == ()


def test_rows_wanted_and_actual_agree() -> None:
    """The simulated data plane of a host holds the rows that the host should have, and its ports."""
    lab = Lab.up("x", NETWORK, driver="sim")
    for host in lab.hosts:
        assert lab.tables(host) == host_rows(NETWORK, host)
        assert lab.actual(host) == lab.tables(host)
    with lab.driver("h2") as driver:
        assert {port.name for port in driver.ports()} == {"acme/web-2", "acme/flat-1"}


def test_up_again_takes_the_new_network() -> None:
    """Another network takes the place of the first."""
    Lab.up("x", NETWORK, driver="sim")
    moved = edited(NETWORK, "acme", "web-1", host="h2")
    Lab.up("x", moved, driver="sim")
    assert Lab.open("x").network == moved


def test_what_is_refused_changes_nothing(somebody: Path) -> None:
    """A refused up leaves the running lab as it was, and no trace of one that did not run."""
    Lab.up("x", NETWORK, driver="sim")
    with pytest.raises(InputError, match="underlay MTU 9 is not"):
        Lab.up("x", edited(NETWORK, "acme", "web-1", host="h2"), driver="sim", underlay_mtu=9)
    assert Lab.open("x").network == NETWORK
    with pytest.raises(PrivilegeError, match=r"driver ebpf needs root .* or use --driver sim"):
        Lab.up("y", NETWORK)
    assert [path.name for path in somebody.iterdir()] == ["x"]


def test_down_leaves_no_directory(somebody: Path) -> None:
    """After the last lab is down its user's directories are gone too; a lab that never ran is no error."""
    Lab.up("x", NETWORK, driver="sim")
    assert Lab.remove("x")
    assert not somebody.parent.exists()
    assert not Lab.remove("x")


def test_unknown_names_are_refused_with_near_ones() -> None:
    """A host, VM or lab that is not there is refused, and near names are told."""
    lab = Lab.up("x", NETWORK, driver="sim")
    with pytest.raises(NotFoundError, match="lab x: 'h9' is no host and no VM that runs in it; known are h"):
        lab.tables("h9")
    with pytest.raises(NotFoundError, match="lab nope: does not run; running labs: x"):
        Lab.open("nope")


def test_a_simulated_lab_runs_no_commands() -> None:
    """Running a command in a simulated lab is refused, and the message says what would help."""
    lab = Lab.up("x", NETWORK, driver="sim")
    with pytest.raises(InputError, match="runs no machines, its driver is sim"):
        lab.exec("acme/web-1", ["true"])


def test_a_lab_is_changed_by_one_process_at_a_time() -> None:
    """While somebody changes a lab another change is refused at once; others may go on."""
    with state.locked("x"):
        with pytest.raises(InputError, match="lab x: another process is changing it"):
            Lab.up("x", NETWORK, driver="sim")
        Lab.up("y", NETWORK, driver="sim")
    Lab.up("x", NETWORK, driver="sim")


@pytest.mark.parametrize(
    "content",
    ["{", '{"version": 9}', '{"applied": 1}', '{"applied": {"options": {}, "network": {"document": {"hosts": [{}]}}}}'],
)
def test_a_state_that_cannot_be_used_is_listed_and_removed(somebody: Path, content: str) -> None:
    """A state that somebody else wrote is refused in words, listed without particulars, and goes down."""
    Lab.up("x", NETWORK, driver="sim")
    (somebody / "x" / "state.json").write_text(content)
    with pytest.raises((DataPlaneError, InputError)):
        Lab.open("x")
    assert Lab.list() == (Entry("x"),)
    assert Lab.remove("x")
    assert Lab.list() == ()


def test_a_place_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When the state of a lab cannot be written the message names the place and the reason."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    with pytest.raises(EnvironmentError_, match=r"lab x: cannot write its state in .*: Not a directory"):
        Lab.up("x", NETWORK, driver="sim")
