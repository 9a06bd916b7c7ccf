"""Puts the log on the bus, in order, fills the bus again when it lost its memory, and stays until the log's rewards are committed."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Protocol

from messaging.bus import ActiveRecording, Bus, BusError
from messaging.records import Header, Record, encode_record
from recordings.errors import RecordingError
from recordings.log import read_log

log = logging.getLogger(__name__)

LARGEST_BACKLOG = 4096
"""Records kept in memory while the bus is slow; more are read again from the recording."""
BATCH = 256
RETRY_S = 0.2
LOOK_EVERY_S = 1.0
"""The bus is asked this often whether it still remembers: one that was emptied, or restarted between two records, raises no error."""


class Written(Protocol):
    """What a publisher needs to know of a recording that is being written, or has been."""

    path: Path
    header: Header
    offsets: deque[tuple[int, int]]
    keep_after: int

    @property
    def last_ordinal(self) -> int:
        """Ordinal of the file's last record."""
        ...


class Publisher:
    """Publishes one recording; the board never waits for it.

    Parameters
    ----------
    bus : Bus
    recorder : Recorder or EndedRecording
    """

    def __init__(self, bus: Bus, recorder: Written) -> None:
        self._bus = bus
        self._recorder = recorder
        self._backlog: deque[Record] = deque(maxlen=LARGEST_BACKLOG)
        self._wake = asyncio.Event()
        self._last = 0
        self._file_ends_at: int | None = recorder.last_ordinal
        """Of the file as it was found; None once the bus has been compared with it."""
        self.published = asyncio.Event()
        """The log is on the bus to its end."""
        self.committed = asyncio.Event()
        """The worker says that all rewards of the log are committed."""
        self._finishing = False
        self._looked_s = time.monotonic()
        self.away: str | None = None
        """Why the bus cannot be reached; None while it can."""

    @property
    def recording_id(self) -> str:
        """Identity of the recording."""
        return self._recorder.header.recording_id

    def offer(self, records: list[Record]) -> None:
        """Take records that have been written."""
        self._backlog.extend(records)
        self._wake.set()

    def finish(self) -> None:
        """No more records will come."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Publish until the end is committed, or cancelled."""
        known, told = False, ""
        while not self.committed.is_set():
            try:
                if not known:
                    await self._fill()
                    known, self.away = True, None
                await self._drain()
            except BusError as error:
                if self.away is None:
                    log.warning("%s Recording goes on; the bus is filled from the recording when it is back.", error)
                self.away = str(error)
                known = False
                await asyncio.sleep(RETRY_S)
            except RecordingError as error:
                known = False
                if str(error) != told:
                    told = str(error)
                    log.error("%s It is tried again; its last labels can be had with `rlhb relabel` too.", error)
                await asyncio.sleep(LOOK_EVERY_S)

    async def _fill(self) -> None:
        """Announce the recording and publish what the bus does not hold, up to ten minutes, from the recording."""
        header = self._recorder.header
        recording_id = header.recording_id
        on_bus = await self._bus.last_ordinal(recording_id)
        if self._file_ends_at is not None and on_bus > self._file_ends_at:
            log.warning("The file of recording %s ends with record %d, the bus with %d: the file holds.", recording_id, self._file_ends_at, on_bus)
            await self._bus.discard(recording_id, uuid.uuid4().hex)  # a power cut took from the disk what the bus still holds; the file is the truth
            on_bus = 0
        self._file_ends_at = None
        generation = await self._bus.generation(recording_id) or uuid.uuid4().hex
        after = max(on_bus, self._recorder.keep_after)
        offset = next((at for ordinal, at in self._recorder.offsets if ordinal == after + 1), None)
        batch: list[tuple[int, bytes]] = []
        self._last = max(self._last if on_bus else 0, after)
        for record in read_log(self._recorder.path, after_ordinal=after, offset=offset):
            batch.append((record.ordinal, encode_record(record)))
            if len(batch) >= BATCH:
                await self._publish(batch)
                batch = []
        await self._publish(batch)
        await self._bus.announce(ActiveRecording(recording_id, header.session_id, str(self._recorder.path), generation))

    async def _publish(self, batch: list[tuple[int, bytes]]) -> None:
        if batch:
            await self._bus.publish(self._recorder.header.recording_id, batch, self._recorder.keep_after)
            self._last = batch[-1][0]

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):  # Python 3.11's wait_for may swallow a cancellation
                await self._wake.wait()
        self._wake.clear()
        if time.monotonic() - self._looked_s > LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            if await self._bus.generation(self._recorder.header.recording_id) is None:
                log.warning("The bus has lost its memory; it is filled again from the recording.")
                self.published.clear()
                await self._fill()
        while self._backlog:
            batch: list[tuple[int, bytes]] = []
            while self._backlog and len(batch) < BATCH:
                record = self._backlog.popleft()
                if record.ordinal > self._last:
                    batch.append((record.ordinal, encode_record(record)))
            if batch and batch[0][0] != self._last + 1:
                await self._fill()  # the backlog overran while the bus was slow
                continue
            await self._publish(batch)
        if self._finishing:
            self.published.set()
            if await self._bus.progress(self.recording_id) >= self._last:
                self.committed.set()
