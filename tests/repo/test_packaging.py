"""What a newcomer's first commands rely on: the lock, the installers, the wheel, the pages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.unit.cli.controlled import Commands
from tools import check_docs
from triptych.core.verdicts import REASON_TEXT, Reason

ROOT = Path(__file__).resolve().parents[2]
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
_ADDRESS = re.compile(r"[a-z]+://|--(?:extra-)?index|--find-links|^-[ief] |^\s*/|@ ", re.MULTILINE)
_SHARED_PACKAGES = frozenset(
    "ca-certificates clang ethtool gcc git iperf3 iproute2 iputils-arping iputils-ping kmod libbpf-dev libc6-dev "
    "linux-libc-dev llvm make nftables openvswitch-switch python3 python3-venv sockperf systemd tcpdump "
    "traceroute".split()
)


@pytest.fixture
def page_commands() -> list[tuple[str, str]]:
    """Commands and their output, as the `console` blocks of all pages show them."""
    found: list[tuple[str, str]] = []
    for page in check_docs.pages():
        found += re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", page.read_text(encoding="utf-8"))
    return found


def requirements() -> list[list[str]]:
    """The lock, as one list of lines per requirement."""
    groups: list[list[str]] = []
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            groups[-1].append(line.strip())
        elif line and not line.startswith("#"):
            groups.append([line])
    return groups


def test_every_locked_package_has_hashes() -> None:
    """Every requirement in the lock is pinned to a version and carries at least one SHA-256."""
    bare = [
        lines[0]
        for lines in requirements()
        if not _REQUIREMENT.match(lines[0]) or not any(re.match(r"--hash=sha256:[0-9a-f]{64}\b", x) for x in lines[1:])
    ]
    assert bare == []


def test_lock_names_no_place() -> None:
    """The lock holds no address, no path and no option about where packages come from."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert _ADDRESS.findall(text) == []


def test_lock_holds_what_is_declared() -> None:
    """Every dependency that pyproject.toml declares, in any extra or group, is in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(item for extra in project["project"]["optional-dependencies"].values() for item in extra),
        *(item for group in project["dependency-groups"].values() for item in group if isinstance(item, str)),
    ]
    names = {match[0].lower() for item in declared if (match := re.match(r"[A-Za-z0-9._-]+", item))}
    locked = {match[1] for lines in requirements() if (match := _REQUIREMENT.match(lines[0]))}
    assert names - locked == set()


@pytest.mark.parametrize(
    ("identity", "own"),
    [
        ("ID=debian\nVERSION_CODENAME=bookworm", {"bpftool", "etcd-server"}),
        (
            "ID=ubuntu\nVERSION_CODENAME=jammy",
            {"etcd", "linux-tools-common", "linux-tools-generic", "python3.11", "python3.11-venv"},
        ),
        ("ID=ubuntu\nVERSION_CODENAME=noble", {"etcd-server", "linux-tools-common", "linux-tools-generic"}),
    ],
    ids=["debian-12", "ubuntu-22.04", "ubuntu-24.04"],
)
def test_packages_follow_the_release(identity: str, own: set[str], tmp_path: Path) -> None:
    """The installer names each supported release's own packages, next to those that all share."""
    release = tmp_path / "os-release"
    release.write_text(f"{identity}\nPRETTY_NAME=test\n")
    done = subprocess.run(
        ["sh", str(ROOT / "tools/install-packages.sh"), "--list"],
        env={**os.environ, "OS_RELEASE": str(release)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(done.stdout.split()) == own | _SHARED_PACKAGES


def test_unknown_system_is_told_what_to_do(tmp_path: Path) -> None:
    """On a system without os-release the installer stops with one line that points to the manual way."""
    done = subprocess.run(
        ["sh", str(ROOT / "tools/install-packages.sh")],
        env={**os.environ, "OS_RELEASE": str(tmp_path / "none")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "docs/howto/install.md" in done.stderr


def test_pages_refer_to_what_exists() -> None:
    """Every link, anchor, path and make target in the pages leads somewhere."""
    assert [fault for page in check_docs.pages() for fault in check_docs.faults(page)] == []


def test_reference_check_finds_faults(tmp_path: Path) -> None:
    """The check of references reports a dead link, a dead anchor, a missing file and a missing target, with lines."""
    (tmp_path / "Makefile").write_text("test:\n")
    page = tmp_path / "README.md"
    page.write_text(
        "# One\n[a](gone.md) [b](#two) [c](#one)\n`make nothing` `make test` `src/gone.py`\n```\n[d](x.md)\n```\n"
    )
    assert list(check_docs.faults(page, tmp_path)) == [
        "README.md:2: link to gone.md, which does not exist",
        "README.md:2: link to #two, a heading that README.md does not have",
        "README.md:3: the Makefile has no target 'nothing'",
        "README.md:3: there is no src/gone.py",
    ]


def test_tutorial_shows_its_own_documents() -> None:
    """The documents printed in the tutorial are the files that its commands use."""
    shown = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs/tutorial/first-network.md").read_text(encoding="utf-8"), re.DOTALL
    )
    files = ("docs/tutorial/first-network.yaml", "docs/tutorial/second-tenant.yaml")
    assert shown == [(ROOT / name).read_text(encoding="utf-8") for name in files]


def test_site_shows_every_page() -> None:
    """Every page below docs/ stands in the site's navigation; decisions are reached through their index."""
    listed = set(re.findall(r"([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    decisions = {page for page in pages if page.startswith("adr/0")}
    index = (ROOT / "docs/adr/index.md").read_text(encoding="utf-8")
    assert pages - decisions == listed
    assert [page for page in sorted(decisions) if f"({page.removeprefix('adr/')})" not in index] == []


def test_pages_show_what_commands_print(
    page_commands: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command that a page shows with its output prints exactly that."""
    assert len(page_commands) >= 5
    monkeypatch.chdir(ROOT)
    for command, shown in page_commands:
        program, *words = command.split()
        assert program == "triptych"
        done = Commands(tmp_path)(*words, COLUMNS="160")
        printed = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
        assert (command, printed, done.stderr) == (command, shown.splitlines(), "")


def test_drop_reasons_page_is_complete() -> None:
    """The page of drop reasons lists every number, name and sentence of the program, and no other."""
    page = (ROOT / "docs/reference/drops.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert listed == [(str(reason.value), reason.name, REASON_TEXT[reason]) for reason in Reason if reason]


def test_readme_commands_exist(tmp_path: Path) -> None:
    """Every `triptych` command that the front page and the tutorial show is one that the program has."""
    shown = set()
    for page in (ROOT / "README.md", ROOT / "docs/tutorial/first-network.md"):
        for words in re.findall(r"triptych ((?:lab )?[a-z]+)", page.read_text(encoding="utf-8")):
            shown.add(words)
    assert {"check", "lab up", "lab exec", "lab down", "tables", "trace", "explain"} <= shown
    for words in sorted(shown):
        done = Commands(tmp_path)(*words.split(), "--help")
        assert (words, done.returncode) == (words, 0), done.stderr


def test_the_installed_command_is_this_program(tmp_path: Path) -> None:
    """What installs as `triptych` says what the program here says."""
    installed = Path(sys.executable).with_name("triptych")
    done = subprocess.run([installed, "check", "--help"], check=True, capture_output=True, text=True)
    assert done.stdout == Commands(tmp_path)("check", "--help").stdout


def test_wheel_carries_the_object_and_the_licences(tmp_path: Path) -> None:
    """A built wheel holds the compiled eBPF object and all three licences."""
    copy = tmp_path / "copy"
    names = ("src", "bpf", "tools", "LICENSES", "LICENSE", "README.md", "pyproject.toml", "hatch_build.py")
    copy.mkdir()
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.o"))
        else:
            shutil.copy(source, copy / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "dist")],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held["triptych/drivers/ebpf/objects/triptych.bpf.o"][:4] == b"\x7fELF"
    licences = {Path(name).name for name in held if "/licenses/" in name}
    assert licences == {"LICENSE", "BSD-2-Clause.txt", "GPL-2.0-only.txt"}
