"""One session being recorded: what is written goes to the bus, and to nobody before it is written."""

import asyncio
import contextlib
from pathlib import Path

from acquisition.board import Board, BoardOutput
from acquisition.lsl_outlets import LslOutlets
from acquisition.publication import Publication
from acquisition.publisher import Publisher
from acquisition.recorder import Recorder
from acquisition.sample_clock import SampleClock
from messaging.lab import LabEvent, SessionPlan
from messaging.records import Chunk, ClockFit, Event
from recordings.errors import RecordingError


class SessionLog:
    """Recorder and publisher of one session.

    Parameters
    ----------
    folder : Path
        Where recordings lie.
    plan : SessionPlan
    board : Board
    publication : Publication
    replayed_sha256 : str or None
        Content hash of a replayed recording.
    kernel_set : str
        What the decoders compute with.
    clock : SampleClock or None
        Clock of the board's stream, which has settled before the session began.
    outlets : LslOutlets
        Where what was recorded is sent too, where the profile asks.

    Raises
    ------
    RecordingError
        The file cannot be written: the disk is full, or refuses.
    RecorderError
        The file belongs to another session or another board.
    """

    def __init__(
        self,
        folder: Path,
        plan: SessionPlan,
        board: Board,
        publication: Publication,
        replayed_sha256: str | None,
        kernel_set: str,
        clock: SampleClock | None,
        outlets: LslOutlets,
    ) -> None:
        self.plan = plan
        self.recorder = Recorder(folder, plan, board, replayed_sha256, kernel_set, clock)
        try:
            self.publisher: Publisher = publication.begin(self.recorder)
        except RecordingError:
            self.recorder.close()
            raise
        self._board, self._outlets = board, outlets
        self._syncing = asyncio.Lock()
        self.closed = False
        self.hand_over()

    def take(self, output: BoardOutput) -> None:
        """Write what the board gave, then hand it to the publisher.

        Raises
        ------
        RecordingError
            The disk is full, or refuses. Nothing half-written stays; the recording can be opened again and go on.
        """
        try:
            for chunk in output.chunks:
                self.recorder.samples(chunk)
            for event in output.events:
                self.recorder.placed(event)
        finally:
            self.hand_over()

    def event(self, event: LabEvent, server_to_host: ClockFit | None) -> bool:
        """Write an event of the server, and tell a simulated subject of it; returns whether the recording holds it now."""
        if event.time is not None and not self.recorder.can_place:
            return False  # not acknowledged: it comes again
        placed = self.recorder.event(event, server_to_host)
        if placed is not None:
            self._perceive(placed)
        return self.recorder.has(event.event_id)

    def released(self) -> list[str]:
        """Ids of events that waited for their hardware edges and are in the recording now."""
        events = self.recorder.take_released()
        for event in events:
            self._perceive(event)
        return [event.event_id for event in events]

    def _perceive(self, placed: Event) -> None:
        if placed.unit is not None and placed.presentation is not None and placed.onset is not None:
            self._board.perceive(placed.presentation, placed.unit, placed.onset.onset_lsl_s)

    def hand_over(self) -> None:
        """Give to the publisher what has been written."""
        new = self.recorder.take_new()
        if not new:
            return
        self.publisher.offer(new)
        if self._outlets.is_open:
            for record in new:
                if isinstance(record, Chunk):
                    self._outlets.chunk(record)
                elif isinstance(record, Event):
                    self._outlets.event(record)

    async def sync(self) -> None:
        """Bring what is written to the disk."""
        async with self._syncing:
            if not self.closed:
                await asyncio.to_thread(self.recorder.sync)

    async def finish(self, reason: str) -> None:
        """Write the end; the publisher stays until the last reward is committed."""
        async with self._syncing:  # a sync under way needs the file open
            if self.closed:
                return
            self.recorder.finish(reason)
            self.closed = True
        self.hand_over()
        self.publisher.finish()

    def close(self) -> None:
        """Close the file without an end: it can be gone on with."""
        if not self.closed:
            self.closed = True
            self.recorder.close()

    def abandon(self) -> None:
        """Let go of a file that the disk refuses; opening it again cuts it after its last whole record."""
        self.closed = True
        with contextlib.suppress(RecordingError):
            self.recorder.close()
