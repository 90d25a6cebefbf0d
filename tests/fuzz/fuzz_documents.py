"""Fuzz target: whatever bytes are given as a document, a network or a DocumentError comes back.

    python tests/fuzz/fuzz_documents.py -atheris_runs=20000

Every other argument is libFuzzer's (`-max_total_time=60`, a corpus folder, a file to run
once). Without a folder it starts from `tests/fuzz/corpus/documents` and writes nothing.
A network that is accepted is also written as a document and read back.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "src"))

with atheris.instrument_imports(include=["triptych"]):
    from triptych.core.model import Network
    from triptych.documents import Text, load_network, yaml_of
    from triptych.errors import DocumentError


def read(name: str, content: bytes | str) -> Network | None:
    """The network of a document, or nothing when it is refused in the way it should be."""
    try:
        return load_network([Text(name, content)])
    except DocumentError as error:
        faults = error.faults
    assert faults, "refused without a reason"
    for fault in faults:
        assert len(str(fault).splitlines()) == 1, f"a message of several lines: {fault!s}"
    return None


def check(content: bytes) -> None:
    """What holds for any document."""
    network = read("fuzz", content)
    if network is not None:
        assert read("shown", yaml_of(network)) == network, "what is shown is not what was read"


def main() -> None:
    """Run libFuzzer over `check`."""
    arguments = list(sys.argv)
    if not any(not argument.startswith("-") for argument in arguments[1:]):
        # libFuzzer writes what it finds into the first folder; the corpus comes second.
        arguments += [f"-dict={HERE / 'documents.dict'}", *seeds()]
    atheris.Setup(arguments, check)
    atheris.Fuzz()


def seeds() -> list[str]:
    """The corpus as files that are read and not added to: `-seed_inputs` takes a list."""
    files = sorted(str(path) for path in (HERE / "corpus" / "documents").iterdir())
    return [f"-seed_inputs={','.join(files)}"]


if __name__ == "__main__":
    main()
