"""Rows per second into a data plane: one million into the kernel, by the driver and by its maps alone, and flows
into Open vSwitch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from triptych.bench.model import Options, RowRate
from triptych.bench.namespaces import UNDERLAY_MTU, World, ip
from triptych.bench.openvswitch import Switch, switch
from triptych.bench.processes import need
from triptych.bench.rounds import Progress
from triptych.bench.scenarios.base import UNDERLAY_LINK
from triptych.bench.synthetic import Records, delta_of, flows, synthetic
from triptych.core.local import HostConfig
from triptych.core.sizes import Sizes
from triptych.errors import DataPlaneError
from triptych.kernel import maps
from triptych.kernel.uapi import NO_PREALLOC, MapType

ROWS, QUICK_ROWS = 1_000_000, 20_000
FLOWS, QUICK_FLOWS = 100_000, 2_000
SINGLE_FLOWS, QUICK_SINGLE_FLOWS = 20_000, 1_000
_PINS = Path("/sys/fs/bpf")
_VTEP = "192.0.2.1"


@dataclass
class Way:
    """One way to write rows: `write` does it once and returns the seconds of each method it knows."""

    rows: int
    titles: dict[str, str]
    write: Callable[[], dict[str, float]]
    taken: dict[str, list[float]] = field(default_factory=dict)

    def go(self) -> None:
        """Write once more and keep the seconds."""
        for method, seconds in self.write().items():
            self.taken.setdefault(method, []).append(seconds)

    def rates(self) -> list[RowRate]:
        """What was measured so far."""
        return [RowRate(method, self.titles[method], self.rows, tuple(found)) for method, found in self.taken.items()]


def measure(options: Options, progress: Progress) -> list[RowRate]:
    """Every way to write rows, in alternating rounds."""
    need("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")
    parts = synthetic(QUICK_ROWS if options.quick else ROWS)
    bundle = list(flows(QUICK_FLOWS if options.quick else FLOWS))
    single = list(flows(QUICK_SINGLE_FLOWS if options.quick else SINGLE_FLOWS))
    with ExitStack() as stack:
        world = stack.enter_context(World("rows"))
        daemon = stack.enter_context(switch(world.namespace("ovs")))
        daemon.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure")
        ways = [
            _driver(world, parts),
            *(_map(part) for part in parts),
            _flows(daemon, "ovs-bundle", bundle, "--bundle"),
            _flows(daemon, "ovs-single", single),
        ]
        for number in range(options.rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                progress(f"rows, round {number + 1} of {options.rounds}: {', '.join(way.titles.values())}")
                way.go()
        return [rate for way in ways for rate in way.rates()]


def _driver(world: World, parts: tuple[Records, ...]) -> Way:
    """Through the driver: what an agent does with a snapshot, and the reading back of an audit."""
    from triptych.drivers.ebpf.driver import EbpfDriver

    namespace, pins = world.namespace("h1"), _PINS / world.name("h1")
    world.cable(namespace, UNDERLAY_LINK, namespace, "tri-far", UNDERLAY_MTU)
    ip(namespace, [f"addr add {_VTEP}/24 dev {UNDERLAY_LINK}"])
    delta, count = delta_of(parts), sum(len(part.keys) for part in parts)
    sizes = Sizes(**{part.table.name: len(part.keys) for part in parts})
    config = HostConfig("h1", ip_address(_VTEP))

    def write() -> dict[str, float]:
        driver = EbpfDriver(config, netns=namespace, pin_dir=pins, underlay=UNDERLAY_LINK, sizes=sizes)
        try:
            driver.open()
            start = time.perf_counter()
            applied = driver.apply(delta)
            written = time.perf_counter()
            if applied.put != count:
                raise DataPlaneError(f"the driver took {applied.put} of {count} rows: {applied.refused[:1]}")
            found = len(driver.load())
            if found != count:
                raise DataPlaneError(f"of {count} rows {found} were read back")
            return {"driver": written - start, "driver-load": time.perf_counter() - written}
        finally:
            driver.destroy()

    return Way(count, {"driver": "Triptych driver, apply", "driver-load": "Triptych driver, load"}, write)


def _map(part: Records) -> Way:
    """Into a bare map of the kernel by batches: what the driver can reach at most."""
    table, count, method = part.table, len(part.keys), f"map-{part.table.name}"
    kind, flags = (MapType.LPM_TRIE, NO_PREALLOC) if table.longest_prefix else (MapType.HASH, 0)
    keys, values = part.keys.tobytes(), part.values.tobytes()

    def write() -> dict[str, float]:
        with maps.BpfMap.create(f"tri_{table.name}", kind, table.key_size, table.value_size, count, flags) as target:
            start, done = time.perf_counter(), 0
            while done < count:
                written, error = target.update_batch(keys, values, done, min(maps.CHUNK, count - done))
                done += written
                if error:
                    raise DataPlaneError(f"row {done} of {table.name}: errno {error}")
            return {method: time.perf_counter() - start}

    return Way(count, {method: f"BPF map alone, {table.name}"}, write)


def _flows(daemon: Switch, method: str, made: list[str], *options: str) -> Way:
    """Into Open vSwitch by ovs-ofctl."""
    text, bridge = "\n".join(made) + "\n", daemon.bridge("br-int")

    def write() -> dict[str, float]:
        daemon.ofctl("del-flows", bridge)
        start = time.perf_counter()
        daemon.ofctl(*options, "add-flows", bridge, "-", text=text)
        return {method: time.perf_counter() - start}

    return Way(len(made), {method: " ".join(["ovs-ofctl", *options, "add-flows"])}, write)
