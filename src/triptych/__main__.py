"""`python -m triptych`: the command line."""

from triptych.cli import main

main()
