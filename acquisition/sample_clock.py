"""The sample clock: from sample number to LSL time, a straight line out of stamps that come in bursts."""

from collections import deque

import numpy as np

from messaging.words import ClockKind


class SampleClock:
    """Robust map between sample index and LSL time.

    Parameters
    ----------
    sampling_rate_hz : float
        Nominal rate.
    start_lsl_s : float
        Time of sample 0 as announced in the header; for a virtual clock the map is exactly ``start + index / rate``.
    kind : ClockKind
    keep_s : int
        Seconds of history in the fit.

    Notes
    -----
    A sample cannot arrive before it was taken, so the delay of host stamps is one-sided: per second of stream the earliest stamp,
    relative to ``index / rate``, is kept, and a line is fitted to those (Theil-Sen slope, median intercept). The line keeps the
    board's constant transmission delay, which the profile states (`driver.delay_ms`).
    """

    def __init__(self, sampling_rate_hz: float, start_lsl_s: float, kind: ClockKind, keep_s: int = 60, delay_ms: float = 0.0) -> None:
        self.rate_hz = sampling_rate_hz
        self.start_lsl_s = start_lsl_s
        self.kind = kind
        self._delay_s = delay_ms / 1e3
        self._earliest: deque[tuple[int, float]] = deque(maxlen=keep_s)
        self._second: tuple[int, int, float] | None = None
        self._offset_s = start_lsl_s
        self._slope = 0.0
        self._at = 0

    def observe(self, index: int, stamp_lsl_s: float) -> None:
        """Take the host stamp of one sample (the last one of a chunk)."""
        if self.kind is ClockKind.VIRTUAL:
            return
        residual = stamp_lsl_s - self._delay_s - index / self.rate_hz
        second = int(index / self.rate_hz)
        if self._second is None or second != self._second[0]:
            if self._second is not None:
                self._earliest.append(self._second[1:])
            self._second = (second, index, residual)
        elif residual < self._second[2]:
            self._second = (second, index, residual)
        self._fit()

    def _fit(self) -> None:
        points = [*self._earliest, self._second[1:]] if self._second else list(self._earliest)
        index = np.array([p[0] for p in points], dtype=np.float64)
        residual = np.array([p[1] for p in points])
        self._at = points[-1][0]
        if len(points) < 10:
            self._slope = 0.0
            self._offset_s = float(residual.min())
            return
        i, j = np.triu_indices(len(points), k=max(1, len(points) // 3))
        self._slope = float(np.median((residual[j] - residual[i]) / (index[j] - index[i])))
        self._offset_s = float(np.median(residual - self._slope * (index - self._at)))

    def time_at(self, index: int) -> float:
        """LSL time of a sample, seconds."""
        if self.kind is ClockKind.VIRTUAL:
            return self.start_lsl_s + index / self.rate_hz
        return self._offset_s + self._slope * (index - self._at) + index / self.rate_hz

    def index_at(self, time_lsl_s: float) -> int:
        """Number of the sample nearest to an LSL time."""
        if self.kind is ClockKind.VIRTUAL:
            return round((time_lsl_s - self.start_lsl_s) * self.rate_hz)
        per_sample = 1 / self.rate_hz + self._slope
        return round(self._at + (time_lsl_s - self.time_at(self._at)) / per_sample)

    def measured_rate_hz(self) -> float | None:
        """Rate against the host clock; None in the first ten seconds and on a virtual clock."""
        if self.kind is ClockKind.VIRTUAL or len(self._earliest) < 10:
            return None
        return 1 / (1 / self.rate_hz + self._slope)
