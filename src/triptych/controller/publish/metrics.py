"""What the publisher tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """All of it, in one registry (its own when none is given)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self.revision = Gauge(
            "triptych_publish_revision", "Store revision of the last change that was published", registry=self.registry
        )
        self.sessions = Gauge("triptych_publish_sessions", "Agents connected", registry=self.registry)
        self.programming = Histogram(
            "triptych_publish_programming_seconds",
            "From a change taken in to its acknowledgement by the last host concerned",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Counter("triptych_publish_batches", "Messages handed to streams", registry=self.registry)
        self.bytes = Counter("triptych_publish_bytes", "Bytes of these messages", registry=self.registry)
        self.resyncs = Counter("triptych_publish_resyncs", "Scopes that agents asked for anew", registry=self.registry)
        self.refused = Counter(
            "triptych_southbound_refused", "What agents said and were refused for", ["reason"], registry=self.registry
        )
