"""A site of several machines: each a network namespace, and a mount namespace with folders of its own.

What a machine writes into /etc, /var/lib, /run, /opt and its BPF file system is its own and
vanishes with it. Commands run there as on a machine: `triptych` is this checkout,
`systemctl` is `service_manager`, `scp` copies between machines.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_MANAGER = Path(__file__).with_name("service_manager.py")
SECONDS = 120.0

_SETUP = """
set -eu
mount -t tmpfs -o mode=0755 tmpfs "$1"
for folder in etc var/lib root; do
  mkdir -p "$1/$folder/upper" "$1/$folder/work"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$1/$folder/upper,workdir=$1/$folder/work" overlay "/$folder"
done
# Whoever runs the tests may keep the interpreter to himself; a service has a user of its own.
chmod 0755 /root
mkdir -p "$1/bin" "$1/run" "$1/opt"
mount --bind "$1/run" /run
mount --bind "$1/opt" /opt
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
echo ready
exec sleep infinity
"""
_SCP = """#!/bin/sh
set -eu
test "$1" = -p
where="${3#root@}"
cp -p "$2" "/proc/$(cat "$SITE/${where%%:*}")/root${where#*:}"
"""


class Machine:
    """One machine of a site."""

    def __init__(self, name: str, address: str, namespace: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self._namespace = namespace
        self._folder = folder
        self._mount = folder / name
        self._mount.mkdir()
        self._keeper = subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", _SETUP, "sh", str(self._mount)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        assert line == "ready\n", f"machine {name} did not begin: {line!r}"
        (folder / address).write_text(str(self._keeper.pid))
        self._install()

    def run(self, script: str, **environment: str) -> str:
        """What a script prints, as root on this machine; AssertionError with all it said when any command fails."""
        done = subprocess.run(
            self._inside(f"cd {ROOT}\n{script}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
            env=self._environment() | environment,
        )
        assert done.returncode == 0, f"on {self.name}, exit code {done.returncode}:\n{script}\n{done.stdout}"
        return done.stdout

    def begin(self, script: str) -> subprocess.Popen[str]:
        """The same, going on; whoever begins it waits for its end."""
        return subprocess.Popen(
            self._inside(script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment()
        )

    def pids(self) -> set[int]:
        """The processes that are on this machine."""
        mine = Path(f"/proc/{self._keeper.pid}/ns/mnt").stat().st_ino
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "ns" / "mnt").stat().st_ino == mine:
                        found.add(int(entry.name))
                except OSError:
                    continue
        return found

    def power_off(self) -> None:
        """End everything that is on it, by number, and take its namespace away."""
        deadline = time.monotonic() + SECONDS
        while (left := self.pids() - {self._keeper.pid}) and time.monotonic() < deadline:
            for pid in left:
                _kill(pid)
            time.sleep(0.02)
        self._keeper.kill()
        self._keeper.communicate(timeout=SECONDS)
        subprocess.run(["ip", "netns", "delete", self._namespace], check=True)

    def _inside(self, script: str) -> list[str]:
        return ["nsenter", f"--target={self._keeper.pid}", "--mount", "--net", "sh", "-euc", script]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._mount}/bin:{os.environ['PATH']}",
            "HOME": "/root",
            "SITE": str(self._folder),
            "PYTHONPATH": str(ROOT / "src"),
            "LANG": "C.UTF-8",
        }

    def _install(self) -> None:
        """What the page's installation leaves."""
        triptych = f'#!/bin/sh\nexec {sys.executable} -m triptych "$@"\n'
        programs = {
            f"{self._mount}/bin/triptych": triptych,
            "/opt/triptych/bin/triptych": triptych,
            f"{self._mount}/bin/systemctl": f'#!/bin/sh\nexec {sys.executable} {_MANAGER} "$@"\n',
            f"{self._mount}/bin/scp": _SCP,
        }
        lines = ["mkdir -p /opt/triptych/bin /etc/systemd/system"]
        for path, text in programs.items():
            lines += [f"cat > {path} <<'END'", text.rstrip("\n"), "END", f"chmod 0755 {path}"]
        self.run("\n".join(lines))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def site(tag: str, addresses: Mapping[str, str], folder: Path) -> Iterator[dict[str, Machine]]:
    """Machines on one wire, by name; powered off at the end whatever happens."""
    with ExitStack() as stack:
        switch = f"tri-{tag}-wire"
        _ip("netns", "add", switch)
        stack.callback(_ip, "netns", "delete", switch)
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "link", "set", "br0", "up")
        machines = {}
        for name, address in addresses.items():
            namespace = f"tri-{tag}-{name}"
            _ip("netns", "add", namespace)
            undo = stack.enter_context(ExitStack())
            undo.callback(_ip, "netns", "delete", namespace)
            _ip("-n", switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _ip("-n", switch, "link", "set", name, "master", "br0", "up")
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")
            machines[name] = Machine(name, address, namespace, folder)
            undo.pop_all()
            stack.callback(machines[name].power_off)
        yield machines


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
