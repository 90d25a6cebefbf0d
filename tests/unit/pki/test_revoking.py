"""Which certificates are meant when some are to count no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.errors import InputError
from triptych.pki import certificates
from triptych.pki.folder import PkiFolder, State


def test_a_name_of_a_host_and_a_controller_revokes_neither(tmp_path: Path) -> None:
    """Where a host and a controller share a name it is no answer which one is meant; a serial number is."""
    pki = PkiFolder(tmp_path / "pki")
    pki.init()
    of_host, of_controller = pki.issue(certificates.host("h1")), pki.issue(certificates.controller(["h1"]))
    with pytest.raises(InputError, match="'h1': a host and a controller have this name; say by serial numbers which"):
        pki.revoke("h1", "lost")
    (revoked,) = pki.revoke(of_host.serial, "lost")
    assert (revoked.serial, revoked.role) == (of_host.serial, "host")
    states = {entry.serial: entry.state for entry in pki.list()}
    assert states == {of_host.serial: State.REVOKED, of_controller.serial: State.VALID}
