"""The controller as a process: how it begins, what it refuses, how it ends, and what outlives it."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from triptych.testing.certificates import Authority

SECONDS = 60


class Process:
    """A running controller. `lines` are those of its log so far."""

    def __init__(self, child: subprocess.Popen[str], scheme: str, verify: ssl.SSLContext | bool, token: Path) -> None:
        self.child = child
        self.lines: list[dict[str, Any]] = []
        ready = self.wait_for("ready")
        headers = {"authorization": f"Bearer {token.read_text().strip()}"}
        url = f"{scheme}://127.0.0.1:{ready['port']}"
        self.client = httpx.Client(base_url=url, headers=headers, verify=verify, timeout=SECONDS)

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"the controller ended with {self.child.wait()} before {event!r}: {self.lines}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code, once the log is read to its end."""
        self.child.send_signal(number)
        assert self.child.stderr is not None
        self.lines += [json.loads(line) for line in self.child.stderr]
        return self.child.wait(SECONDS)


def start(*flags: str) -> subprocess.Popen[str]:
    """A process with its log in a pipe."""
    command = [sys.executable, "-m", "triptych", "controller", *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@contextmanager
def running(folder: Path, *flags: str, verify: ssl.SSLContext | bool = True) -> Iterator[Process]:
    """A controller on loopback over a file in a folder."""
    token = folder / "token"
    child = start(
        "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder / 'c.db'}", "--bootstrap-token", str(token), *flags
    )  # fmt: skip
    try:
        process = Process(child, "http" if verify is True else "https", verify, token)
        with process.client:
            yield process
    finally:
        if child.poll() is None:
            child.kill()
        child.wait(SECONDS)
        assert child.stderr is not None
        child.stderr.close()


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    """After kill -9 a new process serves every acknowledged write, with the same token, and nothing half done."""
    with running(tmp_path) as first:
        for number in range(10):
            first.client.put(f"/v1/tenants/t{number}", json={}).raise_for_status()
        first.child.kill()
    with running(tmp_path) as second:
        names = [item["name"] for item in second.client.get("/v1/tenants").json()["items"]]
        assert names == [f"t{number}" for number in range(10)]
        assert second.end() == 0


def test_it_ends_gracefully(tmp_path: Path) -> None:
    """SIGTERM ends watches, lets the log say so, and answers exit code 0 within the time of grace."""
    with running(tmp_path) as process, process.client.stream("GET", "/v1/watch") as watch:
        lines = watch.iter_lines()
        assert next(lines) == "retry: 1000"
        assert process.client.get("/readyz").text == "ok\n"
        assert process.end() == 0
        assert not [line for line in lines if line.startswith("data")]
        assert [line["event"] for line in process.lines if line["event"] != "request"][-1] == "stopping"
        with pytest.raises(httpx.TransportError):
            process.client.get("/healthz")


def test_secrets_are_not_in_the_log(tmp_path: Path) -> None:
    """Neither the token of a request nor the one just made is in any line, failures included."""
    with running(tmp_path, "--log-level", "debug") as process:
        made = process.client.post("/v1/tokens", json={"name": "ci", "role": "viewer"}).json()["secret"]
        process.client.get("/v1/hosts", headers={"authorization": f"Bearer {made}"}).raise_for_status()
        process.client.get("/v1/nothing")
        process.client.get(f"/v1/hosts?token={made}")
        assert process.end() == 0
        log = json.dumps(process.lines)
        assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
        for secret in (made, (tmp_path / "token").read_text().strip()):
            assert secret.partition(".")[2] not in log
        requests = [line for line in process.lines if line["event"] == "request"]
        assert [(line["method"], line["status"]) for line in requests][:2] == [("POST", 201), ("GET", 200)]
        assert len({line["request"] for line in requests}) == len(requests)


def test_tls(tmp_path: Path) -> None:
    """With a certificate it answers by TLS alone, on loopback too."""
    authority = Authority()
    issued = authority.controller()
    (tmp_path / "api.crt").write_bytes(issued.certificate)
    (tmp_path / "api.key").write_bytes(issued.key)
    (tmp_path / "c.toml").write_text(f'[tls]\ncertificate = "{tmp_path}/api.crt"\nkey = "{tmp_path}/api.key"\n')
    trust = ssl.create_default_context(cadata=authority.certificate.decode())
    with running(tmp_path, "--config", str(tmp_path / "c.toml"), verify=trust) as process:
        assert process.client.get("/v1/hosts").status_code == 200
        plain = str(process.client.base_url).replace("https", "http")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{plain}/healthz")
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{process.client.base_url}/healthz")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--listen", "0.0.0.0:0"), 2, "listen '0.0.0.0:0': others can reach it, so it needs TLS"),
        (("--listen", "127.0.0.1:0", "--store", "sqlite:/proc/none/c.db"), 1, "store 'sqlite:/proc/none/c.db'"),
        (("--config", "/nonexistent.toml"), 1, "/nonexistent.toml: there is no such file"),
        (("--southbound", "127.0.0.1:0"), 2, "agents connect by mutual TLS"),
    ],
)
def test_what_it_refuses_to_begin_with(flags: tuple[str, ...], code: int, said: str) -> None:
    """What is wrong or unsafe is one line on stderr, and exit code 2 if it is a flag; nothing listens or is made."""
    with start(*flags) as child:
        assert child.stderr is not None
        *_, last = child.stderr.read().splitlines()
        assert child.wait(SECONDS) == code
    # The command line speaks of what it was given, the controller of what it met.
    assert last.partition(": ")[0] in ("triptych", "triptych controller")
    assert said in last


def test_one_controller_for_one_file(tmp_path: Path) -> None:
    """A second controller on the same file is told which process has it, and the first is not disturbed."""
    with running(tmp_path) as first:
        second = start("--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path / 'c.db'}")
        with second:
            assert second.stderr is not None
            said = second.stderr.read()
            assert second.wait(SECONDS) == 1
        assert str(first.child.pid) in said
        assert first.client.put("/v1/tenants/t", json={}).status_code == 201


def test_nobody_is_locked_out_at_the_first_start(tmp_path: Path) -> None:
    """A file in the way of the first token is refused with what to do; once it is away, the next start makes both."""
    flags = ("--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path / 'c.db'}")
    token = tmp_path / "token"
    token.touch()
    with start(*flags, "--bootstrap-token", str(token)) as child:
        assert child.stderr is not None
        *_, last = child.stderr.read().splitlines()
        assert child.wait(SECONDS) == 1
    assert f"bootstrap_token {token}: is there already" in last
    token.unlink()
    with running(tmp_path) as process:
        assert [item["name"] for item in process.client.get("/v1/tokens").json()] == ["bootstrap"]
        assert process.end() == 0


def test_it_answers_who_waits_when_it_ends(tmp_path: Path) -> None:
    """A write that waits for hosts when SIGTERM comes is answered at once as done, with the hosts that are late."""
    with running(tmp_path, "--grace-seconds", "60", "--rate", "0") as process, ThreadPoolExecutor(1) as pool:
        hosts = [{"name": "h1", "underlay": "192.0.2.1"}]
        network = {"hosts": hosts, "tenants": [{"name": "t"}], "segments": [{"tenant": "t", "name": "s"}]}
        process.client.post("/v1/apply", json=network).raise_for_status()
        port = {"segment": "s", "host": "h1"}
        waiting = pool.submit(process.client.put, "/v1/ports/t/p", json=port, params={"wait": 120})
        while process.client.get("/v1/ports/t/p").status_code != 200:
            assert not waiting.done()
        begun = time.monotonic()
        assert process.end() == 0
        assert time.monotonic() - begun < 40
        answer = waiting.result(SECONDS)
        assert (answer.status_code, answer.json()["laggards"]) == (201, ["h1"])
        assert not [line for line in process.lines if line.get("level") == "error" or "exception" in line]
