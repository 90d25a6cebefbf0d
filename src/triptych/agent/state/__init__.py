"""What an agent keeps on disk, so that a host serves its VMs after a reboot without a controller."""

from triptych.agent.state.files import DiskMarks, StateFiles
from triptych.agent.state.saver import Saver

__all__ = ["DiskMarks", "Saver", "StateFiles"]
