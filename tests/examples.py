"""How many examples a property is tried with.

The number for all is TRIPTYCH_EXAMPLES (25 when it is not set, so that the fast tests
are fast; `make fuzz` sets a thousand). A property that costs more takes a share of it.
"""

from __future__ import annotations

import os

from hypothesis import settings

EXAMPLES = int(os.environ.get("TRIPTYCH_EXAMPLES", "25"))


def share(part: float) -> settings:
    """Settings for `part` (of 1) of the examples, at least three."""
    return settings(max_examples=max(3, round(EXAMPLES * part)))
