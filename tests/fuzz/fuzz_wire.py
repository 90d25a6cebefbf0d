"""Fuzz target: whatever bytes come from the other end, a checked value or a WireError comes of them.

    python tests/fuzz/fuzz_wire.py -max_total_time=60

Every argument is libFuzzer's. The first byte of an input chooses the decoder. A value that
is accepted is also encoded and decoded again. It starts from honest messages.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "src"))

with atheris.instrument_imports(include=["triptych.wire", "triptych.core"]):
    from triptych.controller.publish.encode import encode_remove, encode_snapshot
    from triptych.core.compile import Compiler, split_rows
    from triptych.testing.messages import DECODERS, check_any
    from triptych.testing.worlds import WORLDS
    from triptych.wire.convert import encode_attach, encode_batch, encode_bundle, encode_from_agent
    from triptych.wire.messages import Ack, Hello, Report, Resync, ScopeState


def check(content: bytes) -> None:
    """What holds of any bytes."""
    if content:
        check_any(content[0], content[1:])


def honest() -> list[bytes]:
    """Messages of every kind, each behind the byte that chooses its decoder."""
    made = [bytes([3]) + encode_attach("acme/web-1")]
    for world in WORLDS:
        updates = []
        for scope, rows in split_rows(Compiler(world.network).rows).items():
            updates += [*encode_snapshot(scope, 5, rows, 7), *encode_remove(scope, 6)]
            made.append(bytes([2]) + encode_from_agent(Hello("1", (ScopeState(scope, 3, bytes(16)),))))
            made.append(bytes([2]) + encode_from_agent(Resync((scope,))))
        made += [bytes([0]) + update for update in updates]
        made.append(bytes([1]) + encode_batch(1, 2, encode_bundle(updates)))
    return made + [bytes([2]) + encode_from_agent(message) for message in (Ack(3), Report(1, 2))]


def main() -> None:
    """Run libFuzzer over `check`."""
    assert len(DECODERS) < 256
    with tempfile.TemporaryDirectory(prefix="tri-fuzz-") as folder:
        files = []
        for number, content in enumerate(random.Random(1).sample(honest(), 60)):
            files.append(Path(folder) / str(number))
            files[-1].write_bytes(content)
        arguments = [*sys.argv, f"-seed_inputs={','.join(map(str, files))}"]
        atheris.Setup(arguments, check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
