"""A whole controller on loopback, over a store, and clients of it."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from triptych.controller.app import Controller
from triptych.controller.config import ControllerConfig
from triptych.controller.service.access import Role
from triptych.controller.service.audit import Origin
from triptych.controller.service.tokens import issue
from triptych.stores.base import Store

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without any authority: a client by itself reads those of the system, which takes longer than many a test."""


class Served:
    """A running controller. `client` asks it as an admin, `as_` as anybody else."""

    def __init__(self, controller: Controller, client: httpx.AsyncClient) -> None:
        self.controller = controller
        self.client = client

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.controller.rest_port}"

    async def token(self, role: Role, *tenants: str, lifetime: float | None = None) -> str:
        """A new token, known to the controller."""
        issued = await issue(
            self.controller.store,
            f"t-{role.value}",
            role,
            tenants=tenants or None,
            now=time.time(),
            lifetime=lifetime,
            origin=Origin("local"),
        )
        await self.controller.tokens.reached(issued.revision)
        return issued.secret

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> httpx.Response:
        """A request as the admin, whose answer must have that status."""
        answer = await self.client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        return answer

    async def put_waiting(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The answer to a new object that waits until it is live, for very long."""
        written: dict[str, Any] = (await self.ask("PUT", path, 201, json=fields, params={"wait": 600})).json()
        return written

    async def town(self) -> None:
        """Two hosts, tenants acme and beta with a routed segment each, a port in acme."""
        nets = {"router": "core", "subnets": [{"cidr": "10.1.0.0/24", "gateway": "10.1.0.1"}]}
        owners = ("acme", "beta")
        document = {
            "hosts": [{"name": "h1", "underlay": "192.0.2.1"}, {"name": "h2", "underlay": "192.0.2.2"}],
            "tenants": [{"name": name} for name in owners],
            "routers": [{"tenant": name, "name": "core"} for name in owners],
            "segments": [{"tenant": name, "name": "web", **nets} for name in owners],
            "ports": [{"tenant": "acme", "name": "a", "segment": "web", "host": "h1"}],
        }
        await self.ask("POST", "/v1/apply", json=document)


@asynccontextmanager
async def served(store: Store, **config: Any) -> AsyncIterator[Served]:
    """A controller over a store, listening on loopback, with a client that has an admin's token."""
    issued = await issue(store, "admin", Role.ADMIN, now=time.time(), origin=Origin("local"))
    defaults: dict[str, Any] = {"listen": "127.0.0.1:0", "rate": 0.0, "grace_seconds": 1.0}
    settings = ControllerConfig(**(defaults | config))
    async with Controller(settings, store) as controller:
        url = f"http://127.0.0.1:{controller.rest_port}"
        headers = {"authorization": f"Bearer {issued.secret}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, verify=_NO_TLS) as client:
            yield Served(controller, client)


def bearer(secret: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {secret}"}


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The events of a stream: id ("" when it has none) and data."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield fields.get("id", ""), json.loads(fields["data"])
        fields = {}
