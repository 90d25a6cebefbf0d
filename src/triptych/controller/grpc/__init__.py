"""The southbound protocol over gRPC, with mutual TLS."""

from triptych.controller.grpc.server import ServerTls, SouthboundServer

__all__ = ["ServerTls", "SouthboundServer"]
