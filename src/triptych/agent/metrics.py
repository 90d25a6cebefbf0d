"""What Prometheus may ask of an agent; every name is in docs/howto/agent.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from triptych.agent.reconcile import PlaneStatus
from triptych.agent.reconcile.reconciler import Totals
from triptych.core.verdicts import Event
from triptych.drivers.base import DropCount

Labelled = dict[tuple[str, ...], float]
"""Values by the values of their labels."""


class Measured(NamedTuple):
    """Everything that is told, at one moment."""

    status: PlaneStatus
    totals: Totals
    events: Mapping[Event, int]
    drops: tuple[DropCount, ...]
    connected: bool


class AgentCollector:
    """Asks `measure` at each scrape; between scrapes nothing is counted twice."""

    def __init__(self, measure: Callable[[], Measured]) -> None:
        self._measure = measure

    def describe(self) -> Iterator[Metric]:
        """Nothing: the metrics are known at the first scrape, so that registering needs no data plane."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        now = self._measure()
        status = now.status
        yield _gauge("triptych_agent_connected", "A controller is heard.", float(now.connected))
        yield _gauge("triptych_agent_complete", "A controller has said everything.", float(status.complete))
        yield _gauge("triptych_agent_revision", "Revision of the store that is programmed.", status.revision)
        yield _gauge("triptych_agent_scopes", "Scopes held.", status.scopes)
        yield _gauge("triptych_agent_vteps", "Hosts that frames are accepted from.", status.vteps)
        yield _gauge(
            "triptych_agent_errors", "Things that fail now; `triptych agent-status` names them.", len(status.errors)
        )
        yield _family(GaugeMetricFamily, "triptych_agent_rows", "Rows held.", ("table",), _one(status.rows))
        text = "Rows that there is room for; a table may grow."
        yield _family(GaugeMetricFamily, "triptych_agent_room_rows", text, ("table",), _one(status.room))
        refused: Labelled = {(item.table, item.op): float(item.rows) for item in status.applied.refused}
        text = "Rows that the data plane does not take."
        yield _family(GaugeMetricFamily, "triptych_agent_refused_rows", text, ("table", "op"), refused)
        phases: dict[str, float] = {}
        for port in status.ports:
            phases[port.phase.value] = phases.get(port.phase.value, 0) + 1
        yield _family(GaugeMetricFamily, "triptych_agent_ports", "Ports.", ("phase",), _one(phases))
        yield CounterMetricFamily("triptych_agent_audits", "Audits.", now.totals.audits)
        faults = {"missing": now.totals.missing, "changed": now.totals.changed, "foreign": now.totals.foreign}
        text = "Rows that audits found wrong and put right."
        yield _family(CounterMetricFamily, "triptych_agent_drift_rows", text, ("fault",), _one(faults))
        events = {event.name.lower(): float(count) for event, count in now.events.items()}
        yield _family(CounterMetricFamily, "triptych_events", "What was done with frames.", ("event",), _one(events))
        frames: Labelled = {(item.port, item.reason.name.lower()): float(item.packets) for item in now.drops}
        size: Labelled = {(item.port, item.reason.name.lower()): float(item.bytes) for item in now.drops}
        for name, text, counts in (
            ("triptych_drops", "Frames dropped.", frames),
            ("triptych_dropped_bytes", "Bytes of frames dropped.", size),
        ):
            yield _family(CounterMetricFamily, name, text, ("port", "reason"), counts)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _one(values: Mapping[str, float]) -> Labelled:
    return {(key,): float(value) for key, value in values.items()}


def _family(
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily],
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Labelled,
) -> Metric:
    family = kind(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
