"""The session that is recorded now: started and stopped by the server or by a replay, kept going when the disk refuses."""

import asyncio
import logging
import time
from collections.abc import Sequence

from acquisition.board import Board, BoardOutput
from acquisition.lab_link import LabLink
from acquisition.lsl_outlets import LslOutlets
from acquisition.operator_view import OperatorView
from acquisition.plan import DaemonPlan
from acquisition.publication import EndedRecording, Publication, ended_recording, ran_by_itself
from acquisition.publisher import Publisher
from acquisition.recorder import RecorderError
from acquisition.session_log import SessionLog
from messaging.identity import event_id
from messaging.lab import LabEnded, LabEvent, SessionPlan, StartRecording, StopRecording
from messaging.words import EventType, Source
from recordings.errors import RecordingError, RecordingFullError

log = logging.getLogger(__name__)

RETRY_FILE_S = 1.0
SYNC_EVERY_S = 1.0
TELL_ENDED_S = 0.25


class Sessions:
    """Holds at most one session log at a time.

    Parameters
    ----------
    plan : DaemonPlan
    board : Board
    publication : Publication
    link : LabLink
    view : OperatorView
    """

    def __init__(self, plan: DaemonPlan, board: Board, publication: Publication, link: LabLink, view: OperatorView) -> None:
        self._plan, self._board, self._publication, self._link, self._view = plan, board, publication, link, view
        self._outlets, self._told_outlets = LslOutlets(board.profile, board.clock.kind), False
        self.log: SessionLog | None = None
        self.publisher: Publisher | None = None
        """Of the session that is recorded, or was last."""
        self._unwritable: SessionPlan | None = None
        """The session whose file the disk refuses; opened again as soon as it can be."""
        self._end_refused: str | None = None
        """Why the session ended whose end the full disk has refused."""
        self._is_full = False
        """The disk is full: the file stays open, and every chunk tries again."""
        self._retry_at_s = 0.0
        self.unconfirmed: dict[str, str] = {}
        """Sessions of replays that have ended, with the reason, until the server has taken it."""

    @property
    def is_idle(self) -> bool:
        """Nothing is recorded, and nothing waits for the disk."""
        return self.log is None and self._unwritable is None

    async def _full(self, error: RecordingFullError) -> None:
        if not self._is_full:
            self._is_full = True
            sentence = f"{error} Until then nothing is recorded and no label is made; what is on the disk is whole."
            self._view.set("stalled", sentence)
            await self._view.alarm("disk_full", sentence)

    def _room_again(self) -> None:
        if self._is_full:
            self._is_full = False
            self.say_streaming(" again")

    def say_streaming(self, how: str = "") -> None:
        """Tell the operator what is going on when nothing is wrong."""
        title = self._board.profile.title
        if self._unwritable is not None or self._is_full:
            return  # something is
        if self.log is None:
            self._view.set("streaming", f"{title}: streaming{how}; no session is recorded.")
        elif self._plan.own_session is not None:
            self._view.set("recording", f"{title}: playing{how}.")
        else:
            self._view.set("recording", f"{title}: streaming{how}; session {self.log.plan.session_id} is recorded.")

    # ------------------------------------------------------------ start and end

    def open(self, session: SessionPlan) -> None:
        """Record a session from now on, or go on with it.

        Raises
        ------
        RecordingError
            The disk is full, or refuses.
        RecorderError
            The file belongs to another session or another board.
        """
        plan, clock = self._plan, self._view.clock
        self.log = SessionLog(plan.recordings_dir, session, self._board, self._publication, plan.replayed_sha256, plan.kernel_set, clock, self._outlets)
        self.publisher = self.log.publisher
        self._view.log, self._view.session_id = self.log, session.session_id

    async def take_up_left_over(self) -> None:
        """Publish what an earlier daemon left uncommitted."""
        for ended in await asyncio.to_thread(self._publication.left_over):
            self.take_up(ended)

    def take_up(self, ended: EndedRecording) -> Publisher:
        """Publish an ended recording until it is committed."""
        if ran_by_itself(ended.header):
            self.unconfirmed[ended.header.session_id] = ended.reason
        return self._publication.take_up(ended)

    async def start(self, command: StartRecording) -> None:
        """Record a session of the server."""
        session = command.session
        if self._plan.own_session is not None or self._view.session_id == session.session_id:
            return  # a replay records its own session only
        try:
            await self.finish("another session was started")
        except RecordingFullError as full:
            await self._full(full)
            return  # the server asks again
        try:
            ended = await asyncio.to_thread(ended_recording, self._plan.recordings_dir / f"{session.recording_id}.xdf")
            if ended is not None:
                return  # an earlier daemon finished it; the status says that nothing is recorded
            self.open(session)
            self._boundary(EventType.SESSION_START, None)
        except (RecordingError, RecorderError) as error:
            if self.log is not None and isinstance(error, RecordingError):
                await self._lose_file(error)
            else:
                await self._view.alarm("recording_refused", str(error))
            return
        self.say_streaming()

    async def stop(self, command: StopRecording) -> None:
        """End the recording of a session."""
        if self._view.session_id != command.session_id:
            return
        self._retry_at_s = 0.0
        await self._retry_file()
        if self.log is None:
            return  # the disk refuses the end as well: the server asks again
        try:
            self._end_refused = command.reason
            self._boundary(EventType.SESSION_END, command.reason)
            await self.finish(command.reason)
        except RecordingFullError as error:
            await self._full(error)  # the server asks again
            return
        except RecordingError as error:
            await self._lose_file(error)
            return
        if self._plan.own_session is None:
            self.say_streaming()

    async def finish(self, reason: str) -> None:
        """Write the end; raises RecordingError when the disk refuses it."""
        ending = self.log
        if ending is None:
            return
        self._end_refused = reason  # nothing may be written behind an end that waits for room
        await ending.finish(reason)
        self._end_refused = None
        if ran_by_itself(ending.recorder.header):
            self.unconfirmed[ending.plan.session_id] = reason
        self._is_full = False
        if self.log is ending:
            self.log = self._view.log = self._view.session_id = None

    async def finish_when_there_is_room(self, reason: str) -> None:
        """Write the end, however long the disk refuses it."""
        while True:
            try:
                await self.finish(reason)
            except RecordingFullError as error:
                await self._full(error)
                await asyncio.sleep(RETRY_FILE_S)
            else:
                return

    async def _end_again(self, reason: str) -> None:
        try:
            await self.finish(reason)
        except RecordingFullError:
            return
        except RecordingError as error:
            await self._lose_file(error)
            return
        self.say_streaming()

    def _boundary(self, kind: EventType, text: str | None) -> None:
        if self.log is not None:
            session_id = self.log.plan.session_id
            self.log.event(LabEvent(event_id=event_id(session_id, None, kind, 0), type=kind, session_id=session_id, text=text), None)
            self.log.hand_over()

    async def tell_ended(self) -> None:
        """Tell the server of replays that have ended until it confirms; until cancelled."""
        while True:
            for session_id, reason in list(self.unconfirmed.items()):
                await self._link.tell(LabEnded(session_id=session_id, sentence=reason))
            await asyncio.sleep(TELL_ENDED_S)

    # ------------------------------------------------------------ records

    def events(self, events: Sequence[LabEvent]) -> list[str]:
        """Write events of the server; returns the ids that the recording holds."""
        session = self.log
        if session is None or self._end_refused is not None:
            return []
        recorded: list[str] = []
        own = (event for event in events if event.session_id == session.plan.session_id)
        try:
            recorded.extend(event.event_id for event in own if session.event(event, self._link.server_to_host()))
        except RecordingError as error:
            log.error("%s", error)  # the next chunk meets the same disk and deals with it
        session.hand_over()
        return recorded

    async def take(self, output: BoardOutput) -> None:
        """Write what the board gave. While the disk refuses, a live board goes on unrecorded, which the log shows as a gap; a replay waits."""
        await self._retry_file()
        if self._end_refused is not None:
            await self._end_again(self._end_refused)
            return
        while self.log is not None or self._unwritable is not None:
            if self.log is not None:
                try:
                    self.log.take(output)
                except RecordingFullError as error:
                    await self._full(error)
                except RecordingError as error:
                    await self._lose_file(error)
                else:
                    self._room_again()
                    await self._acknowledge(self.log)
                    return
            if self._board.source is not Source.REPLAY:
                return
            await asyncio.sleep(RETRY_FILE_S)
            await self._retry_file()

    async def _acknowledge(self, log: SessionLog) -> None:
        if self._outlets.failed is not None and not self._told_outlets:
            self._told_outlets = True
            await self._view.alarm("lsl_outlets", self._outlets.failed)
        released = log.released()
        if released:
            await self._link.acknowledge(released)
        sentence = log.recorder.take_alarm()
        if sentence is not None:
            await self._view.alarm("onset_edges", sentence)

    # ------------------------------------------------------------ the disk

    async def _lose_file(self, error: RecordingError) -> None:
        if self.log is None:
            return
        self._unwritable, lost = self.log.plan, self.log
        self.log = self._view.log = None
        lost.abandon()
        self._retry_at_s = time.monotonic() + RETRY_FILE_S
        sentence = f"{error} Until then nothing is recorded and no label is made; what is on the disk is whole."
        self._view.set("stalled", sentence)
        await self._view.alarm("recording_failed", sentence)

    async def _retry_file(self) -> None:
        """Open the recording again, once a second; it goes on where it was cut, and the time between is a gap."""
        if self._unwritable is None or time.monotonic() < self._retry_at_s:
            return
        self._retry_at_s = time.monotonic() + RETRY_FILE_S
        try:
            self.open(self._unwritable)
        except (RecordingError, RecorderError) as error:
            self._view.set("stalled", str(error))
            return
        self._unwritable = None
        self.say_streaming(" again")

    async def sync(self) -> None:
        """Bring the recording to the disk every second, so that a power loss costs no more; until cancelled."""
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            if self.log is None:
                continue
            began = time.monotonic()
            try:
                await self.log.sync()
            except RecordingError as error:
                await self._lose_file(error)
            if time.monotonic() - began > SYNC_EVERY_S:
                await self._view.alarm("disk_slow", "The disk took more than a second to write the recording. Close what else writes to it.")

    def close(self) -> None:
        """Close the file without an end: it can be gone on with."""
        self._outlets.close()
        if self.log is not None:
            self.log.close()
