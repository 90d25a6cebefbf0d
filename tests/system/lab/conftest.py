"""Labs for the tests of this folder."""

from triptych.lab.pytest_plugin import lab, module_lab

__all__ = ["lab", "module_lab"]
