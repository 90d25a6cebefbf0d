"""How long to wait before trying again: data, so that who tests it needs no luck and no clock."""

from __future__ import annotations

from hashlib import blake2b

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """`attempts` in all: `prompt` ones at once, each later one after twice the time, from `first` to `most` seconds.

    Most go at once on purpose. Each waits for the store and for the mirror anyway, and who
    waits longer loses again to those who have just come.
    """

    attempts: int = 60
    prompt: int = 24
    first: float = 0.001
    most: float = 0.05

    def delay(self, attempt: int) -> float:
        """Seconds before an attempt, which are counted from 0."""
        return 0.0 if attempt < self.prompt else min(self.first * 2.0 ** (attempt - self.prompt), self.most)

    def skip(self, seat: str, attempt: int) -> int:
        """How many free numbers to leave to others at an attempt.

        Different for every `seat` (a controller), so that they do not want the same
        again, and up to twice as many each time.
        """
        if attempt == 0:
            return 0
        spread = 1 << min(attempt + 1, 10)
        digest = blake2b(f"{seat} {attempt}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") % spread
