"""A change as one transaction: what it rests on as conditions, objects, claims and guards as puts and deletes.

What makes it right under concurrent controllers:

- an object is replaced only as it was looked at, and created only where there is none;
- what is unique is claimed, if absent;
- what the change refers to must be as it was looked at; and it bumps the guard of what it
  newly refers to or depends on, so that whoever must know all of these (a deletion, a
  segment whose subnets change) fails if it did not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from triptych.controller.service.change import ChangeSet, Step
from triptych.controller.service.keys import FAMILY_GUARD, claims_of, guard_key, prefix_claim
from triptych.core.compile.declared import Declared
from triptych.core.model import Host, Key, Kind, Port, Router, Segment, StaticRoute
from triptych.core.model.codec import encode_object
from triptych.core.model.keys import object_key
from triptych.core.model.references import reference_names, references
from triptych.stores.base import Absent, Condition, Entry, Put, Txn, Unchanged, ValueIs

_BUMPED = b"1"


class Proposal(msgspec.Struct, frozen=True):
    """A change with all that the mirror says of it: its guards, and what its new and changed objects claim."""

    change: ChangeSet
    guards: Guards
    claims: Mapping[Key, tuple[bytes, ...]]


class Guards(msgspec.Struct, frozen=True):
    """The guards that a change compares, and those that it bumps with their values."""

    compared: frozenset[bytes]
    bumped: Mapping[bytes, bytes]


def propose(change: ChangeSet, declared: Declared) -> Proposal:
    """A change of the declared network, ready to be committed."""
    claims = {key: tuple(claims_of(step.new)) for key, step in change.effective if step.new is not None}
    return Proposal(change, guards_of(change, declared), claims)


def guards_of(change: ChangeSet, declared: Declared) -> Guards:
    """Which guards a change of the declared network concerns."""
    compared: set[bytes] = set()
    bumped: dict[bytes, bytes] = {}
    seen: set[object] = set()
    for key, step in change.effective:
        if step.old is None and isinstance(step.new, Port):
            # Of many new ports in one segment and on one host, one is looked at.
            names = reference_names(step.new)
            if names in seen:
                continue
            seen.add(names)
        bumped |= dict.fromkeys(map(guard_key, _depends_anew(step)), _BUMPED)
        compared.update(map(guard_key, _must_know_all(key, step, declared)))
        if isinstance(step.new, Host) and not (isinstance(step.old, Host) and step.old.underlay == step.new.underlay):
            bumped[FAMILY_GUARD] = str(step.new.underlay.version).encode()
            compared.add(FAMILY_GUARD)
    return Guards(frozenset(compared), bumped)


def _depends_anew(step: Step) -> Iterator[Key]:
    """What an object begins to refer to; and its segment when a port's addresses, its router when a segment changes."""
    before = {key for _, key in references(step.old)} if step.old is not None and step.new is not None else set()
    item = step.new if step.new is not None else step.old
    assert item is not None
    if step.new is not None:
        yield from (key for _, key in references(item) if key not in before)
    match item:
        case Port() if isinstance(step.old, Port) and isinstance(step.new, Port):
            if step.old.mac != step.new.mac or step.old.ips != step.new.ips:
                yield Key(Kind.SEGMENT, item.tenant, item.segment)
        case Segment() if _is_rearranged(step):
            yield from _routers(step)
        case StaticRoute():
            yield Key(Kind.ROUTER, item.tenant, item.router)


def _must_know_all(key: Key, step: Step, declared: Declared) -> Iterator[Key]:
    """Objects of which the change is right only if it knows everything that depends on them."""
    rearranged = key.kind is Kind.SEGMENT and _is_rearranged(step)
    if step.new is None or (rearranged and step.old is not None):
        yield key
    if rearranged:
        yield from _routers(step)
    if isinstance(step.new, Router) and isinstance(step.old, Router) and step.new.mac != step.old.mac:
        yield key
        yield from (Key(Kind.SEGMENT, *name) for name in declared.segments_of_router.get((key.tenant, key.name), ()))


def _routers(step: Step) -> Iterator[Key]:
    for item in (step.old, step.new):
        if isinstance(item, Segment) and item.router is not None:
            yield Key(Kind.ROUTER, item.tenant, item.router)


def _is_rearranged(step: Step) -> bool:
    old, new = step.old, step.new
    if not isinstance(old, Segment) or not isinstance(new, Segment):
        return True
    return old.router != new.router or old.subnets != new.subnets


def transaction(proposal: Proposal, present: Mapping[bytes, Entry]) -> Txn:
    """The transaction that does a change; `present` are the compared guards that exist, as they are now.

    Every one of them must be no newer than the change (`ChangeSet.revision`).
    """
    change, guards = proposal.change, proposal.guards
    conditions: list[Condition] = [Unchanged(object_key(key), at) for key, at in change.basis.items()]
    puts: dict[bytes, bytes] = {}
    deletes: dict[bytes, None] = {}
    released: dict[bytes, bytes] = {}
    claimed: dict[bytes, bytes] = {}
    free: list[bytes] = []
    for key, step in change.steps.items():
        raw = object_key(key)
        conditions.append(Absent(raw) if step.old is None else Unchanged(raw, step.revision))
        if step.old == step.new:
            continue
        if step.new is None:
            deletes[raw] = None
            deletes[guard_key(key)] = None
        else:
            puts[raw] = encode_object(step.new)
            if isinstance(step.new, StaticRoute):
                free.append(prefix_claim(step.new.tenant, step.new.router, step.new.prefix))
        before = tuple(claims_of(step.old)) if step.old is not None else ()
        after = proposal.claims.get(key, ())
        released.update((claim, raw) for claim in before if claim not in after)
        claimed.update((claim, raw) for claim in after if claim not in before)
    # What a segment gives up in this very change is there until then.
    conditions += [Absent(claim) for claim in free if claim not in released]
    for claim, owner in claimed.items():
        former = released.pop(claim, None)
        conditions.append(Absent(claim) if former is None else ValueIs(claim, former))
        puts[claim] = owner
    deletes |= dict.fromkeys(released)
    conditions += _guard_conditions(guards, present)
    puts |= {guard: value for guard, value in guards.bumped.items() if guard not in deletes}
    return Txn(tuple(conditions), tuple(Put(key, value) for key, value in puts.items()), tuple(deletes))


def _guard_conditions(guards: Guards, present: Mapping[bytes, Entry]) -> Iterator[Condition]:
    for guard in guards.compared:
        entry = present.get(guard)
        if entry is None:
            yield Absent(guard)
        elif guard == FAMILY_GUARD and entry.value == guards.bumped[guard]:
            # Hosts of the family that is there already do not disturb each other.
            yield ValueIs(guard, entry.value)
        else:
            yield Unchanged(guard, entry.mod_revision)
