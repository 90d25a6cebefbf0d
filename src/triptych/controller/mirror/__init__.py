"""The declared network in memory, as the store last told it, with the rows that it makes."""

from triptych.controller.mirror.mirror import Mirror

__all__ = ["Mirror"]
