"""The acquisition daemon: from the board to the recording, then the bus, then the operator's eyes."""

import asyncio
import contextlib
import logging
import shutil
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from acquisition.board import Board, BoardChunk, BoardError, BoardOutput
from acquisition.lab_link import LabLink
from acquisition.publisher import EndedRecording, Publisher
from acquisition.quality import Preview, QualityWindow
from acquisition.recorder import Recorder
from acquisition.replay_board import ReplayBoard
from messaging.bus import Bus, BusError
from messaging.clocks import RealClock
from messaging.identity import event_id
from messaging.lab import LabAlarm, LabEvent, LabHello, LabQuality, LabStatus, SessionPlan, StartRecording, StopRecording
from messaging.tasks import side_by_side
from messaging.words import ClockKind, EventType
from recordings.errors import RecordingError
from recordings.log import LogReader

log = logging.getLogger(__name__)

WORKER_LEAD_RECORDS = 400
"""How far a replay faster than 1x may run ahead of the worker; the bus keeps far more."""
REOPEN_S = 0.5
WAIT_S = 0.02
TELL_AFTER = 250
"""Turns of waiting for the worker, five seconds, after which the operator is told."""


@dataclass(slots=True)
class DaemonPlan:
    """What one daemon is to do."""

    data_dir: Path
    server_url: str
    token: str
    bus_url: str
    own_session: SessionPlan | None = None
    """A session that needs no server to start it: a replay."""
    replayed_sha256: str | None = None
    kernel_set: str = ""
    wait_for_worker: bool = False
    daemon_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])


class Daemon:
    """Runs a board until it ends or the task is cancelled.

    Parameters
    ----------
    plan : DaemonPlan
    board : Board
    """

    def __init__(self, plan: DaemonPlan, board: Board) -> None:
        self._plan, self._board = plan, board
        self._host_clock = RealClock()
        self._bus = Bus(plan.bus_url)
        self._recorder: Recorder | None = None
        self._publisher: Publisher | None = None
        self._publishing: list[asyncio.Task[None]] = []
        url = plan.server_url.replace("http", "ws", 1).rstrip("/") + "/ws/v1/lab"
        self._link = LabLink(url, plan.token, self._hello, self._events, self._command, self._host_clock.now_lsl_s)
        self._quality, self._preview = QualityWindow(board.profile), Preview(board.profile)
        self._board_index = 0
        self._state, self._sentence = "connecting", "Opening the board."
        self._newest_s = 0.0
        self._changed = asyncio.Event()
        self._syncing = asyncio.Lock()

    # ------------------------------------------------------------ running

    async def run(self) -> None:
        """Record and publish; returns when a replay has ended and its log is on the bus."""
        own = self._plan.own_session
        if own is not None:
            ended = ended_recording(self._plan.data_dir / "recordings" / f"{own.recording_id}.xdf")
            if ended is not None:
                await self._publish_ended(ended)
                return
            self._open_recorder(own)
        try:
            await side_by_side(self._stream(), self._link.run(), self._report(), self._sync())
        finally:
            await self._shut()

    async def _publish_ended(self, ended: EndedRecording) -> None:
        """Killed between the end of the recording and its publication: only that is left to do."""
        publisher = Publisher(self._bus, ended)
        publisher.finish()
        await publisher.run()
        await self._bus.close()

    async def _shut(self) -> None:
        await self._board.stop()
        if self._recorder is not None:
            self._recorder.close()
        for task in self._publishing:
            task.cancel()
        await asyncio.gather(*self._publishing, return_exceptions=True)
        await self._bus.close()

    async def _stream(self) -> None:
        first = self._recorder.sequencer.next_index if self._recorder else 0
        await self._board.start(first)
        self._board_index = first
        self._set("recording" if self._recorder else "streaming", f"{self._board.profile.title}: streaming.")
        while True:
            try:
                output = await self._board.read()
            except BoardError as error:
                await self._reopen(str(error))
                continue
            if output.ended:
                self._take(output)
                break
            if not output.chunks and not output.events:
                await self._silent()
                continue
            if self._state == "stalled":
                self._set("recording" if self._recorder else "streaming", f"{self._board.profile.title}: streaming again.")
            try:
                self._take(output)
            except RecordingError as error:
                await self._alarm("recording_failed", str(error))
                raise
            await self._show(output.chunks)
            await self._await_worker()
        await self._end_of_replay()

    def _take(self, output: BoardOutput) -> None:
        """Write what the board gave, then hand it to the publisher."""
        for chunk in output.chunks:
            self._board_index = chunk.first_index + len(chunk.samples)
            self._newest_s = chunk.host_stamp_lsl_s
            if self._recorder is not None:
                self._recorder.samples(chunk)
        if self._recorder is not None:
            for event in output.events:
                self._recorder.placed(event)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._recorder is not None and self._publisher is not None:
            new = self._recorder.take_new()
            if new:
                self._publisher.offer(new)

    async def _await_worker(self) -> None:
        """Faster than 1x: wait while the worker is behind."""
        if self._board.clock.kind is not ClockKind.VIRTUAL or self._recorder is None or not self._plan.wait_for_worker:
            return
        waited = 0
        recording_id = self._recorder.header.recording_id
        while self._recorder is not None:
            ordinal = self._recorder.sequencer.ordinal
            try:
                behind = ordinal - await self._bus.progress(recording_id)
            except BusError:
                behind = WORKER_LEAD_RECORDS + 1
            if behind <= WORKER_LEAD_RECORDS:
                break
            waited += 1
            if waited == TELL_AFTER:
                self._set(self._state, "The replay waits for the decoder worker: start one with `rlhb decode`, or replay with --no-wait-for-worker.")
            await asyncio.sleep(WAIT_S)
        if waited >= TELL_AFTER:
            self._set(self._state, f"{self._board.profile.title}: streaming again.")
        if waited and isinstance(self._board, ReplayBoard):
            self._board.skip_to_now()

    async def _end_of_replay(self) -> None:
        self._set("ended", "The recording has been replayed to its end.")
        await self._stop_recording("end of the replayed recording")
        await self._link.tell(self._status())

    async def _silent(self) -> None:
        if self._state != "stalled":
            sentence = f"{self._board.profile.title} has sent no sample for a second. Check power, battery and connection."
            self._set("stalled", sentence)
            await self._alarm("board_stalled", sentence)

    async def _reopen(self, sentence: str) -> None:
        await self._alarm("board_lost", sentence)
        self._set("stalled", sentence)
        while True:
            try:
                await self._board.stop()
                await self._board.start(self._expected_index())
            except BoardError as error:
                log.warning("%s", error)
                await asyncio.sleep(REOPEN_S)
            else:
                return

    def _expected_index(self) -> int:
        """Board sample number of now: time goes on while a board is away."""
        away_s = max(0.0, self._host_clock.now_lsl_s() - self._newest_s) if self._newest_s else 0.0
        return self._board_index + round(away_s * self._board.profile.sampling_rate_hz)

    # ------------------------------------------------------------ sessions

    def _open_recorder(self, session: SessionPlan) -> None:
        folder = self._plan.data_dir / "recordings"
        self._recorder = Recorder(folder, session, self._board, self._plan.replayed_sha256, self._plan.kernel_set)
        self._publisher = Publisher(self._bus, self._recorder)
        self._publishing.append(asyncio.create_task(self._publisher.run()))
        self._hand_over()

    async def _command(self, command: StartRecording | StopRecording) -> None:
        if isinstance(command, StartRecording):
            await self._start_recording(command.session)
        elif self._recorder is not None and self._recorder.plan.session_id == command.session_id:
            self._recorder.event(_boundary(command.session_id, EventType.SESSION_END, command.reason))
            await self._stop_recording(command.reason)
            self._set("streaming", f"{self._board.profile.title}: streaming; no session is recorded.")

    async def _start_recording(self, session: SessionPlan) -> None:
        if self._plan.own_session is not None:
            return  # a replay records its own session only
        if self._recorder is not None:
            if self._recorder.plan.session_id == session.session_id:
                return
            await self._stop_recording("another session was started")
        try:
            self._open_recorder(session)
        except (RecordingError, BoardError) as error:
            await self._alarm("recording_refused", str(error))
            return
        if self._recorder is not None:
            self._recorder.event(_boundary(session.session_id, EventType.SESSION_START, None))
            self._hand_over()
        self._set("recording", f"{self._board.profile.title}: recording session {session.session_id}.")

    async def _stop_recording(self, reason: str) -> None:
        recorder, publisher = self._recorder, self._publisher
        if recorder is None or publisher is None:
            return
        async with self._syncing:  # a sync under way needs the file open
            if self._recorder is not recorder:
                return  # stopped from the other side meanwhile
            recorder.finish(reason)
        self._hand_over()
        self._recorder = self._publisher = None
        publisher.finish()
        if self._plan.own_session is not None:
            await publisher.finished()

    def _events(self, events: tuple[LabEvent, ...]) -> list[str]:
        """Write events of the server; returns the ids that the recording holds."""
        recorder = self._recorder
        if recorder is None:
            return []
        recorded = []
        for event in events:
            if event.session_id != recorder.plan.session_id:
                continue
            if event.time is not None and not recorder.can_place:
                continue  # not acknowledged: it comes again
            placed = recorder.event(event, self._link.server_to_host())
            recorded.append(event.event_id)
            if placed is not None and placed.unit is not None and placed.presentation is not None and placed.onset is not None:
                self._board.perceive(placed.presentation, placed.unit, placed.onset.onset_lsl_s)
        self._hand_over()
        return recorded

    # ------------------------------------------------------------ reporting

    def _hello(self) -> LabHello:
        return LabHello(
            daemon_id=self._plan.daemon_id,
            profile=self._board.profile,
            source=self._board.source,
            clock=self._board.clock.kind,
            session=self._plan.own_session,
        )

    async def _show(self, chunks: tuple[BoardChunk, ...]) -> None:
        for chunk in chunks:
            verdict = self._quality.add(chunk.samples)
            if verdict is not None:
                await self._link.tell(LabQuality(session_id=self._session_id(), channels=verdict))
            frame = self._preview.add(chunk.first_index, chunk.host_stamp_lsl_s, chunk.samples)
            if frame is not None:
                await self._link.preview(frame)

    def _session_id(self) -> str | None:
        return self._recorder.plan.session_id if self._recorder else None

    def _status(self) -> LabStatus:
        recorder, publisher = self._recorder, self._publisher
        sequencer = recorder.sequencer if recorder else None
        fit = self._link.server_to_host()
        age = (self._board.clock.now_lsl_s() - self._newest_s) * 1e3 if self._newest_s else None
        return LabStatus(
            state=self._state,  # type: ignore[arg-type]
            sentence=self._sentence,
            session_id=self._session_id(),
            recording_id=recorder.header.recording_id if recorder else None,
            ordinal=sequencer.ordinal if sequencer else 0,
            sample_index=sequencer.next_index if sequencer else self._board_index,
            time_lsl_s=self._newest_s,
            sampling_rate_hz=self._board.profile.sampling_rate_hz,
            measured_rate_hz=sequencer.clock.measured_rate_hz() if sequencer else None,
            preview_rate_hz=self._preview.rate_hz,
            loss_fraction=sequencer.lost_samples / max(1, sequencer.next_index) if sequencer else 0.0,
            sample_age_ms=age if self._board.clock.kind is ClockKind.REAL else None,
            clock_sd_ms=fit.sd_ms if fit else None,
            bus="away" if publisher is not None and publisher.away else "connected",
            bytes_free=shutil.disk_usage(self._plan.data_dir).free,
        )

    def _set(self, state: str, sentence: str) -> None:
        if (state, sentence) != (self._state, self._sentence):
            self._state, self._sentence = state, sentence
            self._changed.set()
            log.info("%s", sentence)

    async def _alarm(self, what: str, sentence: str) -> None:
        log.error("%s", sentence)
        await self._link.tell(LabAlarm(session_id=self._session_id(), what=what, sentence=sentence))

    async def _report(self) -> None:
        while True:
            await self._link.tell(self._status())
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)

    async def _sync(self) -> None:
        """Bring the recording to the disk every second: a power loss costs no more."""
        while True:
            await asyncio.sleep(1.0)
            if self._recorder is not None:
                began = time.monotonic()
                async with self._syncing:
                    await asyncio.to_thread(self._recorder.sync)
                if time.monotonic() - began > 1.0:
                    await self._alarm("disk_slow", "The disk took more than a second to write the recording. Close what else writes to it.")


def _boundary(session_id: str, kind: EventType, text: str | None) -> LabEvent:
    return LabEvent(event_id=event_id(session_id, None, kind, 0), type=kind, session_id=session_id, text=text)


def ended_recording(path: Path) -> EndedRecording | None:
    """Return a recording that has its end; None when there is none, or it can be gone on with."""
    if not path.exists():
        return None
    with LogReader(path) as reader:
        for _ in reader.records():
            pass
        return EndedRecording(path, reader.header) if reader.ended else None
