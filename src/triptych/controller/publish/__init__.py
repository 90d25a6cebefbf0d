"""Rows to agents: scopes encoded once, a session per agent, and who has programmed what."""

from triptych.controller.publish.metrics import Metrics
from triptych.controller.publish.publisher import Publisher
from triptych.controller.publish.session import Session

__all__ = ["Metrics", "Publisher", "Session"]
