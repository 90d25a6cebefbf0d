"""Hosts and VMs of a declared network as network namespaces, with real data planes."""

from triptych.lab.change import Changed
from triptych.lab.lab import Entry, Lab

__all__ = ["Changed", "Entry", "Lab"]
