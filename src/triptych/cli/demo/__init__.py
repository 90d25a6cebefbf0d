"""`triptych demo`: the main job on this machine, on real packets, in under a minute."""

from triptych.cli.demo.command import demo

__all__ = ["demo"]
