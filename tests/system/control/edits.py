"""Other configurations of a lab's daemons, and hosts that are cut off, for as long as a test needs them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.system.control.watch import until
from triptych.lab import Lab, names


@contextmanager
def configured(lab: Lab, host: str, old: str, new: str) -> Iterator[None]:
    """The agent of a host runs with a configuration in which `old` is `new`, and with its own again afterwards."""
    config = lab.fleet.agent(host).config
    own = config.read_text()
    assert old in own
    try:
        config.write_text(own.replace(old, new))
        reload(lab, host)
        yield
    finally:
        config.write_text(own)
        reload(lab, host)


def reload(lab: Lab, host: str) -> None:
    """The agent of a host reads its configuration again; returns when it has found a controller with that."""
    daemon = lab.fleet.agent(host)
    found = daemon.log.read_text().count('"controller found"')
    assert daemon.signal(signal.SIGHUP)
    until(lambda: daemon.log.read_text().count('"controller found"') > found, f"{host} begins anew")


@contextmanager
def cut_off(lab: Lab, host: str) -> Iterator[None]:
    """Nothing comes to a host or from it, as if it had lost its power."""
    link = ["ip", "-n", names.spine_namespace(lab.name), "link", "set", names.spine_link(host)]
    subprocess.run([*link, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run([*link, "up"], check=True)
