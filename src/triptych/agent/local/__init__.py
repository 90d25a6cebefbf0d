"""What programs on this machine may ask of the agent, over a unix socket."""

from triptych.agent.local.attachments import Attachments
from triptych.agent.local.server import LocalServer

__all__ = ["Attachments", "LocalServer"]
