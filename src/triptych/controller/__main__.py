"""`python -m triptych.controller`: the process alone."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from triptych.controller.app import main
from triptych.controller.config import read
from triptych.errors import InputError


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m triptych.controller", description="The controller of Triptych.")
    parser.add_argument("--config", type=Path, help="a TOML file")
    parser.add_argument("--listen", help="ADDRESS:PORT of the REST API")
    parser.add_argument("--southbound", help="ADDRESS:PORT for agents")
    parser.add_argument("--store", help="sqlite:PATH, etcd://HOST:PORT or memory:")
    parser.add_argument("--bootstrap-token", type=Path, help="where to write the first admin token")
    parser.add_argument("--log-level")
    parser.add_argument("--log-format")
    return parser.parse_args()


if __name__ == "__main__":
    given = {name: value for name, value in vars(_flags()).items() if value is not None}
    try:
        config = read(given.pop("config", None), os.environ, given)
    except InputError as error:
        sys.stderr.write(f"triptych controller: {error}\n")
        sys.exit(1)
    sys.exit(main(config))
