"""What clients get: values of the use cases as the messages of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from litestar import Response

from triptych.client.rest.messages import HostState, ObjectChange, RefusedRows, Written
from triptych.controller.ports import HostStatus, RefusedThere
from triptych.controller.rest.bodies import etag
from triptych.controller.service.claims import Refusal
from triptych.controller.service.reading import Found
from triptych.controller.service.service import Outcome
from triptych.core.model import Key, Object
from triptych.core.model.codec import plain_of
from triptych.core.model.render import fields_of
from triptych.core.verdicts import Reason
from triptych.wire.messages import PortPhase

REVISION = "triptych-revision"
"""The header with the revision at which a write took effect."""


def item_of(found: Found, *, detail: bool) -> dict[str, Any]:
    """An object as its document item; with `detail` what no document says: its revision, a port's generation."""
    return plain_of(found.item) | {"revision": found.revision} if detail else fields_of(found.item)


def written(outcome: Outcome, history: str, key: Key | None = None) -> Response[Written]:
    """What a write did; with the entity tag of the one object that it was about, in that history."""
    change = outcome.written.change
    objects = []
    for name, step in change.effective:
        fields = _differing(step.old, step.new) if step.action == "changed" else []
        objects.append(ObjectChange(name.kind.value, name.tenant, name.name, step.action, fields))
    laggards = None if outcome.reached is None else list(outcome.reached.missing)
    refused = () if outcome.reached is None else outcome.reached.refused
    revision = outcome.written.revision
    headers = {REVISION: str(revision)}
    status = HTTPStatus.OK
    if key is not None:
        step = change.steps[key]
        if step.new is not None:
            headers["etag"] = etag(history, step.revision if step.old == step.new else revision)
            status = HTTPStatus.CREATED if step.old is None else HTTPStatus.OK
    return Response(Written(revision, objects, laggards, refused_rows(refused)), status_code=status, headers=headers)


def refused_rows(refused: Iterable[RefusedThere]) -> list[RefusedRows]:
    """What data planes do not take."""
    return [RefusedRows(item.host, item.table, item.rows, item.reason) for item in refused]


def _differing(old: Object | None, new: Object | None) -> list[str]:
    names = getattr(type(new), "__struct_fields__", ())
    return [name for name in names if getattr(old, name) != getattr(new, name)]


_AWAY = "its agent is away: its VMs talk on, and hear of no change"
_UNSEEN = "its agent has not come since this controller began"


def host_state(status: HostStatus, revision: int, refusals: tuple[Refusal, ...]) -> HostState:
    """How a host fares while the network is at `revision`; by what its agent reports, as the wire's plain data."""
    report = status.report
    drops: Counter[str] = Counter()
    for item in report.get("drops", ()):
        drops[_reason(item["reason"])] += item["packets"]
    ports = Counter(PortPhase(item["phase"]).name.lower() for item in report.get("ports", ()))
    problems = [] if status.connected else [_AWAY if status.programmed else _UNSEEN]
    problems += [str(error) for error in report.get("errors", ())]
    problems += [
        f"{item['rows']} rows of {item['table']} are refused there: {item['message']}"
        for item in report.get("refused", ())
    ]
    problems += [
        item["detail"]
        if item["detail"].startswith(f"port {item['name']}: ")
        else f"port {item['name']}: {item['detail']}"
        for item in report.get("ports", ())
        if item["phase"] == PortPhase.REFUSED.value
    ]
    problems += [
        f"claimed {item.port}, {item.count} times in vain, last at {datetime.fromtimestamp(item.at, UTC):%H:%M:%S} UTC:"
        f" {item.reason}"
        for item in refusals
    ]
    return HostState(
        host=status.host,
        connected=status.connected,
        programmed=status.programmed,
        lag=max(revision - status.programmed, 0),
        drift=report.get("drift", 0),
        drops=dict(drops),
        ports=dict(ports),
        problems=problems,
        away=round(status.away),
    )


def _reason(number: int) -> str:
    """The name of a reason; its number when a newer agent counts one that is not known here."""
    try:
        return Reason(number).name.lower()
    except ValueError:
        return str(number)
