"""What `systemctl` does, as far as this project's units ask for it, for machines without an init of their own.

It goes by the unit's file alone (user, capabilities, folders, readiness, restarts), so that
what a test shows is what the unit says. A directive that it neither honours nor knows to
be of no consequence here is refused: a unit cannot grow past its test unseen.
"""

from __future__ import annotations

import configparser
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
RUN = Path("/run/units")
SECONDS = 90.0

_HONOURED = {
    "Type", "ExecStart", "EnvironmentFile", "Restart", "RestartSec", "User", "Group", "UMask", "KillMode",
    "StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve",
    "CapabilityBoundingSet", "AmbientCapabilities", "NoNewPrivileges", "TimeoutStartSec", "TimeoutStopSec",
}  # fmt: skip
_ELSEWHERE = {
    "ExecReload", "LimitNOFILE", "LimitMEMLOCK", "OOMScoreAdjust", "ProtectSystem", "ProtectHome", "PrivateTmp",
    "PrivateDevices", "PrivateUsers", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
    "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProcSubset", "ReadWritePaths", "RemoveIPC",
    "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
    "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber",
}  # fmt: skip
"""Limits of what a process may reach; `systemd-analyze` judges these."""


class Unit:
    """A service by its file."""

    def __init__(self, name: str) -> None:
        self.name = name.removesuffix(".service")
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        with (UNITS / f"{self.name}.service").open() as file:
            parser.read_file(file)
        self.options = dict(parser["Service"])
        unknown = set(self.options) - _HONOURED - _ELSEWHERE
        if unknown:
            raise SystemExit(f"{name}: nobody tests {', '.join(sorted(unknown))}")
        self.folder = RUN / self.name

    def path(self, what: str) -> Path:
        """Where something about it is kept."""
        return self.folder / what

    def folders(self) -> None:
        """Make its folders, as their owner wants them."""
        user = pwd.getpwnam(self.options.get("User", "root"))
        for option, below in (("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")):
            if option in self.options:
                path = Path(below, self.options[option])
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(int(self.options.get(f"{option}Mode", "0755"), 8))
                os.chown(path, user.pw_uid, user.pw_gid)

    def command(self) -> list[str]:
        """What is executed: the command with the rights that the unit leaves it."""
        words = ["setpriv", "--no-new-privs"] if self.options.get("NoNewPrivileges") == "yes" else ["setpriv"]
        bounding = self.options.get("CapabilityBoundingSet")
        if bounding is not None:
            kept = [f"+{word.removeprefix('CAP_').lower()}" for word in bounding.split()]
            words += ["--bounding-set", ",".join(["-all", *kept]), "--inh-caps", "-all"]
        if "User" in self.options:
            words += ["--reuid", self.options["User"], "--regid", self.options["Group"], "--clear-groups"]
        return [*words, "--", *shlex.split(self.options["ExecStart"])]


def supervise(unit: Unit) -> None:
    """Run it, again whenever it ends, until told to stop."""
    address = unit.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as said:
        said.bind(str(address))
        address.chmod(0o777)
        said.settimeout(0.05)
        environment = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LANG")}
        while not unit.path("stop").exists():
            unit.folders()
            with unit.path("log").open("ab") as log:
                process = subprocess.Popen(
                    unit.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={**environment, "NOTIFY_SOCKET": str(address)},
                    umask=int(unit.options["UMask"], 8),
                )
            unit.path("pid").write_text(str(process.pid))
            while process.poll() is None:
                try:
                    if b"READY=1" in said.recv(4096):
                        unit.path("ready").touch()
                except TimeoutError:
                    continue
            unit.path("ready").unlink(missing_ok=True)
            if not unit.path("stop").exists():
                time.sleep(float(unit.options["RestartSec"]))
    unit.path("ended").touch()


def start(unit: Unit) -> None:
    """Begin it and wait until it says that it is ready."""
    shutil.rmtree(unit.folder, ignore_errors=True)
    unit.folder.mkdir(parents=True)
    unit.folder.chmod(0o755)
    subprocess.Popen(
        [sys.executable, __file__, "supervise", unit.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait(unit, "ready")


def stop(unit: Unit) -> None:
    """End it for good."""
    unit.path("stop").touch()
    os.kill(int(unit.path("pid").read_text()), signal.SIGTERM)
    wait(unit, "ended")


def wait(unit: Unit, mark: str) -> None:
    """Until something happened; its log when it does not."""
    deadline = time.monotonic() + SECONDS
    while not unit.path(mark).exists():
        if time.monotonic() > deadline:
            log = unit.path("log")
            raise SystemExit(f"{unit.name} is not {mark}: {log.read_text() if log.exists() else 'it said nothing'}")
        time.sleep(0.02)


def main(verb: str, *words: str) -> None:
    """`systemctl VERB [OPTIONS] UNIT`."""
    if verb == "daemon-reload":
        return
    unit = Unit(words[-1])
    match verb:
        case "enable" if words[0] == "--now":
            start(unit)
        case "start":
            start(unit)
        case "reload":
            if unit.options["ExecReload"] != "/bin/kill -HUP $MAINPID":
                raise SystemExit(f"{unit.name}: nobody tests this ExecReload")
            os.kill(int(unit.path("pid").read_text()), signal.SIGHUP)
        case "stop":
            stop(unit)
        case "restart":
            stop(unit)
            start(unit)
        case "kill":
            number = signal.Signals[f"SIG{words[0].removeprefix('--signal=')}"]
            os.kill(int(unit.path("pid").read_text()), number)
        case "supervise":
            supervise(unit)
        case _:
            raise SystemExit(f"systemctl {verb}: no page asks for it")


if __name__ == "__main__":
    main(*sys.argv[1:])
