"""`python -m triptych.agent --config FILE`."""

import typer

from triptych.agent.app import main

typer.run(main)
