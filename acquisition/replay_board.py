"""A recording as a board: the same samples, at the same sample numbers, with its annotations as events."""

import asyncio
import bisect
import math
from collections.abc import Iterable

import numpy as np

from acquisition.board import BoardChunk, BoardError, BoardOutput, PlacedEvent
from acquisition.markers import MarkerUse, use_of
from acquisition.replay_course import Course, Leg, sentence_of
from hardware_profiles import HardwareProfile, load_profile
from hardware_profiles.profile import Channel
from messaging.clocks import Clock, RealClock, VirtualClock
from messaging.identity import digest, event_id
from messaging.lab import LabEvent, ReplayPosition
from messaging.records import UnitShown
from messaging.words import EventType, Source
from recordings.recording import Recording

CHUNK_S = 0.032
"""Stream seconds per chunk at 1x; 8 samples at 250 Hz, as OpenBCI dongles deliver them."""
LONGEST_CHUNK_S = 1.0
OFFER_AGAIN_S = 60.0
"""After a restart, events of this long before the last recorded sample are offered again; the log knows which it holds."""
BROKEN_OFF_S = 1.0
"""Units shown this shortly before a jump are broken off: their windows would hold EEG of two places."""
PAUSED_READ_S = 1.0


def replay_profile(recording: Recording) -> HardwareProfile:
    """Return the profile of a replay: channels, rate and units from the recording, the montage of its own profile if it has one."""
    if recording.header is not None:
        own = recording.header.profile
        return own.model_copy(update={"driver": load_profile("replay").driver})
    kinds = {"eeg", "eog", "ecg", "emg"}
    channels = tuple(Channel(name=n, kind=k if k in kinds else "aux") for n, k in zip(recording.channel_names, recording.channel_kinds, strict=True))  # type: ignore[arg-type]
    base = load_profile("replay")
    return HardwareProfile.model_validate(base.model_dump() | {"channels": [c.model_dump() for c in channels], "sampling_rate_hz": recording.sampling_rate_hz})


class ReplayBoard:
    """Plays a recording.

    Parameters
    ----------
    recording : Recording
    session_id : str
        Session that the events belong to.
    speed : float
        Stream seconds per second; ``math.inf`` as fast as the reader takes them. At exactly 1 stream time is the host's clock.
    markers : dict or None
        What becomes of each annotation (`acquisition.markers`).
    loop : bool
        Begin again at the end; sample numbers go on, and events have identities of their own in every lap.
    chunk_samples : int or None
        Samples per chunk; None for `CHUNK_S` of wall time.
    """

    source = Source.REPLAY

    def __init__(
        self,
        recording: Recording,
        session_id: str,
        speed: float = 1.0,
        markers: dict[str, MarkerUse] | None = None,
        loop: bool = False,
        chunk_samples: int | None = None,
    ) -> None:
        if len(recording.samples) == 0:
            raise BoardError(f"Recording {recording.path} holds no samples; there is nothing to replay.")
        self.profile = replay_profile(recording)
        self._recording, self._session_id, self._markers, self._loop = recording, session_id, markers, loop
        rate = recording.sampling_rate_hz
        self._chunk = chunk_samples or max(1, round(rate * min(CHUNK_S * speed, LONGEST_CHUNK_S)))
        self.clock: Clock = RealClock() if speed == 1.0 else VirtualClock(0.0, speed)
        first = recording.segments[0]
        last = recording.segments[-1]
        self._offset = first.sample_index
        self._course = Course(last.sample_index + last.n_samples - first.sample_index, loop)
        self._index = 0
        self._offered = 0
        self._announced = 0
        self._paused = False
        self._changes = 0
        self._changed = asyncio.Event()
        self._anchor = (0, 0.0)
        """A sample of the stream and its time."""
        self._events = self._placed_events()
        self._onsets = [row[0] for row in self._events]

    def _placed_events(self) -> list[tuple[int, EventType, UnitShown | None, str]]:
        found = []
        for e in self._recording.events:
            if e.event is not None and e.event.type is EventType.UNIT:
                found.append((e.onset_sample - self._offset, EventType.UNIT, e.event.unit, e.description))
                continue
            if e.event is not None:
                continue  # session events of another run are not this run's
            use = use_of(e.description, self._markers)
            if use is MarkerUse.UNIT:
                found.append((e.onset_sample - self._offset, EventType.UNIT, UnitShown(index=0, text=e.description), e.description))
            elif use is MarkerUse.ANNOTATION:
                found.append((e.onset_sample - self._offset, EventType.ANNOTATION, None, e.description))
        return sorted(found, key=lambda row: row[0])

    # ------------------------------------------------------------ control

    @property
    def position(self) -> ReplayPosition:
        """Where in the recording the replay is."""
        rate = self._recording.sampling_rate_hz
        leg = self._course.leg_at(self._index)
        at = self._course.span if leg is None else leg.at + self._index - leg.start
        return ReplayPosition(position_s=at / rate, duration_s=self._course.span / rate, paused=self._paused)

    def pause(self) -> None:
        """Stand still; `read` gives nothing until `resume`."""
        self._paused = True
        self._change()

    def resume(self) -> None:
        """Go on from where it stands; the time of the pause is no gap, samples after it are simply taken later."""
        if self._paused:
            self._paused = False
            self._here_and_now()
            self._change()

    def seek(self, position_s: float) -> None:
        """Go on at another place of the recording: the sample index goes on, and the log says where it leads.

        Raises
        ------
        BoardError
            The recording has no such place.
        """
        at = round(position_s * self._recording.sampling_rate_hz) if math.isfinite(position_s) else -1
        if not 0 <= at < self._course.span:
            raise BoardError(f"The replay cannot go to {position_s:g} s: the recording has 0 to {self.position.duration_s:.3f} s. Choose a place in it.")
        self._course.seek(self._index, at)
        self._change()

    def restore(self, legs: Iterable[Leg]) -> None:
        """Take up the laps and seeks of an interrupted replay (`replay_course.recorded_legs`), before `start`."""
        for leg in legs:
            if 0 <= leg.at < self._course.span:
                self._course.restore(leg)

    def _change(self) -> None:
        self._changes += 1
        self._changed.set()

    # ------------------------------------------------------------ playing

    async def start(self, from_index: int) -> None:
        """Begin to play; after a restart at the sample after the last recorded one."""
        self._index = from_index
        self._course.forget_after(from_index)
        self._here_and_now()
        # Events before this sample that the log may not hold yet are offered again: the sequencer knows which it has.
        self._offered = max(0, from_index - round(OFFER_AGAIN_S * self._recording.sampling_rate_hz))
        self._announced = 0

    def skip_to_now(self) -> None:
        """Do not hurry to catch up time that was spent waiting for the worker."""
        if isinstance(self.clock, VirtualClock):
            self._here_and_now()

    def _here_and_now(self) -> None:
        """Let the next sample be taken now."""
        if isinstance(self.clock, VirtualClock):
            self._anchor = (0, self.clock.start_lsl_s)
            self.clock.skip_to(self._time_of(self._index))
        else:
            self._anchor = (self._index, self.clock.now_lsl_s())

    def _time_of(self, index: int) -> float:
        return self._anchor[1] + (index - self._anchor[0]) / self._recording.sampling_rate_hz

    async def read(self) -> BoardOutput:
        """Wait until the next chunk's time and return it; while paused, return nothing about once a second."""
        while True:
            self._changed.clear()
            leg = self._course.leg_at(self._index)
            if leg is not None and leg.number > self._announced:
                self._announced = leg.number
                return BoardOutput(events=(*self._due(), *self._jump(leg)))
            if self._paused:
                try:
                    await asyncio.wait_for(self._changed.wait(), PAUSED_READ_S)
                except TimeoutError:
                    return BoardOutput()
                continue
            if leg is None:
                return BoardOutput(events=tuple(self._due()), ended=True)
            n, changes = min(self._chunk, self._course.room(leg, self._index)), self._changes
            await self.clock.sleep_until(self._time_of(self._index + n))
            if changes == self._changes:
                chunks = self._chunks(leg, n)
                self._index += n
                return BoardOutput(chunks=chunks, events=tuple(self._due()))

    def _chunks(self, leg: Leg, n: int) -> tuple[BoardChunk, ...]:
        """Samples of the next `n` of the stream; where the recording has a gap, none."""
        at, shift = leg.at + self._index - leg.start, leg.start - leg.at
        chunks = []
        for segment in self._recording.segments:
            begin = segment.sample_index - self._offset
            a, b = max(at, begin), min(at + n, begin + segment.n_samples)
            if a < b:
                samples = np.ascontiguousarray(self._recording.samples[segment.row + a - begin : segment.row + b - begin])
                chunks.append(BoardChunk(first_index=a + shift, samples=samples, host_stamp_lsl_s=self._time_of(b + shift - 1)))
        return tuple(chunks)

    # ------------------------------------------------------------ events

    def _due(self) -> list[PlacedEvent]:
        """Events of the samples that have been played and were not offered yet."""
        found = []
        for leg, begin, end in self._course.between(self._offered, self._index):
            first = -math.inf if begin == leg.start and leg.at == 0 else begin - leg.start + leg.at
            last = bisect.bisect_left(self._onsets, end - leg.start + leg.at)
            found += [self._placed(leg, k) for k in range(bisect.bisect_left(self._onsets, first), last)]
        self._offered = max(self._offered, self._index)
        return found

    def _placed(self, leg: Leg, k: int) -> PlacedEvent:
        sample, kind, unit, description = self._events[k]
        presentation = digest("replay", self._session_id, leg.number, k)
        text = description if kind is EventType.ANNOTATION else None
        return PlacedEvent(self._event(kind, presentation, unit, text), leg.start - leg.at + sample)

    def _event(self, kind: EventType, presentation: str, unit: UnitShown | None = None, text: str | None = None) -> LabEvent:
        identity = event_id(self._session_id, presentation, kind, 0)
        return LabEvent(event_id=identity, type=kind, session_id=self._session_id, trial=None, presentation=presentation, unit=unit, text=text)

    def _jump(self, leg: Leg) -> list[PlacedEvent]:
        """What the log says where a leg begins: that the units just before it are broken off, and where the replay is."""
        rate, before = self._recording.sampling_rate_hz, self._course.before(leg)
        found = []
        if before is not None:
            played = leg.start - before.start + before.at
            first = max(before.at, played - round(BROKEN_OFF_S * rate))
            for k in range(bisect.bisect_left(self._onsets, first), bisect.bisect_left(self._onsets, played)):
                if self._events[k][1] is EventType.UNIT:
                    broken = digest("replay", self._session_id, before.number, k)
                    found.append(PlacedEvent(self._event(EventType.TRIAL_ABORTED, broken), leg.start))
        where = digest("replay leg", self._session_id, leg.number)
        found.append(PlacedEvent(self._event(EventType.ANNOTATION, where, text=sentence_of(leg, rate)), leg.start))
        return found

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Nothing: what is recorded has been seen."""

    async def stop(self) -> None:
        """Nothing to release."""


def parse_speed(text: str) -> float:
    """Read ``--speed``: a positive number or ``max``.

    Raises
    ------
    BoardError
        It is neither.
    """
    if text.strip().lower() == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (speed > 0 and math.isfinite(speed)):
        raise BoardError(f"--speed {text!r} is not a speed. Give a positive number such as 1, 10 or 50, or 'max'.")
    return speed
