"""Who is connected now, and the bells that wake them. Nothing here outlives the process; what must is in the database."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from messaging.lab import LabHello, LabStatus
from messaging.rewards import CommittedRewards, Refusal, WorkerHello
from server.wakeup import Wakeup

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
            self.close(
                Refusal(reason=f"{QUEUE_LENGTH} messages wait for this connection; it reads too slowly.", remedy="Connect again and read faster."), TOO_SLOW
            )
            return False
        return True

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


@dataclass(eq=False)
class LabLink:
    """The acquisition daemon that is connected."""

    outlet: Outlet
    hello: LabHello
    status: LabStatus | None = None
    channels: tuple[str, ...] = ()
    sent: dict[str, float] = field(default_factory=dict)
    """Events sent on this connection and not yet recorded, with the server time of sending."""
    steered: str | None = None
    """Session that the daemon is asked to record, and whose events it gets; one at a time."""
    asked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When (server time) the daemon was last asked on this connection to ``start`` or ``stop`` a session."""

    @property
    def own_session(self) -> str | None:
        """Session that the daemon runs by itself."""
        return self.hello.session.session_id if self.hello.session is not None else None

    def records(self, session_id: str) -> bool:
        """Whether the daemon says that it is recording this session."""
        return self.status is not None and self.status.state in ("recording", "stalled") and self.status.session_id == session_id


@dataclass(eq=False)
class Watcher:
    """An operator page or a consumer of rewards."""

    outlet: Outlet
    sessions: frozenset[str]
    """Sessions it wants; empty = all."""
    signal: bool = False
    """Also wants previews, quality and alarms."""

    def wants(self, session_id: str | None) -> bool:
        """Whether something about a session is for it."""
        return session_id is None or not self.sessions or session_id in self.sessions


@dataclass(eq=False)
class SubjectPage:
    """The page that a session is shown on."""

    outlet: Outlet
    page_life: str


class Switchboard:
    """All connections of this process."""

    def __init__(self) -> None:
        self.log_grew = Wakeup()
        self.outbox_grew = Wakeup()
        self.changed = Wakeup()
        """A session, the lab or a connection is not as before."""
        self.lab: LabLink | None = None
        self.workers: dict[str, WorkerHello] = {}
        """By recording."""
        self.pages: dict[str, SubjectPage] = {}
        """By session."""
        self.watchers: set[Watcher] = set()
        self.outlets: set[Outlet] = set()

    def lab_records(self, session_id: str) -> bool:
        """Whether a daemon is connected and recording this session."""
        return self.lab is not None and self.lab.records(session_id)

    def worker_of(self, session_id: str) -> WorkerHello | None:
        """Worker that decodes a session."""
        return next((w for w in self.workers.values() if w.session_id == session_id), None)

    def tell_watchers(self, session_id: str | None, message: BaseModel | str | bytes, *, signal: bool = False) -> None:
        """Send something about a session (None: about all) to whoever wants it."""
        encoded = message.model_dump_json() if isinstance(message, BaseModel) else message
        for watcher in list(self.watchers):
            if watcher.wants(session_id) and (watcher.signal or not signal):
                watcher.outlet.offer(encoded)

    def tell_rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Send committed label rows to whoever wants them, and wake those who wait for the log."""
        by_session: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_session.setdefault(row["session_id"], []).append(row)
        for session_id, items in by_session.items():
            self.tell_watchers(session_id, CommittedRewards(session_id=session_id, items=tuple(items)))
        if by_session:
            self.log_grew.ring()

    def close_all(self) -> None:
        """Ask every connection to end: the server goes."""
        for outlet in list(self.outlets):
            outlet.close(None, GOING_AWAY)
