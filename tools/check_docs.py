"""Check that what the Markdown pages refer to exists: links, anchors, files and make targets.

Printed as `file:line: what`; exit code 1 when anything is found.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"#{1,6} +(.*)")
_MAKE = re.compile(r"`make ([a-z][a-z-]*)`")
_PATH = re.compile(r"`((?:src|bpf|docs|tests|tools|examples|changes|\.ci)/[\w./-]+)`")
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def pages(root: Path = ROOT) -> list[Path]:
    """Every Markdown page of the project, folders that tools made left out."""
    top = sorted(root.glob("*.md"))
    rooms = [
        path for room in ("docs", "changes", "examples", "LICENSES") for path in sorted((root / room).rglob("*.md"))
    ]
    return top + rooms


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, code blocks left out."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make (the rule of Python-Markdown's toc)."""
    found = set()
    for _, line in prose(page.read_text(encoding="utf-8")):
        heading = _HEADING.match(line)
        if heading:
            words = re.sub(r"[^\w\s-]", "", heading[1].lower()).strip()
            found.add(re.sub(r"[-\s]+", "-", words))
    return found


def faults(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Everything that a page refers to and that is not there."""
    targets = set(_TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))
    for number, line in prose(page.read_text(encoding="utf-8")):
        where = f"{page.relative_to(root)}:{number}"
        for link in _LINK.findall(line):
            if not re.match(r"[a-z]+:", link):
                yield from (f"{where}: {fault}" for fault in _link_faults(page, link))
        for target in _MAKE.findall(line):
            if target not in targets:
                yield f"{where}: the Makefile has no target {target!r}"
        for path in _PATH.findall(line):
            if not (root / path).exists():
                yield f"{where}: there is no {path}"


def _link_faults(page: Path, link: str) -> Iterator[str]:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists():
        yield f"link to {name}, which does not exist"
    elif anchor and target.suffix == ".md" and anchor not in anchors(target):
        yield f"link to #{anchor}, a heading that {target.name} does not have"


def main() -> int:
    """Check every page."""
    found = [fault for page in pages() for fault in faults(page)]
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"check_docs: {len(pages())} pages, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
