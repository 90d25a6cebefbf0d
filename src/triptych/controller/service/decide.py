"""Declarations to a change: checked and resolved by the rules of the whole document, against what they concern.

Pure: reads the mirror, changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.service.change import ChangeSet, Step
from triptych.controller.service.context import context_of, segments_with_hops
from triptych.controller.service.elsewhere import PresentOwners
from triptych.controller.service.references import refuse_if_referenced
from triptych.core.model import Declarations, Document, Key, Kind, Network, Object, Segment, StaticRoute, resolve
from triptych.core.model.check import check
from triptych.core.model.declarations import Declared
from triptych.core.model.declare import declare
from triptych.core.model.faults import Faults
from triptych.core.model.parse import read
from triptych.core.model.references import reference_names, references
from triptych.errors import DocumentError, NotFoundError


class Wanted(msgspec.Struct, frozen=True):
    """What documents say, each object by itself, and what is wrong with it already."""

    declarations: Declarations
    faults: Faults
    objects: Mapping[Key, Declared]
    """By identity; of those that are declared twice, the first."""


def wanted(documents: Iterable[Document]) -> Wanted:
    """Read documents; nothing of the network is needed for it."""
    faults = Faults()
    declarations = read(documents, faults)
    objects: dict[Key, Declared] = {}
    for kind in Kind:
        for item in declarations.of(kind):
            objects.setdefault(item.key, item)
    return Wanted(declarations, faults, objects)


def decide(mirror: Mirror, asked: Wanted, reserved: Collection[bytes] = (), skip: int = 0) -> ChangeSet:
    """The change that leads from what is there to what is wanted; DocumentError with every fault.

    `reserved` are claims that others are about to commit, `skip` is how many free numbers
    to leave to others.
    """
    changed = asked.objects
    context = context_of(mirror, changed)
    merged = _merged(asked.declarations, context.values())
    faults = asked.faults or Faults()
    check(merged, faults)
    if faults:
        raise DocumentError(faults.all())
    former = {key: item for key in changed if (item := mirror.find(key)) is not None}
    elsewhere = PresentOwners(mirror.owners, former.values(), reserved, skip)
    resolved = resolve(merged, Network(former.values()), elsewhere).objects
    revisions = mirror.revisions
    steps = {key: Step(former.get(key), resolved[key], revisions.get(key, 0)) for key in changed}
    return ChangeSet(mirror.revision, steps, _basis(mirror, steps))


def decide_put(mirror: Mirror, items: Iterable[Object]) -> ChangeSet:
    """The change to objects that are known to be right: what an attach makes of a port."""
    steps = {item.key: Step(mirror.find(item.key), item, mirror.revisions.get(item.key, 0)) for item in items}
    return ChangeSet(mirror.revision, steps, _basis(mirror, steps))


def decide_delete(mirror: Mirror, key: Key) -> ChangeSet:
    """The change that deletes an object; NotFoundError, and ReferencedError when others refer to it."""
    old = mirror.find(key)
    if old is None:
        raise NotFoundError(f"{key}: is not declared")
    refuse_if_referenced(mirror, key)
    return ChangeSet(mirror.revision, {key: Step(old, None, mirror.revisions[key])})


def _merged(declarations: Declarations, context: Iterable[Object]) -> Declarations:
    """The context first, so that a collision is the fault of what is new."""
    found: dict[str, list[Declared]] = {kind.value: [] for kind in Kind}
    for item in context:
        found[item.key.kind.value].append(declare(item))
    lists = {name: (*items, *declarations.of(Kind(name))) for name, items in found.items()}
    return Declarations(incomplete=declarations.incomplete, **lists)  # type: ignore[arg-type]


def _basis(mirror: Mirror, steps: Mapping[Key, Step]) -> dict[Key, int]:
    """Objects outside of the change that it was checked against, each with its revision."""
    basis: dict[Key, int] = {}
    revisions = mirror.revisions

    def rest_on(key: Key) -> None:
        if key not in steps and key in revisions:
            basis[key] = revisions[key]

    seen: set[object] = set()
    for step in steps.values():
        if step.new is None or step.old == step.new:
            continue
        # Of many ports in one segment and on one host, one is looked at.
        names = reference_names(step.new)
        if names in seen and not isinstance(step.new, StaticRoute):
            continue
        seen.add(names)
        for _, key in references(step.new):
            # A tenant cannot go while it has segments and routers, on which the others rest.
            if key.kind is not Kind.TENANT or step.new.key.kind in (Kind.SEGMENT, Kind.ROUTER):
                rest_on(key)
            segment = mirror.find(key) if key.kind is Kind.SEGMENT else None
            if isinstance(segment, Segment) and segment.router is not None:
                rest_on(Key(Kind.ROUTER, segment.tenant, segment.router))
        if isinstance(step.new, StaticRoute):
            router = Key(Kind.ROUTER, step.new.tenant, step.new.router)
            for key in segments_with_hops(mirror, router, step.new.via):
                rest_on(key)
    return basis
