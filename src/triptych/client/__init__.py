"""Clients of Triptych: of a controller, and of the agent on this machine."""
