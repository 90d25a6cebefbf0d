"""What the source tree promises of itself: documented, small, finished, and importing inward."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from triptych.core.verdicts import REASON_TEXT, Event, Reason, Verdict

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "triptych"
LONGEST = 450
_UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", r"(?<!X)" + "X" * 3 + r"\b", "HA" + "CK")))
_SUFFIXES = {".py", ".c", ".h", ".sh", ".proto"}


def sources(*folders: str, suffixes: frozenset[str] | set[str] = frozenset({".py"})) -> list[Path]:
    """The hand-written files below some folders of the checkout."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    assert found
    return sorted(found)


def module_name(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_public(node: ast.AST) -> bool:
    """A function or class whose name has no leading underscore."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")


def test_every_test_states_its_claim() -> None:
    """Every test function has a docstring whose first line is one sentence."""
    silent = []
    for path in sources("tests"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                claim = ast.get_docstring(node)
                if not claim or not claim.rstrip().endswith((".", "!", "?")):
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []


EXCUSES = {"skip", "skipif", "skipIf", "skipUnless", "SkipTest", "xfail", "importorskip", "expectedFailure"}
RUNNERS = {"pytest", "_pytest", "unittest"}


def excuses(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and name of everything by which a test would not run, or not count."""
    ours: set[str] = set()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours |= {name.asname or name.name for name in node.names if name.name.split(".")[0] in RUNNERS}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in RUNNERS:
            ours |= {name.asname or name.name for name in node.names}
            found += [(node.lineno, name.name) for name in node.names if name.name in EXCUSES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in EXCUSES and ast.unparse(node).split(".")[0] in ours:
            found.append((node.lineno, node.attr))
    return found


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """No test is skipped or marked as failing: what cannot run is refused aloud, what fails is mended."""
    found = []
    for path in sources("tests"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(ROOT)}:{line} {name}" for line, name in excuses(tree)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\npytest.skip('no root')",
        "import pytest\n@pytest.mark.skipif(True)\ndef test(): ...",
        "from pytest import importorskip",
        "from pytest import mark as m\n@m.xfail\ndef test(): ...",
        "import pytest as p\np.skip('no root')",
        "import unittest\nunittest.skip('no root')",
        "from unittest import SkipTest",
    ],
)
def test_every_way_to_excuse_a_test_is_seen(text: str) -> None:
    """A skip is found under whatever name the runner is imported, and a method of that name of ours is left alone."""
    assert len(excuses(ast.parse(text))) == 1
    assert excuses(ast.parse("counter.skip(3)")) == []


def test_files_stay_small() -> None:
    """No hand-written source file is longer than the limit."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("src", "bpf", "tests", "tools", suffixes=_SUFFIXES)
    }
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_public_things_are_documented() -> None:
    """Every public module, class, function and method of the package has a docstring."""
    silent = []
    for path in sources("src"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if ast.get_docstring(tree) is None and path.stat().st_size:
            silent.append(str(path.relative_to(ROOT)))
        scopes: list[ast.AST] = [tree]
        while scopes:
            for node in ast.iter_child_nodes(scopes.pop()):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and is_public(node):
                    if ast.get_docstring(node) is None:
                        silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
                    if isinstance(node, ast.ClassDef):
                        scopes.append(node)
    assert silent == []


def test_nothing_is_unfinished() -> None:
    """No file carries a note that something is still to be done; that belongs in an issue."""
    found = []
    for path in sources("src", "bpf", "tests", "tools", "docs", suffixes={*_SUFFIXES, ".md"}):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _UNFINISHED.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()}")
    assert found == []


@pytest.mark.parametrize("path", [path for path in sources("src") if path.stem != "__main__"], ids=module_name)
def test_export_list_is_importable(path: Path) -> None:
    """A module's `__all__` names things that it has, each once."""
    module = importlib.import_module(module_name(path))
    exported = list(getattr(module, "__all__", ()))
    assert [name for name, count in Counter(exported).items() if count > 1] == []
    assert [name for name in exported if not hasattr(module, name)] == []


@pytest.mark.parametrize("numbers", [Reason, Verdict, Event], ids=lambda cls: cls.__name__)
def test_numbers_are_used_once(numbers: type[Reason] | type[Verdict] | type[Event]) -> None:
    """No verdict, drop reason or event shares its number with another (an alias would hide it)."""
    assert [name for name, member in numbers.__members__.items() if member.name != name] == []


def test_every_drop_reason_is_explained() -> None:
    """Every drop reason has its own sentence for people, and no sentence stands for two."""
    assert set(REASON_TEXT) == set(Reason)
    assert [text for text, count in Counter(REASON_TEXT.values()).items() if count > 1] == []


def test_core_imports_nothing_that_acts() -> None:
    """`core` and `errors` import msgspec, numpy, themselves and modules of the standard library without effects."""
    allowed = {
        "__future__", "abc", "array", "bisect", "collections", "contextlib", "copy", "dataclasses", "difflib", "enum",
        "functools", "hashlib", "heapq", "ipaddress", "itertools", "math", "msgspec", "numpy", "operator", "re",
        "string", "struct", "sys", "types", "typing", "urllib.parse",
    }  # fmt: skip
    found = []
    for path in [PACKAGE / "errors.py", *sorted((PACKAGE / "core").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in names:
                ours = name == "triptych.errors" or name.startswith("triptych.core")
                if not ours and not allowed.intersection((name, name.partition(".")[0])):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert found == []


def test_bpf_sources_name_their_licence() -> None:
    """Every BPF source begins with its dual licence, without which the kernel lends no GPL helpers."""
    line = "/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */"
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources("bpf", suffixes={".c", ".h"})
        if path.read_text(encoding="utf-8").splitlines()[0] != line
    ]
    assert wrong == []


def test_version_is_said_once() -> None:
    """The version stands in the package alone; pyproject.toml takes it from there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/triptych/__init__.py"
