"""What the operator sees of the board: state, signal quality, preview, alarms."""

import asyncio
import contextlib
import logging
import shutil
from pathlib import Path

from acquisition.board import Board, BoardChunk
from acquisition.lab_link import LabLink
from acquisition.quality import Preview, QualityWindow, StreamWatch
from acquisition.recorder import clock_of
from acquisition.replay_board import ReplayBoard
from acquisition.sample_clock import SampleClock
from acquisition.session_log import SessionLog
from messaging.lab import LabAlarm, LabQuality, LabStatus
from messaging.words import ClockKind, Source

log = logging.getLogger(__name__)


class OperatorView:
    """Tells the server, once a second and on every change, how the daemon is.

    Parameters
    ----------
    board : Board
    link : LabLink
    data_dir : Path
    """

    def __init__(self, board: Board, link: LabLink, data_dir: Path) -> None:
        self._board, self._link, self._data_dir = board, link, data_dir
        self._quality, self._preview = QualityWindow(board.profile), Preview(board.profile)
        self._stream = StreamWatch(board.profile, real_time=board.clock.kind is ClockKind.REAL)
        live = board.clock.kind is ClockKind.REAL and board.source is not Source.REPLAY
        self.clock: SampleClock | None = clock_of(board) if live else None
        """Clock of a live board's stream; a recording that begins takes it over settled."""
        self._changed = asyncio.Event()
        self.state, self.sentence = "connecting", "Opening the board."
        self.log: SessionLog | None = None
        self.session_id: str | None = None
        self.newest_lsl_s = 0.0
        """Host stamp of the newest sample; 0 before the first."""
        self.board_index = 0
        """Board sample number after the newest sample."""

    def set(self, state: str, sentence: str) -> None:
        """Say how the daemon is, in one sentence."""
        if (state, sentence) != (self.state, self.sentence):
            self.state, self.sentence = state, sentence
            self._changed.set()
            log.info("%s", sentence)

    async def alarm(self, what: str, sentence: str) -> None:
        """Say what the operator must know now."""
        log.error("%s", sentence)
        await self._link.tell(LabAlarm(session_id=self.session_id, what=what, sentence=sentence))

    async def show(self, chunks: tuple[BoardChunk, ...]) -> None:
        """Show new samples: their quality each second, the preview ten times a second."""
        for chunk in chunks:
            self._count(chunk)
            verdict = self._quality.add(chunk.samples, chunk.first_index)
            if verdict is not None:
                stream = self._stream.verdict(self._board.clock.now_lsl_s())
                await self._link.tell(LabQuality(session_id=self.session_id, channels=verdict, stream=stream))
            frame = self._preview.add(chunk.first_index, chunk.host_stamp_lsl_s, chunk.samples)
            if frame is not None:
                await self._link.preview(frame)

    def _count(self, chunk: BoardChunk) -> None:
        if self.clock is not None:
            if self.newest_lsl_s and chunk.first_index != self.board_index:
                self.clock.gap()
            self.clock.observe(chunk.first_index + len(chunk.samples) - 1, chunk.host_stamp_lsl_s)
        self.board_index = chunk.first_index + len(chunk.samples)
        self.newest_lsl_s = chunk.host_stamp_lsl_s
        self._stream.add(chunk)

    async def report(self) -> None:
        """Send the status until cancelled."""
        while True:
            await self.tell_status()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._changed.wait()

    async def tell_status(self) -> None:
        """Send the status now."""
        await self._link.tell(self._status())

    def _bytes_free(self) -> int | None:
        try:
            return shutil.disk_usage(self._data_dir).free
        except OSError:  # the disk was pulled: writing says so
            return None

    def _status(self) -> LabStatus:
        recorder = self.log.recorder if self.log else None
        sequencer = recorder.sequencer if recorder else None
        fit = self._link.server_to_host()
        age = (self._board.clock.now_lsl_s() - self.newest_lsl_s) * 1e3 if self.newest_lsl_s else None
        return LabStatus(
            state=self.state,  # type: ignore[arg-type]
            sentence=self.sentence,
            session_id=self.session_id,
            recording_id=recorder.header.recording_id if recorder else None,
            ordinal=sequencer.ordinal if sequencer else 0,
            sample_index=sequencer.next_index if sequencer else self.board_index,
            time_lsl_s=self.newest_lsl_s,
            sampling_rate_hz=self._board.profile.sampling_rate_hz,
            measured_rate_hz=sequencer.clock.measured_rate_hz() if sequencer else None,
            preview_rate_hz=self._preview.rate_hz,
            loss_fraction=sequencer.lost_samples / max(1, sequencer.next_index) if sequencer else 0.0,
            sample_age_ms=age if self._board.clock.kind is ClockKind.REAL else None,
            clock_sd_ms=fit.sd_ms if fit else None,
            bus="away" if self.log is not None and self.log.publisher.away else "connected",
            replay=self._board.position if isinstance(self._board, ReplayBoard) else None,
            bytes_free=self._bytes_free(),
        )
