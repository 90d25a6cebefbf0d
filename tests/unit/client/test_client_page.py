"""The page on the Python client, run against a real controller."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.cli.controlled import running_controller

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "client.md"


def test_the_example_does_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's example applies, gets, lists and watches."""
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with running_controller(tmp_path) as controller:
        here = f"Server({controller.url!r}, token={controller.token_file.read_text().strip()!r})"
        code, count = re.subn(r"Server\(\"https.*\)", here, example)
        names: dict[str, object] = {}
        exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - it is this project's own page
    assert count == 1
    assert names["hosts"] == ["192.0.2.1"]
    assert capsys.readouterr().out == "created hosts h1\n"
