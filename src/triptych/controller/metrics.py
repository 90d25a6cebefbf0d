"""What the use cases and the REST API tell Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All of it, in one registry (its own when none is given)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self.writes = Counter(
            "triptych_writes", "Writes that took effect, by what was asked", ["action"], registry=self.registry
        )
        self.retries = Counter(
            "triptych_write_retries", "Writes decided again because others were faster", registry=self.registry
        )
        self.claims_refused = Counter(
            "triptych_claims_refused", "Ports that a host claimed and that were not its own", registry=self.registry
        )
        self.requests = Counter(
            "triptych_http_requests", "Requests, by method and status", ["method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "triptych_http_request_seconds",
            "From a request's head to its answer's, by method",
            ["method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.limited = Counter(
            "triptych_http_limited", "Requests turned away because their sender sent too many", registry=self.registry
        )
        self.unauthenticated = Counter(
            "triptych_http_unauthenticated", "Requests without a valid token", registry=self.registry
        )
        self.watches = Gauge("triptych_http_watches", "Watches that are open", registry=self.registry)
        self.objects = Gauge("triptych_objects", "Declared objects, by kind", ["kind"], registry=self.registry)
        self.revision = Gauge("triptych_revision", "The store's revision that is served", registry=self.registry)
