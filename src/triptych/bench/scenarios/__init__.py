"""The ways to connect two VMs that are measured side by side."""

from triptych.bench.scenarios import kernel, ovs, triptych
from triptych.bench.scenarios.base import Endpoint, Pair, Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (*kernel.SCENARIOS, *triptych.SCENARIOS, *ovs.SCENARIOS)
}

__all__ = ["SCENARIOS", "Endpoint", "Pair", "Scenario"]
