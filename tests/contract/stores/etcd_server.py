"""A real etcd for tests: its own folder, loopback ports of its own, ended by its process id."""

from __future__ import annotations

import http.client
import random
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 60.0


class EtcdServer:
    """One member, the only one of its cluster. Made running; `stop` and `start` it again to break connections.

    With `cluster` it is one of several, by the URLs at which each expects the others; it is
    then made at rest, listens to them at `peer`, and is healthy only when most of them run.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        scheme: str = "http",
        name: str = "tri",
        peer: str = "",
        cluster: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self._folder = folder
        self._options = options
        client, alone, metrics = free_ports(3)
        self.endpoint = f"{scheme}://127.0.0.1:{client}"
        self._peer = peer or f"http://127.0.0.1:{alone}"
        self._cluster = dict(cluster or [(name, self._peer)])
        self._health = metrics
        self._process: subprocess.Popen[bytes] | None = None
        if not cluster:
            self.start()

    def start(self, *options: str) -> None:
        """Start the process, with options of this time, and wait until it says that it is healthy."""
        self.launch(*options)
        self.wait()

    def launch(self, *options: str) -> None:
        """Start the process, with options of this time, and leave it to itself."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "etcd",
                    f"--name={self.name}",
                    f"--data-dir={self._folder / 'data'}",
                    f"--listen-client-urls={self.endpoint}",
                    f"--advertise-client-urls={self.endpoint}",
                    f"--listen-peer-urls={self._peer}",
                    f"--initial-advertise-peer-urls={self._cluster[self.name]}",
                    f"--initial-cluster={','.join(f'{name}={url}' for name, url in self._cluster.items())}",
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

    def wait(self) -> None:
        """Return when it says that it is healthy."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"etcd did not start; its log ends:\n{self._log.read_text()[-2000:]}")
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

    @property
    def endpoints(self) -> list[str]:
        """As a cluster has them."""
        return [self.endpoint]

    @property
    def runs(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._process is not None

    @property
    def _log(self) -> Path:
        return self._folder / "etcd.log"

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._health, timeout=1)
        try:
            connection.request("GET", "/health")
            return b"true" in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on, all held at once so that they differ.

    They lie below those that outgoing connections are given: none of these can take one
    while its server is away.
    """
    above = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            held = socket.socket()
            try:
                held.bind(("127.0.0.1", random.randrange(above // 2, above)))
            except OSError:
                held.close()
            else:
                sockets.append(held)
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
