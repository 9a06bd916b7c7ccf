"""The acquisition daemon: from the board to the recording, then the bus, then the operator's eyes."""

import asyncio
import contextlib
import logging

from acquisition.board import AcquisitionError, Board, BoardChunk, BoardError
from acquisition.impedance_run import ImpedanceRun
from acquisition.lab_link import LabLink
from acquisition.operator_view import OperatorView
from acquisition.plan import DaemonPlan
from acquisition.publication import EndedRecording, Publication, ended_recording
from acquisition.replay_board import ReplayBoard
from acquisition.sessions import Sessions
from messaging.bus import Bus, BusError
from messaging.clocks import RealClock
from messaging.lab import LabConfirmed, LabEvent, LabHello, MeasureImpedance, ReplayControl, StartRecording, StopRecording
from messaging.tasks import side_by_side
from messaging.words import ClockKind
from recordings.errors import RecordingError

log = logging.getLogger(__name__)

WORKER_LEAD_RECORDS = 400
"""How far a replay faster than 1x may run ahead of the worker; the bus keeps far more."""
REOPEN_S = 0.3
WAIT_S = 0.02
TELL_AFTER = 250
"""Turns of waiting for the worker, five seconds, after which the operator is told."""
SILENT_READS = 2
"""Empty readings, of about a second each, after which a silent board is opened again: some drivers never say that the board has gone."""


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
        self._publication = Publication(self._bus, plan.recordings_dir)
        url = plan.server_url.replace("http", "ws", 1).rstrip("/") + "/ws/v1/lab"
        self._link = LabLink(url, plan.token, self._hello, self._events, self._command, self._host_clock.now_lsl_s)
        self._view = OperatorView(board, self._link, plan.data_dir)
        self._impedance = ImpedanceRun(board, self._link.tell)
        self._sessions = Sessions(plan, board, self._publication, self._link, self._view)

    def _hello(self) -> LabHello:
        return LabHello(
            daemon_id=self._plan.daemon_id,
            profile=self._board.profile,
            source=self._board.source,
            clock=self._board.clock.kind,
            session=self._plan.own_session,
        )

    async def run(self) -> None:
        """Record and publish; returns when a replay has ended and all of it is where it belongs."""
        sessions, own = self._sessions, self._plan.own_session
        ended = None
        await sessions.take_up_left_over()
        if own is not None:
            ended = await asyncio.to_thread(ended_recording, self._plan.recordings_dir / f"{own.recording_id}.xdf")
            if ended is None:
                sessions.open(own)
        main = self._stream() if ended is None else self._end_of_replay(ended)
        try:
            await side_by_side(main, self._link.run(), self._view.report(), sessions.sync(), sessions.tell_ended())
        except asyncio.CancelledError:
            if own is not None:
                with contextlib.suppress(RecordingError):
                    await sessions.finish("the replay was stopped")
            raise
        finally:
            with contextlib.suppress(AcquisitionError):
                await self._impedance.end()
            await self._board.stop()
            sessions.close()
            await self._publication.close()
            await self._bus.close()

    def _events(self, events: tuple[LabEvent, ...]) -> list[str]:
        return self._sessions.events(events)

    async def _command(self, command: StartRecording | StopRecording | MeasureImpedance | ReplayControl | LabConfirmed) -> None:
        match command:
            case StartRecording():
                await self._sessions.start(command)
            case StopRecording():
                await self._sessions.stop(command)
            case LabConfirmed():
                self._sessions.unconfirmed.pop(command.session_id, None)
            case MeasureImpedance() | ReplayControl():
                try:
                    await self._of_the_board(command)
                except AcquisitionError as error:
                    await self._view.alarm("command_refused", str(error))

    async def _of_the_board(self, command: MeasureImpedance | ReplayControl) -> None:
        board = self._board
        if isinstance(command, MeasureImpedance):
            await self._impedance.command(command)
        elif not isinstance(board, ReplayBoard):
            raise BoardError(f"{board.profile.title} is no replay: it can be neither paused nor moved.")
        elif command.action == "seek":
            board.seek(command.position_s or 0.0)
        else:
            board.pause() if command.action == "pause" else board.resume()
            await self._view.tell_status()

    # ------------------------------------------------------------ from the board

    async def _stream(self) -> None:
        log_now = self._sessions.log
        await self._open_board(log_now.recorder.sequencer.next_index if log_now else 0)
        silent_reads = 0
        while True:
            try:
                output = await self._board.read()
            except BoardError as error:
                await self._reopen(str(error))
                continue
            if not output.ended and not output.chunks and not output.events:
                silent_reads += 1
                await self._silent(silent_reads)
                continue
            silent_reads = 0
            if self._view.state == "stalled":
                self._sessions.say_streaming(" again")
            await self._sessions.take(output)
            await asyncio.sleep(0)  # the publisher goes first: rewards wait for the bus, eyes can wait
            await self._view.show(output.chunks)
            await self._measure(output.chunks)
            if output.ended or (self._plan.own_session is not None and self._sessions.is_idle):
                break  # played to its end, or stopped by an operator
            await self._await_worker()
        await self._end_of_replay(None)

    async def _measure(self, chunks: tuple[BoardChunk, ...]) -> None:
        try:
            await self._impedance.take(chunks)
        except AcquisitionError as error:
            await self._impedance.end()
            await self._view.alarm("impedance_ended", str(error))

    async def _open_board(self, first: int) -> None:
        """Open the board; one that is not there yet is waited for, so nobody has to start things in an order."""
        self._view.board_index = first
        try:
            await self._board.start(first)
        except BoardError as error:
            await self._reopen(str(error))
        for remark in getattr(self._board, "remarks", ()):
            log.warning("%s", remark)
        self._sessions.say_streaming()

    async def _silent(self, reads: int) -> None:
        title = self._board.profile.title
        if isinstance(self._board, ReplayBoard):
            return  # paused
        if reads == 1:
            sentence = f"{title} has sent no sample for a second. Check power, battery and connection."
            self._view.set("stalled", sentence)
            await self._view.alarm("board_stalled", sentence)
        elif reads >= SILENT_READS:
            await self._reopen(f"{title} stays silent. Check power, battery and connection; it is opened again until it answers.", known=True)

    async def _reopen(self, sentence: str, known: bool = False) -> None:
        """Open the board again until it can be; `known`: the operator has been told that it is lost."""
        if not known:
            await self._view.alarm("board_lost", sentence)
        self._view.set("stalled", sentence)
        await self._impedance.end()
        said = ""
        while True:
            try:
                await self._board.stop()
                await self._board.start(self._expected_index())
            except BoardError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("%s", said)
                await asyncio.sleep(REOPEN_S)
            else:
                return

    def _expected_index(self) -> int:
        """Board sample number of now: time goes on while a board is away."""
        newest = self._view.newest_lsl_s
        away_s = max(0.0, self._host_clock.now_lsl_s() - newest) if newest else 0.0
        return self._view.board_index + round(away_s * self._board.profile.sampling_rate_hz)

    # ------------------------------------------------------------ a replay and the worker

    async def _await_worker(self) -> None:
        """Faster than 1x: wait while the worker is behind."""
        if self._board.clock.kind is not ClockKind.VIRTUAL or not self._plan.wait_for_worker:
            return
        waited = 0
        while (session := self._sessions.log) is not None:
            try:
                behind = session.recorder.sequencer.ordinal - await self._bus.progress(session.publisher.recording_id)
            except BusError:
                behind = WORKER_LEAD_RECORDS + 1
            if behind <= WORKER_LEAD_RECORDS:
                break
            waited += 1
            if waited == TELL_AFTER:
                sentence = "The replay waits for the decoder worker: start one with `rlhb decode`, or replay with --no-wait-for-worker."
                self._view.set(self._view.state, sentence)
            await asyncio.sleep(WAIT_S)
        if waited >= TELL_AFTER:
            self._sessions.say_streaming(" again")
        if waited and isinstance(self._board, ReplayBoard):
            self._board.skip_to_now()

    async def _end_of_replay(self, ended: EndedRecording | None) -> None:
        """Stay until the last label is committed and the server knows of the end."""
        self._view.set("ended", "The recording has been replayed to its end.")
        if ended is None:
            await self._sessions.finish_when_there_is_room("end of the replayed recording")
        publisher = self._sessions.take_up(ended) if ended is not None else self._sessions.publisher
        await self._view.tell_status()
        if publisher is None:
            return
        await publisher.published.wait()
        turns = 0
        while self._plan.stay_until_committed and not (publisher.committed.is_set() and not self._sessions.unconfirmed):
            await asyncio.sleep(WAIT_S)
            turns += 1
            if turns == TELL_AFTER:
                missing = "the session server" if publisher.committed.is_set() else "the decoder worker (`rlhb decode`) and the session server"
                self._view.set("ended", f"The recording has been replayed; its last labels wait for {missing}. They are kept if you stop here.")
