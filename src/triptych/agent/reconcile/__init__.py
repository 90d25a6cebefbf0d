"""What the host should have, brought into its data plane and kept there."""

from triptych.agent.reconcile.changes import Changes
from triptych.agent.reconcile.plane import Plane, PlaneStatus
from triptych.agent.reconcile.reconciler import Reconciler
from triptych.agent.reconcile.rows import Audit, Drift, Fault

__all__ = ["Audit", "Changes", "Drift", "Fault", "Plane", "PlaneStatus", "Reconciler"]
