"""The ASGI application: every handler, its guard, and the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Guard

from triptych import __version__
from triptych.controller.rest import admin, health, network, objects, watch
from triptych.controller.rest.asgi import App
from triptych.controller.rest.desk import Desk, authenticate, check_role, provide_caller, provide_desk
from triptych.controller.rest.front import Front
from triptych.controller.rest.page import PagePlugin
from triptych.controller.rest.problems import HANDLERS
from triptych.controller.rest.queries import check_query
from triptych.core.model import Kind
from triptych.documents import MAX_BYTES

_SECURITY: list[dict[str, list[str]]] = [{"token": []}]


def make_app(desk: Desk) -> App:
    """The application that serves a desk."""
    inner: Any = make_litestar(desk)
    return Front(inner, desk.metrics)


def make_litestar(desk: Desk) -> Litestar:
    """The same without the front: for what asks for the OpenAPI schema."""
    nouns = [handler for kind in Kind for handler in objects.handlers(kind)]
    dependencies: dict[str, Any] = {
        "desk": Provide(provide_desk, sync_to_thread=False),
        "caller": Provide(provide_caller, sync_to_thread=False),
    }

    def guarded(path: str, handlers: Sequence[HTTPRouteHandler], *guards: Guard) -> Router:
        return Router(
            path, route_handlers=handlers, guards=[authenticate, *guards], security=_SECURITY, dependencies=dependencies
        )

    return Litestar(
        route_handlers=[
            guarded("/v1", [*nouns, *network.HANDLERS, *watch.HANDLERS], check_query, check_role),
            guarded("/v1", admin.HANDLERS, check_query),
            guarded("/", health.GUARDED),
            Router("/", route_handlers=health.OPEN, dependencies={"desk": dependencies["desk"]}),
        ],
        state=State({"desk": desk}),
        exception_handlers=dict(HANDLERS),
        request_max_body_size=MAX_BYTES,
        openapi_config=OpenAPIConfig(
            title="Triptych",
            version=__version__,
            description="Overlay virtual networks from three lookup tables. Everything under /v1 needs a bearer token.",
            path="/v1/docs",
            render_plugins=[PagePlugin(), JsonRenderPlugin(path="/openapi.json")],
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer", description="ID.SECRET")}
            ),
        ),
        logging_config=None,
        debug=False,
    )
