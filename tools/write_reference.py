"""Write the pages of the reference that the code itself has: settings of the daemons, OpenAPI, the three tables.

`make reference` runs it; a test compares what is committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from triptych.agent.config import SETTINGS as AGENT
from triptych.controller.config import SETTINGS as CONTROLLER
from triptych.controller.rest.app import make_litestar
from triptych.core.tables import reference
from triptych.daemon.page import table

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"

_SETTINGS = """\
# Settings of the daemons

Everything that an agent and a controller can be told; made from the code by `make reference`. Each setting can stand in
the file, as a variable or as a flag; [the later come before the earlier](cli.md#settings-of-a-daemon). `--check` prints
what counts and where each value came from, and judges the certificates, keys and secrets that are named. Without
`--config` or the variable the file is read if it is there.

## Controller

`{controller}`, unless `--config` or `{controller_variable}` names another file.
With no setting at all a controller listens on loopback alone, keeps everything in one SQLite file that only its owner
can read, serves no agents, and warns when there is no token. The file of [a site](../howto/three-hosts.md) is
`deploy/etc/controller.toml`.

{controller_table}

## Agent

`{agent}`, unless `--config` or `{agent_variable}` names another file. [How to run one](../howto/agent.md).

{agent_table}
"""


def pages() -> dict[Path, str]:
    """Every file that is made from code, and what it has to hold."""
    # The schema asks nothing of what is behind the operations.
    schema = make_litestar(cast("Any", None)).openapi_schema.to_schema()
    return {
        FOLDER / "settings.md": _SETTINGS.format(
            controller=CONTROLLER.path,
            controller_variable=CONTROLLER.config_variable,
            controller_table=table(CONTROLLER),
            agent=AGENT.path,
            agent_variable=AGENT.config_variable,
            agent_table=table(AGENT),
        ),
        FOLDER / "openapi.json": _json(schema),
        FOLDER / "operations.md": "\n".join(_operations(schema)) + "\n",
        FOLDER / "tables.md": reference.page(),
    }


def _json(schema: dict[str, Any]) -> str:
    """One line for each path and in one order, so that a difference is a change and is seen."""
    paths = schema["paths"]
    lines = [f"  {_compact(path)}: {_compact(paths[path])}" for path in sorted(paths)]
    members = [f" {_compact(name)}: {_compact(value)}" for name, value in sorted(schema.items()) if name != "paths"]
    return "{\n" + ",\n".join([*members, ' "paths": {\n' + ",\n".join(lines) + "\n }"]) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _operations(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "# Operations of the REST API"
    yield ""
    yield "Made from the code by `make reference`; the same as data: [openapi.json](openapi.json) (OpenAPI"
    yield f"{schema['openapi']}). What conditions, watches and refusals mean is in [REST API](api.md)."
    tag = ""
    ordered = sorted(
        (operation["tags"][0] if operation.get("tags") else "health", path, method, operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    )
    for new, path, method, operation in ordered:
        if new != tag:
            tag = new
            yield from ("", f"## {tag.capitalize()}")
        said = (part for part in (operation.get("summary"), operation.get("description")) if part)
        yield from ("", f"### `{method.upper()} {path}`", "", ". ".join(part.rstrip(".") for part in said) + ".")
        fields = list(_fields(operation))
        if fields:
            yield from ("", "| name | in | form | |", "| --- | --- | --- | --- |")
            yield from (f"| {' | '.join(field)} |" for field in fields)


def _fields(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for item in operation.get("parameters") or ():
        yield f"`{item['name']}`", item["in"], _kind(item.get("schema") or {}), item.get("description") or ""
    body = (operation.get("requestBody") or {}).get("content", {}).get("application/json", {}).get("schema", {})
    needed = body.get("required") or ()
    for name, field in (body.get("properties") or {}).items():
        where = "body, needed" if name in needed else "body"
        yield f"`{name}`", where, _kind(field), field.get("description") or ""


def _kind(schema: Mapping[str, Any]) -> str:
    if "oneOf" in schema or "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema.get("oneOf") or schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items') or {})}"
    return str(schema.get("type") or "value")


def main() -> None:
    """Write them."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"reference: {path.relative_to(FOLDER.parent.parent)}")


if __name__ == "__main__":
    main()
