"""The one writer of a websocket, and the codes that it closes with."""

import asyncio
import logging

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from messaging.rewards import Refusal, RefusalCode

log = logging.getLogger(__name__)

QUEUE_LENGTH = 512
"""Messages that wait for a slow peer before it is cut off."""
CLOSING_S = 2.0

BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
NOT_FOUND = 4404
TOO_SLOW = 4408
REPLACED = 4409
ENDED = 1000
GOING_AWAY = 1001


class Outlet:
    """The one writer of a websocket: a bounded queue and the task that empties it.

    Parameters
    ----------
    websocket : starlette.websockets.WebSocket
        Accepted.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue(QUEUE_LENGTH)
        self._over = asyncio.Event()
        self._goodbye: tuple[Refusal | None, int] = (None, ENDED)

    def offer(self, message: BaseModel | str | bytes) -> bool:
        """Queue a message; a peer whose queue is full is cut off with the reason.

        Returns
        -------
        bool
            False when the message was not queued.
        """
        if self._over.is_set():
            return False
        encoded = message.model_dump_json() if isinstance(message, BaseModel) else message
        try:
            self._queue.put_nowait(encoded)
        except asyncio.QueueFull:
            reason, remedy = f"{QUEUE_LENGTH} messages wait for this connection; it reads too slowly.", "Connect again and read faster."
            self.close(Refusal(reason=reason, remedy=remedy, code=RefusalCode.TOO_SLOW), TOO_SLOW)
            return False
        return True

    @property
    def has_room(self) -> bool:
        """Whether less than half of the queue waits, or nobody reads any more."""
        return self._over.is_set() or self._queue.qsize() < QUEUE_LENGTH // 2

    def close(self, refusal: Refusal | None = None, code: int = ENDED) -> None:
        """End the connection; what is queued goes out first unless the peer is too slow for it."""
        if not self._over.is_set():
            self._goodbye = (refusal, code)
            self._over.set()

    async def run(self) -> None:
        """Send until closed; then say goodbye."""
        over = asyncio.create_task(self._over.wait())
        try:
            while not self._over.is_set():
                getting = asyncio.create_task(self._queue.get())
                await asyncio.wait({getting, over}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    break
                sending = asyncio.create_task(self._send(getting.result()))
                await asyncio.wait({sending, over}, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    await self._finish(sending)
                    break
                sending.result()
            await self._say_goodbye()
        except (WebSocketDisconnect, RuntimeError):
            pass  # the peer is gone; the reader ends as well
        finally:
            over.cancel()

    async def _send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._websocket.send_bytes(message)
        else:
            await self._websocket.send_text(message)

    async def _finish(self, sending: "asyncio.Task[None]") -> None:
        await asyncio.wait({sending}, timeout=CLOSING_S)
        sending.cancel()

    async def _say_goodbye(self) -> None:
        refusal, code = self._goodbye
        try:
            async with asyncio.timeout(CLOSING_S):
                while not self._queue.empty() and code != TOO_SLOW:
                    await self._send(self._queue.get_nowait())
                if refusal is not None:
                    await self._send(refusal.model_dump_json())
                if self._websocket.application_state is WebSocketState.CONNECTED:
                    # A close frame holds at most 123 bytes of reason.
                    reason = refusal.reason.encode()[:120].decode(errors="ignore") if refusal is not None else ""
                    await self._websocket.close(code, reason)
        except TimeoutError:
            log.info("A connection was closed without goodbye: its peer does not read.")
