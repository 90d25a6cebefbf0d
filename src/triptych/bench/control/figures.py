"""What a measurement of the control plane gives, as it is kept in raw data."""

from __future__ import annotations

import msgspec


class Setting(msgspec.Struct, frozen=True):
    """One network. `connected` of the `hosts` have an agent, and `whole` of those a whole one.

    `spreads`: there is a tenant for each, with ports on so many hosts, the largest first. The agents that are not
    whole check what they are sent and hold no rows.
    """

    ports: int
    hosts: int
    connected: int
    whole: int
    spreads: tuple[int, ...]
    adds: int

    @property
    def name(self) -> str:
        """What it is chosen by."""
        return f"{self.ports}-{'fleet' if self.everybody else 'few'}"

    @property
    def title(self) -> str:
        """How a report calls it."""
        return f"{self.ports:,} ports, {self.connected} agents"

    @property
    def everybody(self) -> bool:
        """Whether every host has an agent, so that a client can wait for all of them."""
        return self.connected == self.hosts


class Add(msgspec.Struct, frozen=True):
    """One port added: milliseconds from sending the request until the first, half, all of the agents have its rows.

    `answered`: the client has the answer, which waits for the acknowledgements of all hosts
    concerned where every host has an agent.
    """

    first_ms: float
    median_ms: float
    last_ms: float
    answered_ms: float


class Adds(msgspec.Struct, frozen=True):
    """Ports added one after the other to the tenant on `spread` hosts, `concerned` of which have an agent.

    `rows`, `messages` and `bytes` are what all of these ports made, all agents together; the
    CPU is milliseconds a port, of the controller and of all agents.
    """

    spread: int
    concerned: int
    adds: tuple[Add, ...]
    rows: int
    messages: int
    bytes: int
    controller_cpu_ms: float
    agents_cpu_ms: float
    load: float


class Bulk(msgspec.Struct, frozen=True):
    """All ports declared in one request: seconds until the answer, until every agent had the rows; CPU seconds."""

    accepted_s: float
    programmed_s: float
    controller_cpu_s: float
    agents_cpu_s: float
    load: float


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


class Checked(msgspec.Struct, frozen=True):
    """What the light agents checked: different updates, and what was wrong with any."""

    distinct: int
    faults: tuple[str, ...]


class Scale(msgspec.Struct, frozen=True):
    """Everything that was measured in one network."""

    setting: Setting
    bulk: Bulk
    adds: tuple[Adds, ...]
    controller: Memory
    empty: Memory
    first_sync: FirstSync
    restart: Restart
    checked: Checked


class FirstPing(msgspec.Struct, frozen=True):
    """A port created in a lab of two hosts, real agents and real packets.

    Milliseconds from sending the request until the answer that every host concerned has it, and until the first of
    the pings that a VM of the other host sends every millisecond came back.
    """

    answered_ms: float
    ping_ms: float


def percentile(values: list[float], share: float) -> float:
    """The least of the figures that `share` (0 to 1) of them do not exceed; ValueError without any."""
    if not values:
        raise ValueError("no figure was measured")
    ordered = sorted(values)
    return ordered[max(-int(-share * len(ordered) // 1), 1) - 1]
