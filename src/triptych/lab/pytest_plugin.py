"""Labs as pytest fixtures: `lab` for one test, `module_lab` for all tests of a file.

Both are functions from a network to a running lab. The name is made here and holds
the process number, so that test runs go side by side; what was made is taken down at
the end, whatever happened. Use them with `pytest_plugins = ["triptych.lab.pytest_plugin"]`
in the top conftest, or by importing the fixtures into a conftest further down.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from itertools import count

import pytest

from triptych.core.model import Network
from triptych.lab.lab import Lab

_numbers = count(1)


class LabMaker:
    """Brings labs up under names of this process: the same `name` again changes that lab in place."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(
        self,
        network: Network,
        name: str = "",
        *,
        driver: str = "ebpf",
        control: str = "direct",
        underlay_mtu: int | None = None,
        taps: Collection[str] = (),
    ) -> Lab:
        """A running lab of this network; the options are those of `Lab.up`."""
        return Lab.up(
            self.full_name(name), network, driver=driver, control=control, underlay_mtu=underlay_mtu, taps=taps
        )

    def full_name(self, name: str = "") -> str:
        """What the lab that tests call `name` is called on this machine."""
        if name not in self._names:
            self._names[name] = f"t{os.getpid()}-{next(_numbers)}"
        return self._names[name]

    def down(self) -> None:
        """Take all of them down; what fails for one does not spare the others."""
        errors = []
        for name in self._names.values():
            try:
                Lab.remove(name)
            except Exception as error:  # noqa: BLE001 - raised below, when the others are down
                errors.append(error)
        if errors:
            raise ExceptionGroup("labs that could not be taken down", errors)


def _maker() -> Iterator[LabMaker]:
    maker = LabMaker()
    try:
        yield maker
    finally:
        maker.down()


lab = pytest.fixture(_maker, name="lab")
"""Labs of one test."""

module_lab = pytest.fixture(_maker, name="module_lab", scope="module")
"""Labs that the tests of one file share; they must leave them as they were."""
