"""The generated messages are those of the protocol file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "src/triptych/wire/generated"


@pytest.mark.parametrize("name", ["southbound_pb2.py", "southbound_pb2.pyi"])
def test_the_messages_are_those_of_the_proto_file(name: str, tmp_path: Path) -> None:
    """What the generator makes of proto/ now is what is committed (else: make proto)."""
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-Itriptych/wire/generated=proto/triptych/southbound/v1",
         f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "triptych/wire/generated/southbound.proto"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    made = tmp_path / "triptych/wire/generated" / name
    assert (GENERATED / name).read_text(encoding="utf-8") == made.read_text(encoding="utf-8")
