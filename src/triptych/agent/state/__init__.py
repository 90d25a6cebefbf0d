"""What an agent keeps on disk, so that a host serves its VMs after a reboot without a controller."""

from triptych.agent.state.files import StateFiles
from triptych.agent.state.saver import Saver

__all__ = ["Saver", "StateFiles"]
