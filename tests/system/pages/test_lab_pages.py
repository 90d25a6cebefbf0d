"""The tutorial and the page on labs, block by block, as somebody follows them in one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from triptych.lab import Lab

ROOT = Path(__file__).resolve().parents[3]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-network.md"
LAB_PAGE = ROOT / "docs" / "howto" / "lab.md"
_BLOCK = re.compile(r'^```(sh|python)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
MOVED = "/tmp/moved.yaml"  # noqa: S108 -- what the reader types
SECONDS = 250.0
FAILS = "fails, as it should"
FOREVER = "goes on until interrupted"
_RECEIVED = re.compile(r"RX:.*\n +\d+ +(\d+)")
_LINK = re.compile(r"lladdr (\S+)")


def blocks(page: Path, language: str) -> Iterator[tuple[str, str, str]]:
    """Heading, title and text of each block in a language."""
    for part in re.split(r"^##? ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        yield from ((heading, title, text) for kind, title, text in _BLOCK.findall(part) if kind == language)


def script(page: Path) -> str:
    """The page in one shell: a heading before each block, an end at the first command that does what it should not."""
    lines = ["set -eu"]
    for heading, title, text in blocks(page, "sh"):
        lines.append(f"echo '### {heading}'")
        if title == FAILS:
            lines += [f"if ( set -e; {text} ); then echo 'this did not fail'; exit 90; fi"]
        elif title == FOREVER:
            lines += [f"timeout --signal=INT 2 {text.strip()} || test $? = 124"]
        else:
            lines.append(text)
    return "\n".join(lines)


def followed(page: Path, lab: str, folder: Path) -> dict[str, str]:
    """What is printed under each heading of a page, in a shell whose labs have a name of their own."""
    text = script(page).replace(MOVED, str(folder / "moved.yaml"))
    (folder / "triptych").write_text(f'#!/bin/sh\nexec {sys.executable} -m triptych "$@"\n')
    (folder / "triptych").chmod(0o755)
    path = f"{folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {
        "PATH": path, "HOME": str(folder), "TRIPTYCH_LAB": lab, "PYTHONPATH": str(ROOT / "src"), "LANG": "C.UTF-8",
    }  # fmt: skip
    try:
        done = subprocess.run(
            ["sh", "-c", text],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=400,
        )
    finally:
        Lab.remove(lab)
    assert done.returncode == 0, done.stdout
    shown: dict[str, str] = {}
    for part in done.stdout.split("### ")[1:]:
        heading, _, said = part.partition("\n")
        shown[heading] = shown.get(heading, "") + said
    return shown


@pytest.mark.timeout(500)
def test_the_tutorial_does_what_it_says(tag: str, tmp_path: Path) -> None:
    """From nothing to two tenants: every command succeeds or fails as the page says, and shows what it promises."""
    shown = followed(TUTORIAL, f"{tag}-tutorial", tmp_path)
    assert shown["2. Run it"].count(" 0% packet loss") == 3
    asked = shown["3. Ask who keeps it so"]
    assert "2 of 2 hosts connected, 2 up to date" in asked
    assert "acme" in asked
    assert "controller  heard" in asked
    wanted, actual = shown["4. Look at the tables"].split("locations of h1: ")[1:]
    assert actual.strip() == wanted.strip()
    second = shown["6. A second tenant"]
    assert "live: every host concerned has programmed revision" in second
    assert [line.split() for line in second.splitlines() if line.startswith(("(network)", "h1  ", "h2  "))][:3] == [
        ["(network)", "+3", "+3", "+1"],
        ["h1", "+3", "+3", "+1"],
        ["h2", "+3", "+3", "+1"],
    ]
    before, after = _RECEIVED.findall(second)
    assert before == after
    acme, globex = _LINK.findall(second)
    assert acme != globex
    assert "Destination Net Unreachable" in second
    assert re.search(r"acme/web-1 +spoofed_(ip|arp) +[1-9]", shown["7. Break it, and find out why"])
    moved = shown["8. Change it while it runs"]
    assert "~ port acme/db-1  host" in moved
    assert [line.split() for line in moved.splitlines() if line.startswith(("(network)", "h1  ", "h2  "))][:3] == [
        ["(network)", "~1", "·", "·"],
        ["h1", "~1", "·", "·"],
        ["h2", "~1", "·", "·"],
    ]
    assert "delivered to acme/db-1" in moved


@pytest.mark.timeout(500)
def test_the_page_on_labs_does_what_it_says(tag: str, tmp_path: Path) -> None:
    """Every command of the page succeeds in its order, the real lab and the simulated one."""
    shown = followed(LAB_PAGE, f"{tag}-page", tmp_path)
    assert "3 of 3 hosts connected, 3 up to date" in shown["Its controller and agents"]
    assert "mtu 1450" in shown["Sizes"]
    assert "delivered to acme/db-2" in shown["Without root"]


@pytest.mark.timeout(300)
def test_the_python_of_the_page_on_labs_runs(tag: str, tmp_path: Path) -> None:
    """The example runs to its end and leaves no lab; that of a test is one that passes."""
    (_, _, example), (_, _, fixture) = blocks(LAB_PAGE, "python")
    name = f"{tag}-python"
    (tmp_path / "test_example.py").write_text(fixture)
    try:
        run(sys.executable, "-c", example.replace('"mine"', f'"{name}"'))
        assert name not in {entry.name for entry in Lab.list()}
    finally:
        Lab.remove(name)
    # A configuration of its own: this project's is not the reader's.
    words = ("-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-q")
    said = run(sys.executable, "-m", "pytest", *words, str(tmp_path / "test_example.py"))
    assert "1 passed" in said


def run(*words: str) -> str:
    """What a command in the checkout prints; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
