"""The outermost layer of the application: host allow-list, limits on bodies, headers that every answer carries."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import problem_response

MAX_UPLOAD_BYTES = 64 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024
_UPLOADS = ("/api/v1/items",)

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    # Styles set by scripts and uPlot's inline styles need 'unsafe-inline'; scripts come from the bundle alone.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none'",
}


def host_name(host: str) -> str:
    """Take the port off a Host header; ``[::1]:8765`` becomes ``::1``."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


class Shell:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app : ASGI application
    allowed_hosts : frozenset of str
        Host names that requests may carry; others are refused, so that a page whose name was rebound to this address gets nothing.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - the interface of ASGI
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        name = host_name(headers.get("host", ""))
        if name not in self._allowed:
            await self._refuse_host(name, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        limit = MAX_UPLOAD_BYTES if scope["path"] in _UPLOADS else MAX_BODY_BYTES
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            answer = problem_response(413, f"The body has {length} bytes; {limit} are taken at once.", "Send it in parts.")
            await answer(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), _with_headers(send))

    async def _refuse_host(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": "host not allowed"})
            return
        answer = problem_response(
            421, f"This server does not answer under the name '{name[:100]}'.", "Call it as 127.0.0.1 or localhost, or add the name to RLHB_ALLOWED_HOSTS."
        )
        await answer(scope, receive, send)


def _counted(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413, f"The body is longer than {limit} bytes")
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for key, value in _HEADERS.items():
                headers.setdefault(key, value)
        await send(message)

    return sending
