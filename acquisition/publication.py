"""All recordings of a daemon on their way to the bus: the one being written, and ended ones until their last label is committed.

A file ``{recording_id}.uncommitted`` lies beside each of them. It is removed when the worker says that the last reward is committed,
so a daemon that starts knows which ended recordings the bus, or a worker, may have lost.
"""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from acquisition.publisher import Publisher, Written
from messaging.bus import KEEP_RECORDS_S, Bus
from messaging.records import Chunk, End, Header
from messaging.words import Source
from recordings.errors import RecordingError, WriteError
from recordings.log import LogReader

log = logging.getLogger(__name__)

MARK = ".uncommitted"


@dataclass(slots=True)
class EndedRecording:
    """A recording that has its end, but perhaps not all of its labels."""

    path: Path
    header: Header
    reason: str
    """Why it ended."""
    offsets: deque[tuple[int, int]] = field(default_factory=deque)
    keep_after: int = 0
    """What lies more than ten minutes before the end, the worker reads from the file."""
    last_ordinal: int = 0
    """Ordinal of the end."""


def ended_recording(path: Path) -> EndedRecording | None:
    """Return a recording that has its end; None when there is none, or it can be gone on with.

    Raises
    ------
    RecordingError
        The file is damaged.
    """
    if not path.exists():
        return None
    keep: deque[tuple[int, int]] = deque()
    keep_after, end = 0, None
    with LogReader(path) as reader:
        span = KEEP_RECORDS_S * reader.header.profile.sampling_rate_hz
        for record in reader.records():
            if isinstance(record, Chunk):
                keep.append((record.ordinal, record.end_index))
                while record.end_index - keep[0][1] > span:
                    keep_after = keep.popleft()[0]
            elif isinstance(record, End):
                end = record
        return EndedRecording(path, reader.header, end.reason, keep_after=keep_after, last_ordinal=end.ordinal) if end is not None else None


class Publication:
    """Publishes recordings until they are committed.

    Parameters
    ----------
    bus : Bus
    folder : Path
        Where the recordings lie.
    """

    def __init__(self, bus: Bus, folder: Path) -> None:
        self._bus, self._folder = bus, folder
        self._running: dict[str, tuple[Publisher, asyncio.Task[None]]] = {}

    def begin(self, recorder: Written) -> Publisher:
        """Publish a recording from now on; `Publisher.finish` says that it has its end.

        Raises
        ------
        WriteError
            The mark cannot be made: the disk is full, or refuses.
        """
        publisher = Publisher(self._bus, recorder)
        mark = self._mark(publisher.recording_id)
        try:
            mark.touch()
        except OSError as error:
            raise WriteError(f"The file {mark} cannot be made: {error.strerror}. Make room on the disk, or allow writing to the folder.") from error
        before = self._running.get(publisher.recording_id)
        if before is not None:
            before[1].cancel()  # the file was opened again
        self._running[publisher.recording_id] = publisher, asyncio.create_task(self._publish(publisher))
        return publisher

    def take_up(self, ended: EndedRecording) -> Publisher:
        """Publish an ended recording until it is committed; harmless when that is under way."""
        running = self._running.get(ended.header.recording_id)
        if running is not None:
            return running[0]
        publisher = self.begin(ended)
        publisher.finish()
        return publisher

    def left_over(self) -> list[EndedRecording]:
        """Return the ended recordings that an earlier daemon left uncommitted, the oldest first."""
        found = []
        for mark in sorted(self._folder.glob(f"*{MARK}"), key=lambda p: p.stat().st_mtime):
            path = mark.with_suffix(".xdf")
            if not path.exists():
                mark.unlink(missing_ok=True)  # somebody moved the recording away
                continue
            try:
                ended = ended_recording(path)
            except RecordingError as error:
                log.error("%s Its last labels can be had with `rlhb relabel` once it is repaired.", error)
                continue
            if ended is not None:
                found.append(ended)
        return found

    def _mark(self, recording_id: str) -> Path:
        return self._folder / f"{recording_id}{MARK}"

    async def _publish(self, publisher: Publisher) -> None:
        try:
            await publisher.run()
            if publisher.committed.is_set():
                self._mark(publisher.recording_id).unlink(missing_ok=True)
        finally:
            if self._running.get(publisher.recording_id, (None,))[0] is publisher:
                del self._running[publisher.recording_id]

    async def close(self) -> None:
        """Stop publishing; what is not committed is taken up by the next daemon."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def ran_by_itself(header: Header) -> bool:
    """Whether a recording is of a session that its daemon ran by itself: a replay. The server must be told of its end."""
    return header.source is Source.REPLAY
