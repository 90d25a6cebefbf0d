"""Side-by-side measurements: the same VMs, connected in several ways, in alternating rounds.

`run` measures and returns the raw figures; `triptych.bench.commands` is the command line.
Figures live here and nowhere else: tests count work, never seconds.
"""

from triptych.bench.model import Options, Run
from triptych.bench.runs import run

__all__ = ["Options", "Run", "run"]
