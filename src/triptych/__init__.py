"""Triptych: overlay virtual networks from three lookup tables."""

__version__ = "0.1.0"
