"""Build hook: the wheel carries the compiled eBPF object, so that no host needs a compiler.

An editable install is left alone: there `make bpf` compiles into the source tree.
"""

from __future__ import annotations

import importlib.util
import platform
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles `bpf/` before the files of a wheel are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is `standard` or `editable`."""
        if version != "standard":
            return
        root = Path(self.root)
        spec = importlib.util.spec_from_file_location("build_bpf", root / "tools" / "build_bpf.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for target in module.build(force=True):
            build_data["artifacts"].append(str(Path(target).relative_to(root)))
        # The object depends on the byte order alone, but its build asked for this machine's headers.
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"
