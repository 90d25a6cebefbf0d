"""The control plane measured: a real controller, and a fleet of simulated agents in a process of its own.

Everything on the way is real (REST, SQLite, gRPC with mutual TLS, the agent's own end of
the stream) but the data plane: an agent acknowledges what it has merged.
"""
