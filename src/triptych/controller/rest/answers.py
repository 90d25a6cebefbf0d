"""What clients get: values of the use cases as the messages of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Response

from triptych.client.rest.messages import HostState, ObjectChange, Written
from triptych.controller.ports import HostStatus
from triptych.controller.rest.bodies import etag
from triptych.controller.service.claims import Refusal
from triptych.controller.service.reading import Found
from triptych.controller.service.service import Outcome
from triptych.core.model import Key, Object
from triptych.core.model.codec import plain_of
from triptych.core.model.render import fields_of

REVISION = "triptych-revision"
"""The header with the revision at which a write took effect."""


def item_of(found: Found, *, detail: bool) -> dict[str, Any]:
    """An object as its document item; with `detail` what no document says: its revision, a port's generation."""
    return plain_of(found.item) | {"revision": found.revision} if detail else fields_of(found.item)


def written(outcome: Outcome, key: Key | None = None) -> Response[Written]:
    """What a write did; with the entity tag of the one object that it was about."""
    change = outcome.written.change
    objects = []
    for name, step in change.effective:
        fields = _differing(step.old, step.new) if step.action == "changed" else []
        objects.append(ObjectChange(name.kind.value, name.tenant, name.name, step.action, fields))
    laggards = None if outcome.laggards is None else list(outcome.laggards)
    revision = outcome.written.revision
    headers = {REVISION: str(revision)}
    status = HTTPStatus.OK
    if key is not None:
        step = change.steps[key]
        if step.new is not None:
            headers["etag"] = etag(step.revision if step.old == step.new else revision)
            status = HTTPStatus.CREATED if step.old is None else HTTPStatus.OK
    return Response(Written(revision, objects, laggards), status_code=status, headers=headers)


def _differing(old: Object | None, new: Object | None) -> list[str]:
    names = getattr(type(new), "__struct_fields__", ())
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def host_state(status: HostStatus, lag: int, refusals: tuple[Refusal, ...]) -> HostState:
    """How a host fares; what its agent reports is data that nobody here trusts to be of any form."""
    report = status.report
    drops = {str(item.get("reason")): int(item.get("count", 0)) for item in report.get("drops", ())}
    ports: dict[str, int] = {}
    for port in report.get("ports", ()):
        state = str(port.get("state", port.get("phase", "")))
        ports[state] = ports.get(state, 0) + 1
    problems = [str(error) for error in report.get("errors", ())]
    problems += [f"claimed {item.port}, {item.count} times in vain: {item.reason}" for item in refusals]
    return HostState(
        host=status.host,
        connected=status.connected,
        programmed=status.programmed,
        lag=lag,
        drift=int(report.get("drift", 0)),
        drops=drops,
        ports=ports,
        problems=problems,
    )
