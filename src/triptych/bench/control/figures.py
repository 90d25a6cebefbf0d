"""What a measurement of the control plane gives, as it is kept in raw data."""

from __future__ import annotations

import msgspec


class Setting(msgspec.Struct, frozen=True):
    """How large one network is. `connected` of the `hosts` have an agent, `full` of those hold rows.

    The other agents remember of each scope its revision and digest only, for 200 copies of
    a large network do not fit one machine, nor is their merging anything that a controller does.
    """

    ports: int
    hosts: int
    connected: int
    full: int
    adds: int

    @property
    def title(self) -> str:
        """How a report calls it."""
        return f"{self.ports:,} ports, {self.connected} agents"


class Add(msgspec.Struct, frozen=True):
    """One port added: milliseconds from sending the request, and what it cost.

    `first`, `median` and `last`: an agent has its rows. `answered`: the client knows it of all hosts (the request
    waits for that where every host has an agent). `rows`, `messages` and `bytes` are what was
    sent, to all agents together.
    """

    first_ms: float
    median_ms: float
    last_ms: float
    answered_ms: float
    rows: int
    messages: int
    bytes: int


class Bulk(msgspec.Struct, frozen=True):
    """All ports declared in one request: seconds until the answer, until every agent had the rows; CPU seconds."""

    accepted_s: float
    programmed_s: float
    controller_cpu_s: float
    agents_cpu_s: float


class Memory(msgspec.Struct, frozen=True):
    """MiB of a process: resident, and its proportional share (`/proc/PID/smaps_rollup`)."""

    rss_mib: float
    pss_mib: float


class FirstSync(msgspec.Struct, frozen=True):
    """A host that holds nothing connects: seconds until it has everything, how much that is, and its process then."""

    seconds: float
    rows: int
    bytes: int
    memory: Memory


class Restart(msgspec.Struct, frozen=True):
    """The controller starts on what is stored.

    Seconds until it is ready, CPU seconds of that, seconds from ready until the agents are
    back (they wait at random before they try again), and the rows and bytes that they were sent then.
    """

    ready_s: float
    cpu_s: float
    back_s: float
    rows: int
    bytes: int


class Scale(msgspec.Struct, frozen=True):
    """Everything that was measured at one size."""

    setting: Setting
    bulk: Bulk
    adds: tuple[Add, ...]
    add_cpu_ms: float
    controller: Memory
    empty: Memory
    agents: Memory
    first_sync: FirstSync
    restart: Restart
    load: float


def percentile(values: list[float], share: float) -> float:
    """The least of the figures that `share` (0 to 1) of them do not exceed; ValueError without any."""
    if not values:
        raise ValueError("no figure was measured")
    ordered = sorted(values)
    return ordered[max(-int(-share * len(ordered) // 1), 1) - 1]
