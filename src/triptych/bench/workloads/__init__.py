"""What is measured between the two VMs of a scenario."""

from triptych.bench.workloads import tcp, udp
from triptych.bench.workloads.base import Workload

WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in (*tcp.WORKLOADS, *udp.WORKLOADS)}

__all__ = ["WORKLOADS", "Workload"]
