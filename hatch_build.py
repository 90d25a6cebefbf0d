"""Build hook: the wheel carries the compiled eBPF object, so that no host needs a compiler.

An editable install is left alone: there `make bpf` compiles into the source tree.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
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
        # By its file: the build environment has none of the package's dependencies.
        sys.path.insert(0, str(root / "src"))
        spec = importlib.util.spec_from_file_location("bpf_build", root / "src/triptych/drivers/ebpf/build.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        target: Path = module.build(root / "bpf")
        build_data["artifacts"].append(str(target.relative_to(root)))
        # The object depends on the byte order alone, but was compiled with this machine's headers.
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"
