"""With which rows an agent begins: those in the data plane, or those of its last life. Pure.

A *settled* disk is what the agent programmed last: it is what should be, and what differs
in the data plane was done by somebody else, which an audit puts right.

Otherwise the agent died between a change and its save, and the kernel is ahead. Then what
is in the data plane wins, whatever the disk says, for forwarding must not go back. Where
the disk holds a scope with exactly the rows that were found, its revision is known and the
controller need send only what changed since; elsewhere the revision is 0, and what the
controller sends is compared with what is there.

Only an empty data plane, as after a reboot, is filled from the disk. A process that dies
while filling leaves a part, which must not pass for the whole: `filling` says that this
happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from triptych.agent.contract import ScopeImage
from triptych.core.compile.scopes import merge_rows, split_rows
from triptych.core.tables import Delta, TableSet, difference


class Beginning(NamedTuple):
    """What to hold, and what to write first.

    `fill` is empty unless an empty data plane is filled from the disk (`from_disk`). `compare`: the
    disk is held, and the data plane is to be audited by it.
    """

    images: tuple[ScopeImage, ...]
    fill: Delta
    from_disk: bool
    compare: bool = False


def begin(found: TableSet, saved: Iterable[ScopeImage], *, filling: bool = False, settled: bool = False) -> Beginning:
    """Decide by the rows `found` in the data plane and those `saved` on disk."""
    kept = tuple(saved)
    if kept and (filling or not len(found)):
        whole = merge_rows(image.rows for image in kept)
        fill = difference(found, whole)
        # Whatever else is there came from nowhere; the controller decides about it.
        fill.deletes.clear()
        return Beginning(kept, fill, from_disk=True)
    if kept and settled:
        return Beginning(kept, Delta(), from_disk=False, compare=True)
    by_scope = {image.scope: image for image in kept}
    images = []
    for scope, rows in sorted(split_rows(found).items()):
        known = by_scope.get(scope)
        same = known is not None and known.rows.tables == rows.tables
        images.append(ScopeImage(scope, known.revision if same and known is not None else 0, rows))
    return Beginning(tuple(images), Delta(), from_disk=False)
