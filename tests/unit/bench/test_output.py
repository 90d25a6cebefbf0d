"""What the command of the bench prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from triptych.bench import commands
from triptych.bench.model import Options, Run


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_raw_data_are_printed_as_asked(
    form: str, read: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """As JSON and as YAML the same data stand on standard output that are kept in the file."""
    made = Run(kind="rows", started="2026-01-02T03:04:05Z", options=Options(plots=False), machine={"cpus": 2})
    monkeypatch.setattr(commands, "run", lambda *_: made)
    assert commands.main(["rows", "--no-plots", "-o", form, "--output-dir", str(tmp_path)]) == 0
    printed, _ = capfdbinary.readouterr()
    (directory,) = tmp_path.iterdir()
    assert callable(read)
    assert read(printed) == json.loads((directory / "raw.json").read_text(encoding="utf-8"))
