"""`triptych trace`: each lookup, row, rewrite and the verdict, host by host."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from triptych.cli import completion
from triptych.cli.connect import SAID_NOTHING, Where, asking
from triptych.cli.names import split
from triptych.cli.output import Format, OutputOption, console, print_data
from triptych.cli.source import FilesOption, LabOption, source
from triptych.cli.usage import UsageError
from triptych.core.forward import Protocol, Trace, TraceLookup, TraceStep

_GOOD = {"delivered", "answered", "flooded"}


@asking
def trace(
    port: Annotated[
        str, typer.Argument(help="The VM that sends.", metavar="TENANT/PORT", autocompletion=completion.ports)
    ],
    destination: Annotated[str, typer.Argument(help="An IP address, or another TENANT/PORT.")],
    lab: LabOption = None,
    file: FilesOption = None,
    where: Where = SAID_NOTHING,
    proto: Annotated[Protocol, typer.Option("--proto", help="What the probe carries.")] = Protocol.ICMP,
    dport: Annotated[int | None, typer.Option("--dport", min=1, max=65535, help="TCP or UDP destination port.")] = None,
    ttl: Annotated[int, typer.Option("--ttl", min=1, max=255, help="TTL or hop limit of the probe.")] = 64,
    live: Annotated[bool, typer.Option("--live", help="Ask the loaded programs of each host, not the rows.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Say where a packet would go and why: every lookup and row, the rewrites, the verdict. Sends nothing."""
    split(port, "port")
    if dport is not None and proto not in (Protocol.TCP, Protocol.UDP):
        raise UsageError(f"--dport {dport}: {proto.value} has no ports; give --proto tcp or --proto udp too")
    asked = source(lab, file, where, of_host=live)
    result = asked.trace(port, destination, protocol=proto, dport=dport, ttl=ttl, live=live)
    if output is Format.TABLE:
        console.print(picture(result))
    else:
        print_data(result, output)


def picture(result: Trace) -> RenderableType:
    """A trace for people: a branch per host, a line per lookup."""
    title = Text.assemble(
        (result.source, "bold"),
        f" → {result.destination}  {result.protocol}, {result.source_ip} → {result.destination_ip}",
    )
    tree = Tree(title, guide_style="dim")
    for step in result.steps:
        tree.add(_step(step))
    where = f" at {result.host}" if result.verdict != "delivered" else ""
    targets = f" to {', '.join(result.delivered_to)}" if result.delivered_to else ""
    reason = "" if result.reason == "NONE" else f" ({result.reason.lower()})"
    style = "bold green" if result.verdict in _GOOD and not reason else "bold red"
    return Group(tree, Text(f"{result.verdict}{targets}{where}{reason}", style=style), Text())


def _step(step: TraceStep) -> Tree:
    came = f"from {step.came_from}" if step.came_by == "port" else f"from VTEP {step.came_from}, VNI {step.vni}"
    what = "asks for the next hop's MAC" if step.phase == "resolve" else "the packet"
    branch = Tree(Text.assemble((step.host, "bold"), f" {came}: {what}"), guide_style="dim")
    branch.add(Text(step.frame, style="dim"))
    for lookup in step.lookups:
        branch.add(_lookup(lookup))
    for rewrite in step.rewrites:
        branch.add(Text(f"rewrite {rewrite}"))
    style = "green" if step.reason == "NONE" else "red"
    branch.add(Text.assemble((step.verdict, f"bold {style}"), f" {step.explanation}"))
    return branch


def _lookup(lookup: TraceLookup) -> Text:
    key = ", ".join(str(value) for value in lookup.key.values())
    line = Text.assemble((lookup.table, "bold cyan"), f"({key}) = ")
    if lookup.row is None:
        line.append("miss", style="red")
    else:
        shown = {name: value for name, value in lookup.row.items() if str(value) not in key.split(", ")}
        line.append(" ".join(f"{name}={_short(value)}" for name, value in shown.items()))
    line.append(f"  {lookup.note}", style="dim")
    return line


def _short(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(str(item["ip"]) if isinstance(item, dict) else str(item) for item in value) + "]"
    return str(value)
