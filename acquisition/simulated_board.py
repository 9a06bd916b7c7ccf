"""The simulated subject as a board: its EEG in real time, 8 samples at a time, answering to what it is shown."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardChunk, BoardOutput
from hardware_profiles import HardwareProfile
from messaging.clocks import Clock, RealClock
from messaging.records import UnitShown
from messaging.words import Source

CHUNK_S = 0.032


class Subject(Protocol):
    """What this board needs of `acquisition.simulated_subject`."""

    def perceive(self, presentation: str, unit: UnitShown, onset_s: float) -> None:
        """See a unit."""
        ...

    def generate(self, n_samples: int) -> NDArray[np.float32]:
        """Return the next samples, (n_samples, n_channels) microvolt."""
        ...

    def seek(self, sample_index: int) -> None:
        """Go on at a sample."""
        ...

    def dropped(self, first_sample: int, n_samples: int) -> NDArray[np.int64]:
        """Samples of a stretch that never reach the host."""
        ...


class SimulatedSubjectBoard:
    """Real-time EEG of a simulated subject.

    A sample arrives `driver.delay_ms` after its time, as with an amplifier; a unit whose onset is reported within that delay is answered
    in full.
    """

    source = Source.SIMULATED

    def __init__(self, profile: HardwareProfile, subject: Subject) -> None:
        self.profile = profile
        self.clock: Clock = RealClock()
        self._subject = subject
        self._chunk = max(1, round(profile.sampling_rate_hz * CHUNK_S))
        self._index = 0
        self._start_lsl_s = 0.0

    async def start(self, from_index: int) -> None:
        """Begin to stream at a sample number."""
        self._index = from_index
        self._start_lsl_s = self.clock.now_lsl_s() - from_index / self.profile.sampling_rate_hz
        self._subject.seek(from_index)

    async def read(self) -> BoardOutput:
        """Wait for the next chunk."""
        rate, delay_s = self.profile.sampling_rate_hz, self.profile.driver.delay_ms / 1e3
        end = self._index + self._chunk
        arrival = self._start_lsl_s + end / rate + delay_s
        await self.clock.sleep_until(arrival)
        samples = self._subject.generate(self._chunk)
        kept = np.setdiff1d(np.arange(self._index, end), self._subject.dropped(self._index, self._chunk), assume_unique=True)
        chunks = []
        for run in np.split(kept, np.flatnonzero(np.diff(kept) != 1) + 1):
            if len(run):
                stamp = self._start_lsl_s + run[-1] / rate + delay_s
                chunks.append(BoardChunk(first_index=int(run[0]), samples=samples[run - self._index], host_stamp_lsl_s=float(stamp)))
        self._index = end
        return BoardOutput(chunks=tuple(chunks))

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Show a unit to the subject."""
        self._subject.perceive(presentation, unit, onset_lsl_s - self._start_lsl_s)

    async def stop(self) -> None:
        """Nothing to release."""
