"""What machines ask: is it alive, can it serve, how does it fare."""

from __future__ import annotations

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from triptych.controller.rest.desk import AtDesk, By
from triptych.controller.rest.operations import Reads
from triptych.controller.service.access import require_fleet
from triptych.core.model import Kind

_TAGS = ["health"]


@get("/healthz", operation_id="healthz", summary="Whether the process lives", tags=_TAGS, media_type=MediaType.TEXT)
async def healthz() -> str:
    """It answers, so it does."""
    return "ok\n"


@get("/readyz", operation_id="readyz", summary="Whether requests can be served", tags=_TAGS, media_type=MediaType.TEXT)
async def readyz(desk: AtDesk) -> Response[str]:
    """Status 503 says why not."""
    why = "stopping" if desk.stopping.is_set() else desk.ready()
    return Response(f"{why or 'ok'}\n", status_code=503 if why else 200, media_type=MediaType.TEXT)


@get(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    tags=_TAGS,
    operation_class=Reads,
    media_type=MediaType.TEXT,
)
async def metrics(desk: AtDesk, caller: By) -> Response[bytes]:
    """Everything that is counted."""
    require_fleet(caller.actor)
    declared = desk.service.mirror.declared
    for kind in Kind:
        desk.metrics.objects.labels(kind.value).set(len(getattr(declared, kind.value)))
    desk.metrics.revision.set(desk.service.mirror.revision)
    # The framework adds the charset.
    media = CONTENT_TYPE_LATEST.partition("; charset")[0]
    return Response(generate_latest(desk.metrics.registry), media_type=media)


OPEN: list[HTTPRouteHandler] = [healthz, readyz]
GUARDED: list[HTTPRouteHandler] = [metrics]
