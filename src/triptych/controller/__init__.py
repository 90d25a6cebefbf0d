"""The controller: what operators declare, kept in a store, compiled, and brought to the agents.

- `mirror`: the declared network in memory, as the store last told it.
- `service`: the use cases; the one place that commits.
- `rest`: the use cases over HTTP.
- `publish`, `grpc`: rows to agents, and their claims.
- `app`: puts these together, and alone chooses a store.
"""
