"""Whatever the OpenAPI schema allows, and what it does not: never a failure, always a documented answer."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.controller.served import served
from triptych.core.model import Kind
from triptych.stores.memory import MemoryStore

ENDLESS = "/v1/watch"


class Address(NamedTuple):
    """A controller that another thread runs."""

    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def api() -> Iterator[Address]:
    """A controller with a small network, in a loop and a thread of its own."""
    loop = asyncio.new_event_loop()
    found: list[Address] = []
    up, down = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with MemoryStore() as store, served(store) as running:
            await running.town()
            found.append(Address(running.url, {"authorization": running.client.headers["authorization"]}))
            up.set()
            await down.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(down.set)
    thread.join(30)
    assert not thread.is_alive()
    loop.close()


def documented(api: Address) -> dict[str, Any]:
    """The schema as the controller gives it."""
    schema: dict[str, Any] = httpx.get(f"{api.url}/v1/docs/openapi.json").raise_for_status().json()
    return schema


def test_every_noun_is_documented(api: Address) -> None:
    """Each kind can be listed, read, put and deleted, with a schema of its body; so can a document be applied."""
    paths = documented(api)["paths"]
    for kind in Kind:
        (path,) = [path for path in paths if path.startswith(f"/v1/{kind.value}/") and "put" in paths[path]]
        assert set(paths[path]) == {"get", "put", "delete"}
        assert "get" in paths[f"/v1/{kind.value}"]
        assert paths[path]["put"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    apply = paths["/v1/apply"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(apply["properties"]) == [kind.value for kind in Kind]


def test_the_documentation_needs_nothing_from_elsewhere(api: Address) -> None:
    """The page of the API names every operation, runs no script and fetches nothing."""
    page = httpx.get(f"{api.url}/v1/docs").text
    for path, item in documented(api)["paths"].items():
        assert f"<code>{path}</code>" in page
        assert item
    assert not any(word in page for word in ("<script", "src=", "http://", "https://"))


def test_the_reference_page_names_every_operation(api: Address) -> None:
    """The table of operations in the reference is that of the schema, methods and paths."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    told = set()
    for methods, paths in re.findall(r"^\| ([A-Z, ]+) \| (`/.+?) \|", page, re.MULTILINE):
        told |= {(method, path) for method in methods.split(", ") for path in re.findall(r"`([^`]+)`", paths)}
    served_here = {(m.upper(), path) for path, item in documented(api)["paths"].items() for m in item}
    assert told == served_here


def ask_everything(api: Address, mode: GenerationMode, examples: int) -> int:
    """Ask every operation, by the schema or against it; how many there were."""
    schema = schemathesis.openapi.from_dict(documented(api))
    tried = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path == ENDLESS and mode is GenerationMode.POSITIVE:
            continue
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body or operation.path_parameters):
            continue

        @settings(
            max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
        )
        @given(case=operation.as_strategy(mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            if case.operation.path == ENDLESS:
                # A watch that is answered goes on, so only its head is waited for; `call` would read events.
                asked = case.as_transport_kwargs(base_url=api.url, headers=api.headers)
                with requests.request(**asked, timeout=60, stream=True) as begun:
                    assert begun.status_code < 500
                return
            answer = case.call(base_url=api.url, headers=api.headers, timeout=60)
            checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
            if mode is GenerationMode.POSITIVE:
                checks.append(status_code_conformance)
            case.validate_response(answer, checks=checks)

        ask()
        tried += 1
    return tried


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_makes_it_fail(api: Address, mode: GenerationMode) -> None:
    """Requests by the schema, and requests against it, are answered as documented and never with a failure."""
    assert ask_everything(api, mode, 2) >= 30


@pytest.mark.fuzz
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_makes_it_fail_however_long_one_tries(api: Address, mode: GenerationMode) -> None:
    """The same with a hundred requests to each operation."""
    assert ask_everything(api, mode, 100) >= 30
