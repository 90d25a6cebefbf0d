"""What goes when documents are applied with pruning: what else there is of each kind and tenant that they list.

Pruning is narrow on purpose. A document speaks for a kind of a tenant when it lists at least
one object of it; what it does not list there is surplus. Hosts and tenants are never
surplus: others are declared elsewhere, and everything hangs on them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from triptych.controller.mirror import Mirror
from triptych.controller.service.change import ChangeSet, Step
from triptych.controller.service.references import referrers, refuse
from triptych.controller.service.tried import tried
from triptych.core.compile.declared import Declared
from triptych.core.model import Key, Kind

_DEPENDENTS_FIRST = (Kind.ROUTE, Kind.L2_GATEWAY, Kind.PORT, Kind.SEGMENT, Kind.ROUTER)


def surplus(declared: Declared, listed: Collection[Key]) -> list[Key]:
    """What documents that list these keys have too little, those first that refer to others."""
    found: list[Key] = []
    for kind in _DEPENDENTS_FIRST:
        tenants = {key.tenant for key in listed if key.kind is kind}
        if tenants:
            keys = (Key(kind, *name) for name in getattr(declared, kind.value) if name[0] in tenants)
            found += sorted(key for key in keys if key not in listed)
    return found


def pruning(mirror: Mirror, change: ChangeSet, gone: Sequence[Key], *, beside: bool = False) -> ChangeSet:
    """The change with these deleted after it; ReferencedError for the first that others would still refer to."""
    if not gone:
        return change
    with tried(mirror.compiler, change, beside=beside).after() as changed:
        _refuse_referenced(changed.declared, gone)
    deletions = {key: Step(mirror.get(key), None, mirror.revisions[key]) for key in gone}
    return ChangeSet(change.revision, {**change.steps, **deletions}, change.basis)


def _refuse_referenced(declared: Declared, gone: Sequence[Key]) -> None:
    going = frozenset(gone)
    for key in gone:
        refuse(key, [other for other in dict.fromkeys(referrers(declared, key)) if other not in going])
