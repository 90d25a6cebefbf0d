"""A client of the agent's socket: one request at a time, one line each way."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from triptych.client.local.messages import (
    LONGEST_REPLY,
    LONGEST_WAIT,
    Attach,
    Detach,
    Done,
    Listing,
    ListPorts,
    LocalPortStatus,
    ReadRows,
    Refused,
    Reply,
    Request,
    RowsReply,
    Status,
    StatusReply,
)
from triptych.core.tables import TABLES, TableSet
from triptych.errors import EnvironmentError_, InputError

SOCKET = Path("/run/triptych/agent.sock")
_GRACE = 10.0
"""Seconds that an answer may take besides what the request waits for."""

R = TypeVar("R", bound=Reply)
_decoder = msgspec.json.Decoder(Reply)


class LocalAgent:
    """The agent behind a socket; as a context manager it hangs up at the end.

    Every call raises InputError with the agent's sentence when it refuses, and
    EnvironmentError_ when there is no agent, it may not be asked, or it does not answer.
    """

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            remedy = "run as root" if isinstance(error, PermissionError) else "is triptych agent running on this host?"
            raise EnvironmentError_(f"cannot reach the agent at {path}: {error.strerror}; {remedy}") from error
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def attach(self, port: str, interface: str, wait: float = 30.0) -> Done:
        """Make an interface the port `tenant/port`, and return when it can talk (`wait` 0: when it is granted)."""
        return self._ask(Attach(port, interface, wait), Done, min(max(wait, 0.0), LONGEST_WAIT))

    def detach(self, port: str) -> Done:
        """Make the interface of a port nothing again."""
        return self._ask(Detach(port), Done)

    def ports(self) -> list[LocalPortStatus]:
        """Every port of the host, by name."""
        return self._ask(ListPorts(), Listing).ports

    def status(self) -> StatusReply:
        """How the agent fares."""
        return self._ask(Status(), StatusReply)

    def rows(self) -> TableSet:
        """The rows that are in the host's data plane now."""
        tables = self._ask(ReadRows(), RowsReply).tables
        rows = TableSet()
        for table in TABLES:
            columns = tables.get(table.name)
            if columns is None:
                raise EnvironmentError_(f"the agent at {self._path} says nothing of {table.name}")
            count, rest = divmod(len(columns.keys), table.key_size)
            if rest or len(columns.values) != count * table.value_size:
                raise EnvironmentError_(
                    f"the agent at {self._path} has {table.name} rows of other sizes; run one version of Triptych"
                )
            k, v = table.key_size, table.value_size
            rows.tables[table.name] = {
                columns.keys[at * k : (at + 1) * k]: columns.values[at * v : (at + 1) * v] for at in range(count)
            }
        return rows

    def _ask(self, request: Request, wanted: type[R], wait: float = 0.0) -> R:
        self._socket.settimeout(wait + _GRACE)
        try:
            # An agent that turns a peer away says why before it hears anything.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._file.write(msgspec.json.encode(request) + b"\n")
                self._file.flush()
            line = self._file.readline(LONGEST_REPLY)
        except OSError as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
            raise EnvironmentError_(f"the agent at {self._path}: {why}; see its log") from error
        if not line.endswith(b"\n"):
            raise EnvironmentError_(f"the agent at {self._path} hung up; see its log")
        try:
            reply = _decoder.decode(line)
        except msgspec.DecodeError as error:
            raise EnvironmentError_(
                f"the agent at {self._path} answers what this client does not know: {error}"
            ) from error
        if isinstance(reply, Refused):
            raise InputError(reply.message)
        if not isinstance(reply, wanted):
            raise EnvironmentError_(f"the agent at {self._path} answers another question")
        return reply
