"""Where the declared network is kept: one contract (`base`), three stores.

- `memory`: the specification, readable; for tests and offline work.
- `sqlite`: the default; one file, one controller.
- `etcd`: several controllers.

Only an `app.py` chooses one, by name, imported late.
"""
