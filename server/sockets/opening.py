"""What all websockets share: who calls, the first message, reading and writing side by side, and saying why it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from messaging.lab import ClockPing, ClockPong
from messaging.rewards import Refusal, RefusalCode
from server import clock
from server.callers import Caller, Scope
from server.errors import BadRequest, Conflict, Forbidden, NotFound, Problem, Unauthorized, validation_sentence
from server.outlet import BAD_MESSAGE, FORBIDDEN, NOT_FOUND, REPLACED, UNAUTHORIZED, Outlet
from server.service import Service

log = logging.getLogger(__name__)

FIRST_MESSAGE_S = 5.0
FAILED = 1011

_CODES: dict[type[Problem], tuple[RefusalCode, int]] = {
    BadRequest: (RefusalCode.BAD_MESSAGE, BAD_MESSAGE),
    Unauthorized: (RefusalCode.UNAUTHORIZED, UNAUTHORIZED),
    Forbidden: (RefusalCode.FORBIDDEN, FORBIDDEN),
    NotFound: (RefusalCode.NOT_FOUND, NOT_FOUND),
    Conflict: (RefusalCode.CONFLICT, REPLACED),
}
"""For programs: the word in the refusal and the websocket's close code."""

Scopes = dict[type[BaseModel], Scope]
"""Scope that is needed, by the model of the first message."""
Conversation = Callable[[WebSocket, Outlet, Caller, Any], Awaitable[None]]
"""Reads a websocket until it ends; the outlet writes beside it."""


async def serve_socket(
    websocket: WebSocket, kind: str, scopes: dict[type[BaseModel], Scope], hello: TypeAdapter[Any], conversation: Conversation, link: str | None = None
) -> None:
    """Serve a websocket from its first message to its end.

    Parameters
    ----------
    websocket : starlette.websockets.WebSocket
    kind : str
        For the metrics.
    scopes : dict
        Scope that is needed, by the model of the first message.
    hello : pydantic.TypeAdapter
        The first message.
    conversation : callable
        What follows.
    link : str, optional
        Session whose link opens this websocket, without any scope.
    """
    service: Service = websocket.app.state.service
    await websocket.accept()
    outlet = Outlet(websocket)
    service.switchboard.outlets.add(outlet)
    gauge = service.metrics.connections.labels(kind)
    gauge.inc()
    writing = asyncio.create_task(outlet.run())
    reading = asyncio.create_task(_guarded(websocket, outlet, scopes, hello, conversation, link))
    try:
        await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            outlet.close()
            await writing
        else:
            await writing
    finally:
        for task in (writing, reading):
            task.cancel()
        await asyncio.gather(writing, reading, return_exceptions=True)
        service.switchboard.outlets.discard(outlet)
        gauge.dec()


async def _guarded(
    websocket: WebSocket, outlet: Outlet, scopes: dict[type[BaseModel], Scope], hello: TypeAdapter[Any], conversation: Conversation, link: str | None
) -> None:
    """Turn everything that goes wrong while reading into a refusal with a reason."""
    try:
        caller, first = await _first_message(websocket, scopes, hello, link)
        await conversation(websocket, outlet, caller, first)
    except WebSocketDisconnect:
        pass
    except ValidationError as error:
        reason, remedy = f"A message does not fit: {validation_sentence(error)}", "Send messages as /api/v1/schemas describes them."
        outlet.close(Refusal(reason=reason, remedy=remedy, code=RefusalCode.BAD_MESSAGE), BAD_MESSAGE)
    except Problem as error:
        word, close_code = _CODES.get(type(error), (RefusalCode.BAD_MESSAGE, BAD_MESSAGE))
        outlet.close(Refusal(reason=error.detail, remedy=error.remedy, code=word), close_code)
    except Exception:
        log.exception("A websocket conversation failed.")
        outlet.close(Refusal(reason="The server failed.", remedy="Connect again; the server's log holds the cause.", code=RefusalCode.FAILED), FAILED)


async def _first_message(websocket: WebSocket, scopes: Scopes, hello: TypeAdapter[Any], link: str | None) -> tuple[Caller, Any]:
    gatekeeper = websocket.app.state.service.gatekeeper
    caller: Caller | None = await gatekeeper.caller_of(websocket, changes=True)
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            raw = await websocket.receive_text()
    except TimeoutError:
        remedy = "Send the hello with a token at once."
        raise Unauthorized(f"No first message came within {FIRST_MESSAGE_S:g} s.", remedy) from None
    except KeyError:
        raise BadRequest("The first message is binary.", "Say hello in JSON first.") from None
    first = hello.validate_json(raw)
    if caller is None:
        token = getattr(first, "token", None)
        if not token:
            raise Unauthorized("Neither a header nor a cookie nor the hello brought a token.", "Send `Authorization: Bearer TOKEN`, or `token` in the hello.")
        caller = await gatekeeper.caller_of_token(token)
    if link is None or caller.session_id != link:
        caller.need(scopes[type(first)])
    return caller, first


async def messages_of(websocket: WebSocket) -> AsyncIterator[str | bytes]:
    """Give the messages of a websocket until its peer is gone."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        yield text if text is not None else message["bytes"]


def text_of(message: str | bytes) -> str:
    """Take a message as text.

    Raises
    ------
    BadRequest
        It is binary.
    """
    if isinstance(message, bytes):
        raise BadRequest("A binary message came where only text is understood.", "Send JSON text.")
    return message


def pong(ping: ClockPing) -> ClockPong:
    """Answer a clock ping."""
    now_s = clock.server_time_s()
    return ClockPong(t0=ping.t0, t1=now_s, t2=clock.server_time_s())
