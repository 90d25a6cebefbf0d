"""The pages of the reference that are made from code are those that the code makes now."""

from __future__ import annotations

import re
from pathlib import Path

from tools.write_reference import FOLDER, pages
from triptych.agent.config import SETTINGS as AGENT
from triptych.controller.config import SETTINGS as CONTROLLER
from triptych.core.verdicts import Event


def test_committed_pages_are_those_that_are_made() -> None:
    """`make reference` would change nothing."""
    made = pages()
    assert len(made) >= 4
    assert [path.name for path in made if path.read_text(encoding="utf-8") != made[path]] == []


def test_every_setting_is_on_the_page() -> None:
    """Each setting of both daemons stands there with its variable and its flag."""
    text = (FOLDER / "settings.md").read_text(encoding="utf-8")
    for settings in (AGENT, CONTROLLER):
        for setting in settings.all:
            assert f"| `{setting.variable(settings.prefix)}` | `{setting.flag}` |" in text


def test_every_event_is_explained(repository: Path) -> None:
    """Each value that the label `event` can have stands on the page about the agent."""
    page = (repository / "docs/howto/agent.md").read_text(encoding="utf-8")
    table = page.partition("| label | value | meaning |")[2].partition("| `fault`")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) >= {event.name.lower() for event in Event}
