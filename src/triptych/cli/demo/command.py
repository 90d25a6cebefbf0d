"""The command: builds the example network, plays the scenes, cleans up."""

from __future__ import annotations

import os
from importlib.resources import as_file, files
from typing import Annotated

import typer

from triptych.cli.check import summary
from triptych.cli.demo.narrator import Narrator
from triptych.cli.lab import DriverName
from triptych.cli.output import console, counted, is_root, rich_table
from triptych.cli.rows import describe
from triptych.cli.trace import picture
from triptych.core.forward import trace
from triptych.core.model import Network
from triptych.documents import load_network

_EXAMPLE = "examples/two-tenants.yaml"
_HOST = "h1"
_PROBES = (
    ("within a segment", "acme/web-1", "10.0.1.12"),
    ("across segments", "acme/web-1", "fd00:2::12"),
    ("to the gateway", "acme/web-1", "10.0.1.1"),
    ("the other tenant, same address", "globex/web-1", "10.0.1.12"),
    ("into a black hole", "acme/web-1", "10.66.0.1"),
)


def demo(
    driver: Annotated[
        DriverName | None, typer.Option("--driver", help="ebpf needs root; without it, ebpf where it can run.")
    ] = None,
) -> None:
    """Build an example network on this machine, send real packets through it, show why they arrive, clean up."""
    with as_file(files("triptych") / _EXAMPLE) as path:
        network = load_network([path])
    chosen = driver or (DriverName.EBPF if is_root() else DriverName.SIM)
    tell = Narrator(console)
    console.print(f"[bold]Triptych[/bold]: {summary(network)}; examples/two-tenants.yaml")
    if chosen is DriverName.SIM:
        console.print(
            "Not root: no namespaces and no eBPF. The reference forwarder stands in for the kernel;"
            " run as root to see real packets."
            if not is_root()
            else "The reference forwarder stands in for the kernel."
        )
        _show_tables(network, tell)
        _show_traces(network, tell)
    else:
        from triptych.bench.signals import ended_by_signals

        with ended_by_signals():
            _play(network, tell)
    tell.close()
    if tell.failed:
        raise typer.Exit(1)


def _play(network: Network, tell: Narrator) -> None:
    from triptych.cli.demo import scenes
    from triptych.cli.demo.control import control
    from triptych.cli.demo.measure import measure
    from triptych.lab import Lab

    name = f"demo-{os.getpid()}"
    try:
        with tell.working("building the lab, with a controller and three agents"):
            lab = Lab.up(name, network)
        _show_tables(network, tell)
        scenes.reachability(lab, tell)
        scenes.isolation(lab, tell)
        scenes.resolution(lab, tell)
        scenes.protection(lab, tell)
        control(lab, tell)
        _show_traces(network, tell, _PROBES[1:2])
        measure(lab, tell)
    finally:
        with tell.working("cleaning up"):
            Lab.remove(name)


def _show_tables(network: Network, tell: Narrator) -> None:
    from triptych.core.compile import host_rows

    tell.scene(
        "The three tables", f"Everything that host {_HOST} needs to know, for both tenants. There is nothing else."
    )
    for name, rows in describe(network, host_rows(network, _HOST)).items():
        shown = [row for row in rows if "acme" in str(row.values())]
        columns = [column for column in rows[0] if column not in ("vni", "router_id", "generation", "flags")]
        tell.console.print(rich_table(f"{name}: {counted(len(rows), 'row')}, those of acme", columns, shown))
        tell.console.print()


def _show_traces(network: Network, tell: Narrator, probes: tuple[tuple[str, str, str], ...] = _PROBES) -> None:
    tell.scene("Why it went there", "One packet, lookup by lookup, with the rows that decided (triptych trace).")
    for what, vm, destination in probes:
        tell.note(f"{vm} to {destination}: {what}")
        tell.console.print(picture(trace(network, vm, destination)))
