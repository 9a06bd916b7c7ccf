"""A recording as a board: the same samples, at the same sample numbers, with its annotations as events."""

import math

import numpy as np

from acquisition.board import BoardChunk, BoardError, BoardOutput, PlacedEvent
from acquisition.markers import MarkerUse, use_of
from hardware_profiles import HardwareProfile, load_profile
from hardware_profiles.profile import Channel
from messaging.clocks import Clock, RealClock, VirtualClock
from messaging.identity import digest, event_id
from messaging.lab import LabEvent
from messaging.records import UnitShown
from messaging.words import EventType, Source
from recordings.recording import Recording

CHUNK_S = 0.032
"""Stream seconds per chunk at 1x; 8 samples at 250 Hz, as OpenBCI dongles deliver them."""
LONGEST_CHUNK_S = 1.0


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
        Begin again at the end; sample numbers go on.
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
        self._virtual = speed != 1.0
        first = recording.segments[0]
        last = recording.segments[-1]
        self._offset = first.sample_index
        self._span = last.sample_index + last.n_samples - first.sample_index
        self._index = 0
        self._offered = 0
        self._start_lsl_s = 0.0
        self._events = self._placed_events()

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

    async def start(self, from_index: int) -> None:
        """Begin to play; after a restart at the sample after the last recorded one."""
        self._index = from_index
        rate = self._recording.sampling_rate_hz
        if isinstance(self.clock, VirtualClock):
            self.clock.skip_to(self.clock.start_lsl_s + from_index / rate)
        self._start_lsl_s = self.clock.now_lsl_s() - from_index / rate
        # Events before this sample that the log may not hold yet: offered again, the sequencer knows which it has.
        self._offered = 0

    def skip_to_now(self) -> None:
        """Do not hurry to catch up time that was spent waiting for the worker."""
        if isinstance(self.clock, VirtualClock):
            self.clock.skip_to(self.clock.start_lsl_s + self._index / self._recording.sampling_rate_hz)

    async def read(self) -> BoardOutput:
        """Wait until the next chunk's time and return it."""
        lap, at = divmod(self._index, self._span)
        if lap and not self._loop:
            return BoardOutput(events=tuple(self._due()), ended=True)
        n = min(self._chunk, self._span - at)
        rate = self._recording.sampling_rate_hz
        await self.clock.sleep_until(self._start_lsl_s + (self._index + n) / rate)
        chunks = []
        for segment in self._recording.segments:
            begin = segment.sample_index - self._offset
            a, b = max(at, begin), min(at + n, begin + segment.n_samples)
            if a < b:
                rows = slice(segment.row + a - begin, segment.row + b - begin)
                stamp = self._start_lsl_s + (lap * self._span + b - 1) / rate
                chunks.append(BoardChunk(first_index=lap * self._span + a, samples=np.ascontiguousarray(self._recording.samples[rows]), host_stamp_lsl_s=stamp))
        self._index += n
        return BoardOutput(chunks=tuple(chunks), events=tuple(self._due()))

    def _due(self) -> list[PlacedEvent]:
        found = []
        while self._offered < len(self._events) * (1 + (self._index // self._span if self._loop else 0)):
            lap, k = divmod(self._offered, len(self._events))
            sample, kind, unit, description = self._events[k]
            if lap * self._span + sample >= self._index:
                break
            self._offered += 1
            presentation = digest("replay", self._session_id, lap, k)
            event = LabEvent(
                event_id=event_id(self._session_id, presentation, kind, 0),
                type=kind,
                session_id=self._session_id,
                trial=None,
                presentation=presentation,
                unit=unit,
                text=description if kind is EventType.ANNOTATION else None,
            )
            found.append(PlacedEvent(event=event, sample_index=lap * self._span + sample))
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
