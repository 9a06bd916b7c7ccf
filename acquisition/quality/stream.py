"""The stream as a whole: loss, jitter of arrival, drift against the host, age, blinks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardChunk
from acquisition.quality.blinks import BlinkCounter
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import QualityLimits
from messaging.lab import StreamQuality

RECENT_S = 10
"""Loss and jitter are of the last ten seconds."""
DRIFT_OVER_S = 120
DRIFT_FROM_S = 30
"""With stamps that jitter by some 10 ms a slope over less than half a minute says nothing about 500 ppm."""
KEEP_CHUNKS = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through arrivals, and how sure its slope is."""

    drift_ppm: float
    """Positive: the board is slow, its seconds last longer than the host's."""
    drift_sd_ppm: float


class StreamWatch:
    """Watches the arrival of chunks; sans-IO, the host's time comes in as an argument.

    Parameters
    ----------
    profile : HardwareProfile
    real_time : bool
        False on a virtual clock (a replay faster than 1x): jitter, drift and age do not apply.
    """

    def __init__(self, profile: HardwareProfile, real_time: bool = True) -> None:
        self._rate_hz = profile.sampling_rate_hz
        self._limits = profile.quality
        self._real_time = real_time
        self._blinks = BlinkCounter(profile)
        self._received = np.zeros(RECENT_S, dtype=np.int64)
        self._lost = np.zeros(RECENT_S, dtype=np.int64)
        self._second = -1
        self._next: int | None = None
        self._index = np.zeros(KEEP_CHUNKS)
        self._delay_s = np.zeros(KEEP_CHUNKS)
        self._n = 0
        self._first_stamp_s = 0.0
        self._earliest: NDArray[np.float64] = np.full((DRIFT_OVER_S, 2), np.nan)
        self._newest_s: float | None = None

    def add(self, chunk: BoardChunk) -> None:
        """Take a chunk as the board gave it."""
        if self._next is not None and chunk.first_index < self._next - self._rate_hz:
            self._restart()
        end = chunk.first_index + len(chunk.samples)
        lost = 0 if self._next is None else max(0, chunk.first_index - self._next)
        self._count(end, len(chunk.samples), lost)
        self._next = end
        self._newest_s = chunk.host_stamp_lsl_s
        self._arrival(end - 1, chunk.host_stamp_lsl_s)
        self._blinks.add(chunk.samples)

    def _restart(self) -> None:
        """The numbers started again: another stream."""
        self._n, self._second = 0, -1
        self._earliest.fill(np.nan)
        self._received.fill(0)
        self._lost.fill(0)
        self._next = None

    def _count(self, end: int, received: int, lost: int) -> None:
        second = int((end - 1) / self._rate_hz)
        for passed in range(max(self._second + 1, second - DRIFT_OVER_S + 1), second + 1):
            self._received[passed % RECENT_S] = self._lost[passed % RECENT_S] = 0
            self._earliest[passed % DRIFT_OVER_S] = np.nan
        self._second = max(self._second, second)
        self._received[second % RECENT_S] += received
        self._lost[second % RECENT_S] += lost

    def _arrival(self, index: int, stamp_s: float) -> None:
        if self._n == 0:
            self._first_stamp_s = stamp_s - index / self._rate_hz
        delay = stamp_s - self._first_stamp_s - index / self._rate_hz
        at = self._n % KEEP_CHUNKS
        self._index[at], self._delay_s[at] = index, delay
        self._n += 1
        earliest = self._earliest[self._second % DRIFT_OVER_S]
        if not earliest[1] <= delay:
            earliest[:] = index, delay

    def jitter_ms(self) -> float | None:
        """Standard deviation of the arrivals of the last ten seconds around a straight line; None before there are ten chunks."""
        n = min(self._n, KEEP_CHUNKS)
        index, delay = self._index[:n], self._delay_s[:n]
        recent = index > (self._next or 0) - RECENT_S * self._rate_hz
        if recent.sum() < RECENT_S:
            return None
        x, y = index[recent] - index[recent].mean(), delay[recent] - delay[recent].mean()
        slope = float(x @ y) / max(float(x @ x), 1e-12)
        return float(np.std(y - slope * x)) * 1e3

    def drift(self, least_s: float = DRIFT_FROM_S) -> Line | None:
        """Board clock against the host's, from the earliest arrival of each second; None before `least_s` seconds.

        Notes
        -----
        No sample arrives before it was taken, so the earliest arrival of a second holds least of the transmission's jitter. The slope is
        least squares; its standard deviation comes from the residuals.
        """
        there = ~np.isnan(self._earliest[:, 1])
        x, y = self._earliest[there, 0] / self._rate_hz, self._earliest[there, 1]
        if there.sum() < max(3, least_s):
            return None
        x, y = x - x.mean(), y - y.mean()
        square = float(x @ x)
        slope = float(x @ y) / square
        rest = y - slope * x
        return Line(slope * 1e6, float(np.sqrt(rest @ rest / max(1, len(x) - 2) / square)) * 1e6)

    def loss_fraction(self) -> float:
        """Lost samples over all samples of the last ten seconds."""
        lost, received = int(self._lost.sum()), int(self._received.sum())
        return lost / (lost + received) if lost else 0.0

    def verdict(self, now_lsl_s: float) -> StreamQuality:
        """Figures of the stream, and what is wrong with them.

        Parameters
        ----------
        now_lsl_s : float
            The board's clock now; only the age needs it.
        """
        line = self.drift() if self._real_time else None
        found = StreamQuality(
            loss_fraction=self.loss_fraction(),
            jitter_ms=self.jitter_ms() if self._real_time else None,
            drift_ppm=line.drift_ppm if line else None,
            sample_age_ms=max(0.0, now_lsl_s - self._newest_s) * 1e3 if self._real_time and self._newest_s is not None else None,
            blinks_per_min=self._blinks.per_minute(),
        )
        return found.model_copy(update={"reasons": stream_reasons(found, line.drift_sd_ppm if line else 0.0, self._limits)})


def stream_reasons(found: StreamQuality, drift_sd_ppm: float, limits: QualityLimits) -> tuple[str, ...]:
    """Why a stream is bad, a few words each, with value and limit; a drift counts only where it is surely over the limit."""
    said = []
    if found.loss_fraction > limits.loss_fraction:
        said.append(f"loss {found.loss_fraction:.1%} of the samples (limit {limits.loss_fraction:.1%})")
    if found.jitter_ms is not None and found.jitter_ms > limits.jitter_ms:
        said.append(f"jitter of arrival {found.jitter_ms:.0f} ms (limit {limits.jitter_ms:g} ms)")
    if found.drift_ppm is not None and abs(found.drift_ppm) - 2 * drift_sd_ppm > limits.drift_ppm:
        said.append(f"drift {found.drift_ppm:+.0f} ppm against this machine's clock (limit {limits.drift_ppm:g} ppm)")
    if found.sample_age_ms is not None and found.sample_age_ms > limits.age_ms:
        said.append(f"newest sample {found.sample_age_ms:.0f} ms old (limit {limits.age_ms:g} ms)")
    return tuple(said)
