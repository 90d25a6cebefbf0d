"""`python -m triptych.controller --config FILE`: the process alone; flags are those of `triptych controller`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from triptych.controller.app import main
from triptych.controller.config import read
from triptych.errors import InputError

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m triptych.controller")
    parser.add_argument("--config", type=Path, help="a TOML file")
    try:
        config = read(parser.parse_args().config, os.environ, {})
    except InputError as error:
        sys.stderr.write(f"triptych controller: {error}\n")
        sys.exit(1)
    sys.exit(main(config))
