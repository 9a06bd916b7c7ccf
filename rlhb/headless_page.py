"""A subject page without a browser: it speaks the subject's websocket and shows units on the frames of a 60 Hz screen nobody sees.

The demo plays the simulated subject's part with it, so that `rlhb up` needs no browser.
"""

import asyncio
import logging
import math
import time
import uuid

from messaging.clocks import ClockOffset
from messaging.lab import ClockPing, ClockPong
from messaging.pages import Onsets, OnsetsAck, Pause, Ready, Resume, SessionOver, ShownUnit, SubjectDown, SubjectHello, SubjectWelcome, Trial
from messaging.records import ClockFit
from messaging.rewards import Refusal
from messaging.tasks import side_by_side
from messaging.websocket import ReconnectingSocket, Refused

log = logging.getLogger(__name__)

FRAME_S = 1 / 60
PING_EVERY_S = 2.0


class HeadlessPage:
    """Plays one session from its present trial to its end.

    Parameters
    ----------
    server_url, token, session_id : str
    """

    def __init__(self, server_url: str, token: str, session_id: str) -> None:
        url = server_url.replace("http", "ws", 1).rstrip("/") + f"/ws/v1/sessions/{session_id}/subject"
        self._socket = ReconnectingSocket(url, token, self._open, self._message)
        self._page_life = uuid.uuid4().hex
        self._offset = ClockOffset()
        self._unacknowledged: dict[int, Onsets] = {}
        self._batch = 0
        self._trials: asyncio.Queue[Trial] = asyncio.Queue()
        self._playing = False
        self._running = asyncio.Event()
        self._running.set()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Play until the server says that the session is over.

        Raises
        ------
        Refused
            The server refused the token or the session.
        """
        await side_by_side(self._socket.run(), self._play(), self._ping(), self._over.wait())

    async def _open(self, socket: ReconnectingSocket) -> None:
        self._offset.reset()
        await socket.send(SubjectHello(page_life=self._page_life, take_over=True, refresh_hz=1 / FRAME_S).model_dump_json())
        for _ in range(8):
            await socket.send(ClockPing(t0=time.monotonic()).model_dump_json())

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._socket.send(ClockPing(t0=time.monotonic()).model_dump_json())

    async def _message(self, raw: str | bytes) -> None:
        arrived = time.monotonic()
        message = SubjectDown.validate_json(raw)
        match message:
            case ClockPong():
                self._offset.add(message.t0, message.t1, message.t2, arrived)
            case SubjectWelcome():
                for onsets in self._unacknowledged.values():
                    await self._socket.send(onsets.model_dump_json())
                if not self._playing:
                    await self._socket.send(Ready().model_dump_json())
            case Trial():
                self._trials.put_nowait(message)
            case OnsetsAck() if message.page_life == self._page_life:
                self._unacknowledged.pop(message.batch, None)
            case Pause():
                self._running.clear()
            case Resume():
                self._running.set()
                if not self._playing:
                    await self._socket.send(Ready().model_dump_json())
            case SessionOver():
                self._over.set()
            case Refusal():
                raise Refused(f"{message.reason} {message.remedy}")
            case _:
                pass

    async def _play(self) -> None:
        while True:
            trial = await self._trials.get()
            await self._running.wait()
            self._playing = True
            try:
                await self._show(trial)
            finally:
                self._playing = False
            await self._socket.send(Ready().model_dump_json())

    async def _show(self, trial: Trial) -> None:
        start = await _frame_at(time.monotonic())
        shown: list[ShownUnit] = []
        for unit in trial.units:
            onset = await _frame_at(start + unit.onset_ms / 1e3)
            shown.append(ShownUnit(index=unit.index, onset_page_ms=onset * 1e3))
            await self._send(trial, shown[-1:], ended=False)
        last = trial.units[-1].onset_ms if trial.units else 0.0
        await _frame_at(start + (last + trial.blank_ms) / 1e3)
        await self._send(trial, [], ended=True)

    async def _send(self, trial: Trial, units: list[ShownUnit], ended: bool) -> None:
        self._batch += 1
        fit = self._offset.fit() or ClockFit(offset_s=0.0, sd_ms=1000.0, rtt_ms=1000.0)
        onsets = Onsets(
            batch=self._batch,
            page_life=self._page_life,
            presentation=trial.presentation,
            units=tuple(units),
            page_to_server=fit,
            trial_ended=ended,
        )
        self._unacknowledged[self._batch] = onsets
        await self._socket.send(onsets.model_dump_json())


async def _frame_at(time_s: float) -> float:
    """Wait for the first frame at or after a time; returns the frame's time on the page's clock."""
    frame = math.ceil(max(time_s, time.monotonic()) / FRAME_S) * FRAME_S
    await asyncio.sleep(max(0.0, frame - time.monotonic()))
    return frame
