"""Running the application: one process, one address, a clean end."""

import asyncio
import ipaddress
import logging
import re
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn

from messaging.settings import Settings
from server.app import create_app
from server.database import Database, database_url
from server.errors import ServerError

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_QUERY = re.compile(r"\?[^\s\"']*")


class WithoutQuery(logging.Filter):
    """Takes query strings out of log lines: the ready token may stand in one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; never drops it."""
        record.msg = _QUERY.sub("?…", record.getMessage())
        record.args = None
        return True


def log_config(level: str) -> dict[str, Any]:
    """Describe the logging of the server process: to stderr, without query strings.

    A line for every connection that opens is for whoever looks for a fault (``debug``), not for an operator.
    """
    chatty = level.upper() if level == "debug" else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"without_query": {"()": "server.serving.WithoutQuery"}},
        "formatters": {"line": {"format": "%(levelname)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_query"]}},
        "loggers": {
            "uvicorn": {"handlers": ["stderr"], "level": chatty, "propagate": False},
            "server": {"handlers": ["stderr"], "level": level.upper(), "propagate": False},
        },
    }


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, bound: socket.socket, on_ready: Callable[[str, int], None], close_sockets: Callable[[], None]) -> None:
        super().__init__(config)
        self._bound = bound
        self._on_ready = on_ready
        self._close_sockets = close_sockets

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self._bound.getsockname()[:2]
            self._on_ready(host, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before uvicorn waits for the connections: websockets end only when they are asked to.
        self._close_sockets()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """Take the address.

    Raises
    ------
    ServerError
        Somebody else has the port, or the host's address does not exist here.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ServerError(
            f"The server cannot listen on {host} port {port}: {error.strerror or error}. Stop what uses the port, or choose another with RLHB_PORT or --port."
        ) from error


def check_exposure(settings: Settings) -> None:
    """Refuse to show neural data and logins to a network in clear.

    Raises
    ------
    ServerError
        The address is no loopback one, there is no TLS, and nobody said that this is meant; or a TLS file is missing.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ServerError("TLS needs both RLHB_TLS_CERT and RLHB_TLS_KEY, the certificate and its key. Give both, or neither.")
    for path in (settings.tls_cert, settings.tls_key):
        if path is not None and not path.is_file():
            raise ServerError(f"The TLS file {path} is not there. Correct RLHB_TLS_CERT and RLHB_TLS_KEY.")
    if is_loopback(settings.host) or settings.tls_cert is not None or settings.insecure:
        return
    raise ServerError(
        f"The server would listen on {settings.host} without TLS: whoever sees the network would see logins and labels. "
        "Give RLHB_TLS_CERT and RLHB_TLS_KEY, or say --insecure where a reverse proxy has TLS or the network is trusted."
    )


def is_loopback(host: str) -> bool:
    """Whether an address stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def serve(settings: Settings, on_ready: Callable[[str, int], None] | None = None, on_server: Callable[[uvicorn.Server], None] | None = None) -> None:
    """Run the session server until SIGINT or SIGTERM.

    Parameters
    ----------
    settings : Settings
        `port` 0 takes a free port.
    on_ready : callable, optional
        Called with host and port when requests are answered; without it the address is printed.
    on_server : callable, optional
        Called with the server before it starts; setting its ``should_exit`` ends it (for a server in a thread).

    Raises
    ------
    ServerError
        The address is taken, not to be used without TLS, or the database cannot be used.
    """
    check_exposure(settings)
    bound = bind(settings.host, settings.port)
    try:
        # What is wrong with the database is told before the server starts, in a sentence and not as its stack trace.
        asyncio.run(_check_database(settings))
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            access_log=False,
            log_config=log_config(settings.log_level),
            lifespan="on",
            timeout_graceful_shutdown=5,
            server_header=False,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        announce = on_ready or partial(_print_address, secure=settings.tls_cert is not None)
        server = _Announcing(
            config,
            bound,
            announce,
            app.state.service.switchboard.close_all,
        )
        if on_server is not None:
            on_server(server)
        server.run(sockets=[bound])
        if not server.started:
            raise ServerError("The server did not start; the log above holds the cause.")
    finally:
        bound.close()


async def _check_database(settings: Settings) -> None:
    database = Database(database_url(settings))
    try:
        await database.open()
    finally:
        await database.close()


def _print_address(host: str, port: int, *, secure: bool) -> None:
    print(f"listening http{'s' if secure else ''}://{f'[{host}]' if ':' in host else host}:{port}/", flush=True)
