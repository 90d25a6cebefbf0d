"""Talking to a controller: `api` says what may be asked, `Client` and `AsyncClient` ask it."""

from triptych.client.rest import api
from triptych.client.rest.call import Call, Pages
from triptych.client.rest.http import AsyncClient, Client
from triptych.client.rest.retry import Retry
from triptych.client.rest.server import Server

__all__ = ["AsyncClient", "Call", "Client", "Pages", "Retry", "Server", "api"]
