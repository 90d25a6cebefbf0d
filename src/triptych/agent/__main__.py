"""`python -m triptych.agent --config FILE`: the process alone; flags are those of `triptych agent`."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from triptych.agent.app import main
from triptych.agent.config import read

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m triptych.agent")
    parser.add_argument("--config", type=Path, help="a TOML file")
    sys.exit(main(partial(read, parser.parse_args().config, os.environ, {})))
