"""Throughput and latency over the overlay next to a plain veth, in the same run."""

from __future__ import annotations

from statistics import median

from rich.table import Table

from triptych.bench.namespaces import World
from triptych.bench.scenarios import SCENARIOS, Endpoint, Pair
from triptych.bench.workloads import WORKLOADS
from triptych.cli.demo.narrator import Narrator
from triptych.errors import MissingToolError
from triptych.lab import Lab

_ROUNDS = 2
_SECONDS = 2.0
_FIGURES = (
    ("tcp_stream", "gbps", "TCP throughput, Gb/s"),
    ("tcp_pingpong", "p50_us", "TCP half round trip, µs"),
)


def measure(lab: Lab, tell: Narrator) -> None:
    """Alternating rounds over a plain veth, the overlay in a segment, and the overlay routed."""
    tell.scene(
        "Speed",
        "The overlay between two hosts (three links, encapsulation, spine) next to one plain veth between two"
        f" namespaces; medians of {_ROUNDS} short alternating rounds. triptych bench measures properly.",
    )
    samples: dict[tuple[str, str], list[float]] = {}
    try:
        with tell.working("measuring"), World("demo") as world, SCENARIOS["veth"].build(world) as veth:
            pairs = {
                "plain veth": veth,
                "layer 2": Pair(_vm(lab, "acme/web-1"), _vm(lab, "acme/web-2")),
                "layer 3": Pair(_vm(lab, "acme/web-1"), _vm(lab, "acme/db-1")),
            }
            for _ in range(_ROUNDS):
                for name, pair in pairs.items():
                    for workload, figure, _title in _FIGURES:
                        value = WORKLOADS[workload].measure(pair, _SECONDS)[figure]
                        samples.setdefault((name, figure), []).append(value)
    except MissingToolError as error:
        tell.note(f"not measured: {error}")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in pairs:
        table.add_column(name, justify="right")
    for _workload, figure, title in _FIGURES:
        yardstick = median(samples["plain veth", figure])
        cells = [
            f"{median(samples[name, figure]):.1f} ({median(samples[name, figure]) / yardstick:.2f}x)" for name in pairs
        ]
        table.add_row(title, *cells)
    tell.console.print(table)


def _vm(lab: Lab, name: str) -> Endpoint:
    vm = lab.plan.vms[name]
    first = vm.addresses[0]
    return Endpoint(lab.namespace(name), str(first.ip), str(vm.mac), first.network.prefixlen)
