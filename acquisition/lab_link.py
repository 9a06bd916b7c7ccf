"""The websocket to the session server: hello, clock, events down, acknowledgements and status up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from messaging.clocks import ClockOffset
from messaging.lab import (
    ClockPing,
    ClockPong,
    LabAck,
    LabAlarm,
    LabConfirmed,
    LabDown,
    LabEnded,
    LabEvent,
    LabEvents,
    LabHello,
    LabImpedance,
    LabQuality,
    LabStatus,
    MeasureImpedance,
    ReplayControl,
    StartRecording,
    StopRecording,
)
from messaging.records import Chunk, ClockFit, encode_record
from messaging.tasks import side_by_side
from messaging.websocket import ReconnectingSocket

log = logging.getLogger(__name__)

PINGS_AT_START = 8
PING_EVERY_S = 2.0
LONGEST_WAIT_S = 0.6
"""Between tries to reach the server: within a second of its return the lab is back."""


class LabLink:
    """The daemon's end of `/ws/v1/lab`.

    Parameters
    ----------
    url, token : str
    hello : callable
        Makes the hello of the moment.
    on_events : callable
        Takes events; returns the ids that are in the recording afterwards.
    on_command : coroutine function
        Takes a command.
    now_lsl_s : callable
        The host's clock.

    Notes
    -----
    Events that have a time are kept back until the first clock fit stands, a few milliseconds after the connection.
    """

    def __init__(
        self,
        url: str,
        token: str,
        hello: Callable[[], LabHello],
        on_events: Callable[[tuple[LabEvent, ...]], list[str]],
        on_command: Callable[[StartRecording | StopRecording | MeasureImpedance | ReplayControl | LabConfirmed], Awaitable[None]],
        now_lsl_s: Callable[[], float],
    ) -> None:
        self._socket = ReconnectingSocket(url, token, self._open, self._message, longest_wait_s=LONGEST_WAIT_S)
        self._hello, self._on_events, self._on_command, self._now = hello, on_events, on_command, now_lsl_s
        self._offset = ClockOffset()
        self._held: list[LabEvent] = []

    @property
    def is_open(self) -> bool:
        """Whether the server is connected."""
        return self._socket.is_open

    def server_to_host(self) -> ClockFit | None:
        """Return the fit: host LSL seconds = server seconds + offset; None before the first answer."""
        fit = self._offset.fit()
        return None if fit is None else fit.model_copy(update={"offset_s": -fit.offset_s, "drift_ppm": -fit.drift_ppm})

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await side_by_side(self._socket.run(), self._ping())

    async def _open(self, socket: ReconnectingSocket) -> None:
        self._offset.reset()
        self._held.clear()
        await socket.send(self._hello().model_dump_json())
        for _ in range(PINGS_AT_START):
            await socket.send(ClockPing(t0=self._now()).model_dump_json())

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._socket.send(ClockPing(t0=self._now()).model_dump_json())

    async def _message(self, raw: str | bytes) -> None:
        arrived = self._now()
        try:
            message = LabDown.validate_json(raw)
        except ValidationError as error:
            log.error("The server sent a message this daemon does not know; check that both are of one version. %s", error.errors(include_url=False)[:1])
            return
        match message:
            case ClockPong():
                self._offset.add(message.t0, message.t1, message.t2, arrived)
                await self._flush()
            case LabEvents():
                self._held.extend(message.events)
                await self._flush()
            case StartRecording() | StopRecording() | MeasureImpedance() | ReplayControl() | LabConfirmed():
                await self._on_command(message)
            case _:
                pass

    async def _flush(self) -> None:
        if not self._held or (self._offset.fit() is None and any(e.time is not None for e in self._held)):
            return
        held, self._held = tuple(self._held), []
        recorded = self._on_events(held)
        if recorded:
            await self.acknowledge(recorded)

    async def acknowledge(self, recorded: list[str]) -> None:
        """Say that events are in the recording; what is lost on the way is sent again and acknowledged then."""
        await self._socket.send(LabAck(recorded=tuple(recorded)).model_dump_json())

    async def tell(self, message: LabStatus | LabQuality | LabImpedance | LabEnded | LabAlarm) -> bool:
        """Send a message up, if the server is there."""
        return await self._socket.send(message.model_dump_json(exclude_none=True))

    async def preview(self, frame: Chunk) -> None:
        """Send a preview frame up, if the server is there."""
        await self._socket.send(encode_record(frame))
