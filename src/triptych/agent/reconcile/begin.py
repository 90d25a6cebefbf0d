"""With which rows an agent begins: those in the data plane, or those of its last life. Pure.

What is in the data plane wins, whatever the disk says: the disk is written now and then,
so the kernel may be ahead of it, and forwarding must not go back. Where the disk holds a
scope with exactly the rows that were found, its revision is known and the controller need
send only what changed since; elsewhere the revision is 0, and what the controller sends
is compared with what is there.

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
    """What to hold, and what to write first (`fill` is empty unless rows come from the disk)."""

    images: tuple[ScopeImage, ...]
    fill: Delta
    from_disk: bool


def begin(found: TableSet, saved: Iterable[ScopeImage], *, filling: bool = False) -> Beginning:
    """Decide by the rows `found` in the data plane and those `saved` on disk."""
    kept = tuple(saved)
    if kept and (filling or not len(found)):
        whole = merge_rows(image.rows for image in kept)
        fill = difference(found, whole)
        # Whatever else is there came from nowhere; the controller decides about it.
        fill.deletes.clear()
        return Beginning(kept, fill, from_disk=True)
    by_scope = {image.scope: image for image in kept}
    images = []
    for scope, rows in sorted(split_rows(found).items()):
        known = by_scope.get(scope)
        same = known is not None and known.rows.tables == rows.tables
        images.append(ScopeImage(scope, known.revision if same and known is not None else 0, rows))
    return Beginning(tuple(images), Delta(), from_disk=False)
