"""A real etcd for tests: its own folder, loopback ports of its own, ended by its process id."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 30.0


class EtcdServer:
    """One member. Made running; `stop` and `start` it again on the same data to break connections."""

    def __init__(self, folder: Path, *options: str, scheme: str = "http") -> None:
        self._folder = folder
        self._options = options
        client, peer, metrics = _free_ports(3)
        self.endpoint = f"{scheme}://127.0.0.1:{client}"
        self._peer = f"http://127.0.0.1:{peer}"
        self._health = metrics
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self, *options: str) -> None:
        """Start the process, with options of this time, and wait until it says that it is healthy."""
        log = self._folder / "etcd.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "etcd",
                    "--name=tri",
                    f"--data-dir={self._folder / 'data'}",
                    f"--listen-client-urls={self.endpoint}",
                    f"--advertise-client-urls={self.endpoint}",
                    f"--listen-peer-urls={self._peer}",
                    f"--initial-advertise-peer-urls={self._peer}",
                    f"--initial-cluster=tri={self._peer}",
                    f"--listen-metrics-urls=http://127.0.0.1:{self._health}",
                    # A lease lives at least one and a half election timeouts: so one of a second is one.
                    "--heartbeat-interval=20",
                    "--election-timeout=200",
                    *self._options,
                    *options,
                ],
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"etcd did not start; its log ends:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send the process a signal: with SIGSTOP connections stay, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End the process as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._health, timeout=1)
        try:
            connection.request("GET", "/health")
            return b"true" in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on, all held at once so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
