"""Side-by-side measurements: the same VMs, connected in several ways, in alternating rounds.

`run` measures and returns the raw figures; `triptych.bench.commands` is the command line.
Figures live here and nowhere else: tests count work, never seconds.
"""
