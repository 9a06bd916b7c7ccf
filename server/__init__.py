"""The session server: sessions, sockets, the label log and its REST interface."""

from server.app import create_app
from server.errors import ServerError
from server.serving import serve

__all__ = ["ServerError", "create_app", "serve"]
