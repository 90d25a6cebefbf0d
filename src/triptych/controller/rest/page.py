"""The API's documentation as one page of HTML: no script, and nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2733 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dde5 } code, .m { font-family: ui-monospace, monospace }
section { margin: 1.2rem 0 } .m { font-weight: 700; color: #0b6e99 } table { border-collapse: collapse }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top } p { margin: .3rem 0 }
@media (prefers-color-scheme: dark) { body { background: #12181f; color: #dde5ec } h2 { border-color: #33404d } }
"""


class PagePlugin(OpenAPIRenderPlugin):
    """Renders the schema as a page."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The page."""
        return "".join(_page(openapi_schema)).encode()


def _page(schema: Mapping[str, Any]) -> Iterator[str]:
    info = schema["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('description', ''))}</p>"
    yield "<p>As data: <a href='/v1/docs/openapi.json'>openapi.json</a></p>"
    by_tag: dict[str, list[str]] = {}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict):
                tag = (operation.get("tags") or [""])[0]
                by_tag.setdefault(tag, []).append("".join(_operation(path, method, operation)))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>"
        yield from operations
    yield "</html>"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<section><p><span class=m>{method.upper()}</span> <code>{escape(path)}</code></p>"
    yield f"<p>{escape(operation.get('summary') or '')}. {escape(operation.get('description') or '')}</p>"
    parameters = [item for item in operation.get("parameters") or () if item["in"] != "path"]
    rows = [(item["name"], _kind(item.get("schema") or {}), item.get("description") or "") for item in parameters]
    body = (operation.get("requestBody") or {}).get("content", {}).get("application/json", {}).get("schema", {})
    needed = body.get("required") or ()
    for name, field in (body.get("properties") or {}).items():
        rows.append((f"{name}{' (needed)' if name in needed else ''}", _kind(field), field.get("description") or ""))
    if rows:
        yield "<table>"
        for name, kind, description in rows:
            yield f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(description)}"
        yield "</table>"
    yield "</section>"


def _kind(schema: Mapping[str, Any]) -> str:
    if "oneOf" in schema or "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema.get("oneOf") or schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items') or {})}"
    return str(schema.get("type") or "value")
