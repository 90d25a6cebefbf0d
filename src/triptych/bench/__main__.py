"""`python -m triptych.bench`."""

from triptych.bench.commands import main

raise SystemExit(main())
