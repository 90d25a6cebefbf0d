"""What all tests share: the mark for those that need root, unique names, and the guard against leftovers.

Whatever a test makes outside its process carries `tri-`, and the `tag` of this
process, so that several runs can share a machine and each cleans up after itself
alone.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import EXAMPLES

ROOT = Path(__file__).resolve().parent.parent
NEEDS_ROOT = frozenset({"dataplane", "system"})
"""Folders of tests that make namespaces or kernel maps."""

_NAMESPACES = Path("/run/netns")
_LINKS = Path("/sys/class/net")
_PINS = Path("/sys/fs/bpf")

# A shared or slow machine is no fault: work is counted, not timed. In CI the same examples every time.
settings.register_profile(
    "triptych",
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
)
settings.load_profile("triptych")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the folders that need root, so that `-m "not root"` leaves them out."""
    for item in items:
        parts = item.path.relative_to(ROOT / "tests").parts
        if parts[0] in NEEDS_ROOT:
            item.add_marker(pytest.mark.root)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run what needs root without it: such a test would fail for the wrong reason, or be skipped unseen."""
    chosen = sum(item.get_closest_marker("root") is not None for item in session.items)
    if chosen and os.geteuid() != 0 and not session.config.option.collectonly:
        raise pytest.UsageError(f'{chosen} of the chosen tests need root; leave them out with -m "not root"')
    # What is loaded now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()


def leftovers() -> frozenset[str]:
    """Every namespace, link and pin directory that carries the prefix now."""
    found = set()
    for kind, folder in (("namespace", _NAMESPACES), ("link", _LINKS), ("pin", _PINS)):
        if folder.is_dir():
            found |= {f"{kind} {path.name}" for path in folder.iterdir() if path.name.startswith("tri-")}
        if kind == "pin" and (folder / "triptych").is_dir():
            found |= {f"pin triptych/{path.name}" for path in (folder / "triptych").iterdir()}
    return frozenset(found)


def is_ours(name: str) -> bool:
    """True when a leftover's name holds the number of this process."""
    return re.search(rf"(?<!\d){os.getpid()}(?!\d)", name) is not None


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail the run when a namespace, link or pin that it made is still there at its end.

    On a shared machine only names that hold this process's number are ours for sure; in
    CI nobody else makes any, so every new one counts.
    """
    before = leftovers()
    yield
    new = leftovers() - before
    alone = os.environ.get("CI") == "true" and "PYTEST_XDIST_WORKER" not in os.environ
    left = sorted(name for name in new if alone or is_ours(name))
    assert not left, f"left behind by this run: {', '.join(left)}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def tag() -> str:
    """What names made outside this process carry besides `tri-`; short enough for an interface name."""
    return f"t{os.getpid()}"
