"""A table of a daemon's settings, rendered from their declaration: what the reference page has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from triptych.daemon.declared import Setting
from triptych.daemon.settings import Settings

_TYPES = {int: "whole number", float: "number", str: "text", Path: "path", tuple: "list"}


def table(settings: Settings[Any]) -> str:
    """A Markdown table with a line for each setting, those of a section below its name."""
    # As in the file: what stands in no section first.
    return "\n".join(_lines(sorted(settings.all, key=lambda item: "." in item.key), settings.prefix))


def _lines(settings: Iterable[Setting], prefix: str) -> Iterator[str]:
    section = ""
    yield from _head()
    for setting in settings:
        before, _, _ = setting.key.rpartition(".")
        if before != section:
            section = before
            yield from ("", f"In the section `[{section}]`:", "", *_head())
        name = setting.key.rpartition(".")[2]
        cells = (
            f"`{name}`",
            _TYPES[setting.base],
            _default(setting),
            setting.meaning.replace("|", "\\|"),
            f"`{setting.variable(prefix)}`",
            f"`{setting.flag}`",
        )
        yield f"| {' | '.join(cells)} |"


def _head() -> tuple[str, str]:
    return "| setting | type | default | meaning | variable | flag |", "| --- | --- | --- | --- | --- | --- |"


def _default(setting: Setting) -> str:
    if setting.default is msgspec.NODEFAULT:
        return "must be given with the section" if "." in setting.key else "must be given"
    value = setting.default
    if value is None or value in ("", ()):
        return "none"
    return f"`{value}`"
