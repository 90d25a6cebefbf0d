"""Where a command finds the declared network: files (offline), a running lab, or a controller."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
import typer

from triptych.cli.connect import SAID_NOTHING, Where, configured
from triptych.cli.names import find
from triptych.cli.output import plain
from triptych.cli.rows import RowNames, TableName, describe, find_row
from triptych.core.compile import explain, host_rows
from triptych.core.forward import Protocol as Carried
from triptych.core.forward import Trace, trace
from triptych.core.model import Kind, Network
from triptych.core.tables import TableSet
from triptych.documents import load_network
from triptych.errors import InputError

if TYPE_CHECKING:
    from triptych.client.rest import Server
    from triptych.lab import Lab

LabOption = Annotated[str | None, typer.Option("--lab", help="The running lab to ask; needed when several run.")]
_LAB_VARIABLE = "TRIPTYCH_LAB"
"""Which lab is meant among several; unlike --lab it does not come before a controller that is configured."""
FilesOption = Annotated[
    list[Path] | None, typer.Option("--file", "-f", help="Ask a document instead of a lab; may be repeated.")
]

Shown = dict[str, list[dict[str, Any]]]
"""Rows by table, as `-o json` prints them."""


class Explained(msgspec.Struct, frozen=True):
    """A row, why it is there in one sentence, and the objects that made it."""

    table: str
    row: dict[str, Any]
    why: str
    because: list[dict[str, str]]


class Source(Protocol):
    """Answers the questions of `tables`, `trace` and `explain`; NotFoundError for names that are not declared."""

    def tables(self, host: str, *, actual: bool) -> Shown:
        """The rows that a host should have, or has."""
        ...

    def trace(
        self, port: str, destination: str, *, protocol: Carried, dport: int | None, ttl: int, live: bool
    ) -> Trace:
        """Where a packet would go, by the rows or (live) by the loaded programs."""
        ...

    def explain(self, table: TableName, scope: str, key: str) -> Explained:
        """Why a row is there."""
        ...


@dataclass(frozen=True, slots=True)
class Declared:
    """A network that is here whole: of files, or of a lab that runs it."""

    network: Network
    lab: Lab | None = None

    def tables(self, host: str, *, actual: bool) -> Shown:
        """See Source."""
        return describe(self.network, self._rows(host, actual=actual))

    def trace(
        self, port: str, destination: str, *, protocol: Carried, dport: int | None, ttl: int, live: bool
    ) -> Trace:
        """See Source."""
        if not live:
            return trace(self.network, port, destination, protocol=protocol, dport=dport, ttl=ttl)
        from triptych.lab.live import LiveFabric

        with LiveFabric(self._running()) as fabric:
            return trace(self.network, port, destination, protocol=protocol, dport=dport, ttl=ttl, fabric=fabric)

    def explain(self, table: TableName, scope: str, key: str) -> Explained:
        """See Source."""
        row = find_row(self.network, table, scope, key)
        reason = explain(self.network, row)
        because = [{"kind": item.kind.singular, "tenant": item.tenant, "name": item.name} for item in reason.objects]
        return Explained(table.value, plain(RowNames(self.network).describe(row)), reason.sentence, because)

    def _rows(self, host: str, *, actual: bool) -> TableSet:
        name = find(self.network, Kind.HOST, host).name
        return self._running().actual(name) if actual else host_rows(self.network, name)

    def _running(self) -> Lab:
        if self.lab is None:
            raise InputError("a document has no data plane: use --lab with a running lab (triptych lab up FILE)")
        return self.lab


@dataclass(frozen=True, slots=True)
class Asked:
    """A controller. It knows what should be; what is in a data plane, only the host does."""

    server: Server

    def tables(self, host: str, *, actual: bool) -> Shown:
        """See Source."""
        from triptych.client.rest import Client, api

        self._refuse("--actual", asked=actual)
        with Client(self.server) as client:
            return client.send(api.tables(host))

    def trace(
        self, port: str, destination: str, *, protocol: Carried, dport: int | None, ttl: int, live: bool
    ) -> Trace:
        """See Source."""
        from triptych.client.rest import Client, api

        self._refuse("--live", asked=live)
        with Client(self.server) as client:
            return client.send(api.trace(port, destination, protocol=protocol.value, dport=dport, ttl=ttl))

    def explain(self, table: TableName, scope: str, key: str) -> Explained:
        """See Source."""
        from triptych.client.rest import Client, api

        with Client(self.server) as client:
            found = client.send(api.explain(table.value, scope, key))
        return Explained(found.table, found.row, found.why, found.because)

    @staticmethod
    def _refuse(option: str, *, asked: bool) -> None:
        if asked:
            there = "on the host itself, triptych tables HOST --actual --socket PATH" if option == "--actual" else ""
            remedy = " or, ".join(filter(None, ("use it with a lab (--lab NAME)", there)))
            raise InputError(f"{option}: a controller has no data plane; {remedy}")


def source(
    lab: str | None,
    files: list[Path] | None,
    where: Where = SAID_NOTHING,
    *,
    of_host: bool = False,
) -> Source:
    """The `-f` files, the named lab, the controller that is configured, or the only lab that runs; InputError.

    `of_host`: data planes are asked about, which a lab shows even when it is its controller that is configured.
    """
    named = (("--lab", lab), ("--file", files), ("--server", where.server), ("--context", where.context))
    given = [option for option, value in named if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give one of them, the network is in one place")
    if files:
        return Declared(load_network(files))
    there = None if lab is not None else configured(where)
    if there is not None:
        its = _lab_of(there.url) if of_host else None
        return Asked(there) if its is None else Declared(its.network, its)
    from triptych.lab import Lab

    running = Lab.open(lab if lab is not None else _only_lab())
    return Declared(running.network, running)


def _lab_of(url: str) -> Lab | None:
    """The lab whose controller that is."""
    from triptych.lab import Lab

    labs = (Lab.open(entry.name) for entry in Lab.list() if entry.driver)
    return next((lab for lab in labs if lab.options.control == "agents" and lab.fleet.url == url), None)


def _only_lab() -> str:
    from triptych.lab import Lab

    names = [entry.name for entry in Lab.list()]
    chosen = os.environ.get(_LAB_VARIABLE)
    if chosen in names:
        return chosen
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError("no lab runs: give a document with -f FILE, or start one with triptych lab up FILE")
    raise InputError(f"several labs run ({', '.join(names)}): choose one with --lab")
