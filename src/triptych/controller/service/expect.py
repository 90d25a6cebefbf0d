"""What a writer thinks an object is: the conditions of RFC 9110 (If-Match, If-None-Match)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from triptych.controller.mirror import Mirror
from triptych.core.model import Key
from triptych.errors import PreconditionError


class Expect(msgspec.Struct, frozen=True):
    """`revisions`: it was last changed by one of these (None: by any). `absent`: it is not there. `present`: it is."""

    revisions: tuple[int, ...] | None = None
    absent: bool = False
    present: bool = False

    @property
    def newest(self) -> int:
        """The latest revision it speaks of; 0: of none."""
        return max(self.revisions or (0,))


def expected(mirror: Mirror, keys: Iterable[Key], expect: Expect | None) -> None:
    """Raise PreconditionError when an object is not as expected."""
    if expect is None:
        return
    for key in keys:
        revision = mirror.revisions.get(key)
        if expect.absent and revision is not None:
            raise PreconditionError(f"{key}: is declared already, at revision {revision}; leave If-None-Match out")
        if expect.present and revision is None:
            raise PreconditionError(f"{key}: is not declared; leave If-Match out to create it")
        if expect.revisions is not None and revision not in expect.revisions:
            now = "is not declared" if revision is None else f"was changed by revision {revision}"
            wanted = " or ".join(map(str, expect.revisions)) or "what If-Match says"
            raise PreconditionError(f"{key}: {now}, not by {wanted}; read it again and repeat the change")
