"""The committed reference page of the tables is the one rendered from their declaration."""

from __future__ import annotations

from pathlib import Path

from triptych.core.tables import TABLES
from triptych.core.tables.reference import page


def test_the_committed_page_is_the_rendered_one(repository: Path) -> None:
    """docs/reference/tables.md follows the schema; `python -m triptych.core.tables.reference` renders it again."""
    assert (repository / "docs/reference/tables.md").read_text(encoding="utf-8") == page()


def test_the_page_names_every_field_of_every_table() -> None:
    """Each field stands on the page with its offset, size and meaning."""
    text = page()
    for table in TABLES:
        for fields in (table.key, table.value):
            offset = 0
            for field in fields:
                assert f"| {offset} | {field.size} | `{field.name}` |" in text
                assert field.doc in text
                offset += field.size
