"""The recorder of one session: sequencer and recording file, in that order, and nothing published before it is written."""

from collections import deque
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from acquisition.board import AcquisitionError, Board, BoardChunk, PlacedEvent
from acquisition.held_events import HeldEvents
from acquisition.sample_clock import SampleClock, StampKind
from acquisition.sequencer import Sequencer
from messaging.bus import KEEP_RECORDS_S
from messaging.clocks import VirtualClock
from messaging.identity import event_id
from messaging.lab import LabEvent, SessionPlan
from messaging.records import Chunk, ClockFit, Event, Header, Record
from messaging.words import ClockKind, EventType, Source
from recordings.errors import RecordingFullError
from recordings.log import read_log
from recordings.writer import LogWriter

SOFTWARE = ("rlhb", "brainflow", "pylsl", "numpy")


class RecorderError(AcquisitionError):
    """A recording cannot be started or gone on with."""


def make_header(plan: SessionPlan, board: Board, start_lsl_s: float, replayed_sha256: str | None, kernel_set: str) -> Header:
    """Describe a recording that starts now."""
    speed = min(board.clock.speed, 1e9) if isinstance(board.clock, VirtualClock) else 1.0
    return Header(
        recording_id=plan.recording_id,
        session_id=plan.session_id,
        subject=plan.subject,
        protocol=plan.protocol,
        task=plan.task,
        soa_ms=plan.soa_ms,
        consent=plan.consent,
        source=board.source,
        clock=board.clock.kind,
        speed=speed,
        start_lsl_s=start_lsl_s,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        profile=board.profile,
        replayed_sha256=replayed_sha256,
        prior=plan.prior,
        versions={name: version(name) for name in SOFTWARE},
        kernel_set=kernel_set,
    )


def clock_of(board: Board, start_lsl_s: float | None = None) -> SampleClock:
    """Return a sample clock for a board's stream, of the kind that its stamps are.

    The daemon keeps one from the moment the board streams; a recording that begins later takes it over settled (`Recorder`).
    """
    driver = board.profile.driver
    kind = StampKind.EXACT if board.source is Source.REPLAY else StampKind.SENDER if driver.kind == "lsl" else StampKind.ARRIVAL
    start = _start_lsl_s(board) if start_lsl_s is None else start_lsl_s
    return SampleClock(board.profile.sampling_rate_hz, start, board.clock.kind, delay_ms=driver.delay_ms, stamps=kind)


class Recorder:
    """Writes one session's log.

    Parameters
    ----------
    folder : Path
        Where recordings lie; the file is ``{recording_id}.xdf``.
    plan : SessionPlan
    board : Board
    replayed_sha256 : str or None
        Content hash of a replayed recording.
    kernel_set : str
        What the decoders compute with, for the header.
    clock : SampleClock or None
        Clock of the board's stream, counting the board's samples; the recording goes on with a copy that counts its own. None: a fresh one.

    Raises
    ------
    RecorderError
        A file of that name belongs to another session or another board.
    """

    def __init__(
        self,
        folder: Path,
        plan: SessionPlan,
        board: Board,
        replayed_sha256: str | None = None,
        kernel_set: str = "",
        clock: SampleClock | None = None,
    ) -> None:
        self.path = folder / f"{plan.recording_id}.xdf"
        self.plan = plan
        self.offsets: deque[tuple[int, int]] = deque()
        """(ordinal, file offset) of the last ten minutes."""
        self.keep_after = 0
        self._keep: deque[tuple[int, float]] = deque()
        resumed = self.path.exists()
        if resumed:
            self._writer = LogWriter.resume(self.path)
            self.header = self._writer.header
        else:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RecorderError(f"The folder {folder} cannot be made: {error.strerror}. Check the disk, or choose another with --data-dir.") from error
            self.header = make_header(plan, board, _start_lsl_s(board), replayed_sha256, kernel_set)
            self._writer = LogWriter.create(self.path, self.header)
        try:
            self._begin(board, clock, resumed)
        except BaseException:
            self._writer.close()  # or the file stays locked for whoever opens it next
            raise

    def _begin(self, board: Board, clock: SampleClock | None, resumed: bool) -> None:
        if resumed:
            self._check(board)
        own_clock = clock_of(board, self.header.start_lsl_s)
        held = self._held_events(board, resumed)
        self.sequencer = Sequencer(self.header, own_clock, self._writer.last_ordinal, self._writer.end_index, set(self._writer.event_ids), held)
        self._board_clock = clock
        self._base: int | None = None if board.clock.kind is ClockKind.REAL and board.source is not Source.REPLAY else 0
        """Board sample number of this recording's sample 0; None until the first samples come, whose time tells it."""
        self.new: list[Record] = [] if resumed else [self.header]
        """Records written and not yet handed to the publisher."""
        self._unwritten: Record | None = None
        """The record that a full disk has refused."""
        self._ending = False
        self._released: list[Event] = []
        if self.plan.decoder is not None:
            self.event(
                LabEvent(
                    event_id=event_id(self.plan.session_id, None, EventType.DECODER, 0),
                    type=EventType.DECODER,
                    session_id=self.plan.session_id,
                    decoder=self.plan.decoder,
                )
            )

    def _held_events(self, board: Board, resumed: bool) -> HeldEvents | None:
        """Where the profile names a channel for onsets; after a crash its edges are looked for again in what is recorded."""
        if board.profile.onset_edges is None or board.source is Source.REPLAY:
            return None
        held = HeldEvents(board.profile, self.header.soa_ms)
        if resumed:
            for record in read_log(self.path):
                if isinstance(record, Chunk):
                    held.samples(record.sample_index, record.samples)
        return held

    def _check(self, board: Board) -> None:
        header = self.header
        if header.session_id != self.plan.session_id:
            raise RecorderError(f"{self.path} belongs to session {header.session_id}, not {self.plan.session_id}. Move the file away.")
        names = header.profile.channel_names, header.profile.sampling_rate_hz
        if names != (board.profile.channel_names, board.profile.sampling_rate_hz):
            was = f"profile {header.profile.name} ({len(names[0])} channels, {names[1]:g} Hz)"
            raise RecorderError(f"{self.path} was recorded with {was}, the board differs. Start a new session.")

    def _write(self, record: Record) -> None:
        try:
            offset = self._writer.write(record)
        except RecordingFullError:
            self._unwritten = record  # it has its ordinal: nothing may come before it
            raise
        self.offsets.append((record.ordinal, offset))
        self.new.append(record)
        now_s = self.sequencer.next_index / self.header.profile.sampling_rate_hz
        self._keep.append((record.ordinal, now_s))
        while self._keep and now_s - self._keep[0][1] > KEEP_RECORDS_S:
            self.keep_after = self._keep.popleft()[0]
            self.offsets.popleft()

    def retry(self) -> None:
        """Write the record that a full disk has refused, if there is one.

        Raises
        ------
        RecordingFullError
            There is no room yet.
        """
        if self._unwritten is not None:
            record, self._unwritten = self._unwritten, None
            self._write(record)

    def samples(self, chunk: BoardChunk) -> bool:
        """Write a chunk of the board; False when the recording holds its samples already.

        Raises
        ------
        RecordingFullError
            The disk is full. Samples that are not given again are a gap of the recording.
        """
        self.retry()
        if self._base is None:
            self._base = chunk.first_index - self._first_index(chunk)
            if self._board_clock is not None:
                self.sequencer.clock, self._board_clock = self._board_clock.shifted(self._base), None
        shifted = BoardChunk(first_index=chunk.first_index - self._base, samples=chunk.samples, host_stamp_lsl_s=chunk.host_stamp_lsl_s)
        record = self.sequencer.samples(shifted)
        if record is not None:
            self._write(record)
            self._write_released()
        return record is not None

    def _write_released(self, *, over: bool = False) -> None:
        while (event := self.sequencer.released(over=over)) is not None:
            self._write(event)
            self._released.append(event)

    def take_released(self) -> list[Event]:
        """Return the events that were held back for their edges and have been written since the last call: they can be acknowledged now."""
        taken, self._released = self._released, []
        return taken

    def take_alarm(self) -> str | None:
        """One sentence when onsets go without the hardware edges that the profile promises; None otherwise, and after it was given."""
        return self.sequencer.held.take_alarm() if self.sequencer.held is not None else None

    def has(self, event_id: str) -> bool:
        """Whether an event is in the recording: only then may it be acknowledged."""
        return self.sequencer.has(event_id)

    def _first_index(self, chunk: BoardChunk) -> int:
        """Sample number at which a chunk goes on with this recording: real time has passed since its last sample."""
        if self._writer.end_index == 0:
            return 0
        profile = self.header.profile
        taken_lsl_s = chunk.host_stamp_lsl_s - profile.driver.delay_ms / 1e3 - (len(chunk.samples) - 1) / profile.sampling_rate_hz
        away = round((taken_lsl_s - self._writer.end_lsl_s) * profile.sampling_rate_hz)
        return self._writer.end_index + max(0, away)

    @property
    def can_place(self) -> bool:
        """Whether an onset can be given its sample: samples have come since the recording was opened."""
        return self._base is not None

    def event(self, event: LabEvent, server_to_host: ClockFit | None = None) -> Event | None:
        """Write an event of the server and return it.

        Returns
        -------
        Event or None
            None when it is in the recording already, or is held back until its hardware edge is seen or can come no more:
            `samples` writes it then, `take_released` gives it. `has` tells one from the other.
        """
        self.retry()
        record = self.sequencer.event(event, server_to_host)
        if record is not None:
            self._write(record)
        return record

    def placed(self, event: PlacedEvent) -> None:
        """Write an annotation of a replayed recording, unless it is in the recording."""
        self.retry()
        record = self.sequencer.placed(event)
        if record is not None:
            self._write(record)

    @property
    def last_ordinal(self) -> int:
        """Ordinal of the file's last record."""
        return self._writer.last_ordinal

    def take_new(self) -> list[Record]:
        """Return the records written since the last call."""
        taken, self.new = self.new, []
        return taken

    def sync(self) -> None:
        """Bring what is written to the disk (`fdatasync`)."""
        self._writer.sync()

    def finish(self, reason: str) -> None:
        """Write what is held back, then the end, and close the file."""
        self.retry()
        self._write_released(over=True)
        if not self._ending:
            self._ending = True
            self._write(self.sequencer.end(reason))
        self._writer.sync()
        self._writer.close()

    def close(self) -> None:
        """Close the file without an end: the recording can be gone on with. What is held back has not been acknowledged and comes again."""
        self._writer.sync()
        self._writer.close()


def _start_lsl_s(board: Board) -> float:
    """Time of sample 0: now, or where virtual time begins."""
    return board.clock.start_lsl_s if isinstance(board.clock, VirtualClock) else board.clock.now_lsl_s()
