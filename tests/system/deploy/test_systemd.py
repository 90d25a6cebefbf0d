"""The units under this machine's own systemd, as the first process of namespaces of every kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.deploy.site import ROOT

BOOT = Path(__file__).with_name("boot.sh")
SECONDS = 400


@contextmanager
def control_group() -> Iterator[Path]:
    """A control group (v2) of its own, for a systemd that finds itself at the root of it."""
    mounts = re.findall(r"^\S+ (\S+) cgroup2 ", Path("/proc/mounts").read_text(), re.MULTILINE)
    group = Path(mounts[0]) / f"tri-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        # Whoever was killed in there takes a moment to be gone.
        deadline = time.monotonic() + 60
        while "populated 1" in (group / "cgroup.events").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        for path in sorted(group.rglob("*/"), key=lambda path: -len(path.parts)):
            path.rmdir()
        group.rmdir()


@pytest.mark.timeout(480)
def test_the_units_work_as_they_stand(tmp_path: Path) -> None:
    """Both begin in their sandboxes, reload, come back after a kill, and leave the data plane when they are stopped."""
    words = [str(tmp_path), str(ROOT), sys.base_prefix, sysconfig.get_path("purelib")]
    spaces = ["--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--propagation", "private"]
    with control_group() as group:
        enter = f'echo $$ > {group}/cgroup.procs; exec unshare --fork --kill-child {" ".join(spaces)} bash "$@"'
        done = subprocess.run(
            ["sh", "-c", enter, "sh", str(BOOT), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    log = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else done.stdout + done.stderr
    said = dict(re.findall(r"^== ([^:]+): (.*)$", log, re.MULTILINE))
    assert said.get("done") == "yes", log
    assert {name: said[name] for name in ("controller", "controller's user", "agent", "attach", "reloaded")} == {
        "controller": "active",
        "controller's user": "triptych",
        "agent": "active",
        "attach": "acme/web-1 is live on vm0",
        "reloaded": "active",
    }, log
    assert (said["restarts"], said["stopped"], said["controller's end"]) == ("1", "inactive", "success"), log
    assert said["after a kill"].split()[:3] == ["acme/web-1", "live", "vm0"], log
    assert said["what stays"] == "progs", log
    assert "UP" in said["device stays"], log
    # The agent of h1 has; the other two hosts have none.
    assert said["after a restart"].endswith("is written, and not programmed yet on h2, h3"), log
