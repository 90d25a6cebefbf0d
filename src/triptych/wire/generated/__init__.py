"""Written by `make proto` from proto/; only `triptych.wire` reads it."""
