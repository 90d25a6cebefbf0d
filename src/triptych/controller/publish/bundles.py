"""Groups of updates as pieces of messages, each made once for all sessions that are sent the same."""

from __future__ import annotations

from collections import OrderedDict

from triptych.controller.publish.encode import Encoded
from triptych.wire.convert import encode_bundle

KEPT = 16
"""Bundles that are remembered; hosts with the same needs ask for the same ones soon after each other."""


class Bundles:
    """By identity of the updates: scope logs hand out the same bytes as long as nothing changes."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[int, ...], tuple[Encoded, bytes]] = OrderedDict()

    def get(self, updates: Encoded) -> bytes:
        """The bundle of these updates."""
        if not updates:
            return b""
        name = tuple(map(id, updates))
        found = self._made.get(name)
        if found is None:
            # The updates are kept with the bundle: their identities must not be given to others.
            found = self._made[name] = updates, encode_bundle(updates)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        return found[1]

    def clear(self) -> None:
        """Something changed: nobody will ask for these again."""
        self._made.clear()
