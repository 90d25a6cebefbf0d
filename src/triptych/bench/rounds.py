"""Alternating rounds: every scenario stands for the whole run, and each round measures them in another order.

What stands idle costs nothing here: no scenario polls. So a round compares scenarios
seconds apart, not minutes, and nobody is always first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from triptych.bench.figures import rotated
from triptych.bench.model import Options, Sample
from triptych.bench.namespaces import World, wait_for_reply
from triptych.bench.processes import need
from triptych.bench.scenarios import SCENARIOS, Pair
from triptych.bench.workloads import WORKLOADS
from triptych.errors import InputError

Progress = Callable[[str], None]


def chosen(names: Sequence[str]) -> list[str]:
    """The scenarios asked for, all when none is; InputError for a name that is none."""
    for name in names:
        if name not in SCENARIOS:
            raise InputError(f"no scenario is named {name!r}; choose among {', '.join(SCENARIOS)}")
    return list(names) or list(SCENARIOS)


@contextmanager
def standing(names: Sequence[str]) -> Iterator[dict[str, Pair]]:
    """All these scenarios, built and reachable, for the length of the block."""
    need(*(tool for workload in WORKLOADS.values() for tool in workload.tools))
    need(*(tool for name in names for tool in SCENARIOS[name].tools))
    with ExitStack() as stack:
        pairs = {}
        for number, name in enumerate(names):
            world = stack.enter_context(World(f"s{number}"))
            pairs[name] = stack.enter_context(SCENARIOS[name].build(world))
            wait_for_reply(pairs[name].near.namespace, pairs[name].far.address)
        yield pairs


def measure(pairs: Mapping[str, Pair], options: Options, progress: Progress) -> list[Sample]:
    """One sample for each scenario, workload and round."""
    samples = []
    for number in range(options.rounds):
        for name in rotated(list(pairs), number):
            progress(f"round {number + 1} of {options.rounds}: {SCENARIOS[name].title}")
            for workload in WORKLOADS.values():
                values = workload.measure(pairs[name], options.seconds)
                samples.append(Sample(name, number, workload.name, values))
    return samples
