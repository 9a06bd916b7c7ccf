"""The sample clock: from sample number to LSL time, a straight line out of stamps that come in bursts."""

import copy
import math
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Self

import numpy as np

from acquisition.clock_fit import Line, lower_line, middle_line
from messaging.words import ClockKind

SETTLED_S = 10
"""Seconds of stream from which on the line is trusted: drift is given, and the line moves slowly."""
LARGEST_STEP_S = 0.5e-3
"""A settled line moves by no more than this per second of stream, so that the times of consecutive chunks stay even ..."""
MENDING_S = 20e-3
"""... unless it is off by more than this: then it was wrong, and is put right at once."""
WATCH_GAP_S = 2.0
"""So much stream after a gap tells whether the numbering went on exactly or began anew beside the old line."""
JITTER_OVER_S = 10
ABSURD_S = 1e11
"""A stamp beyond this, three thousand years, or one that is no number, is no time."""
LARGEST_SECOND = 512
"""Stamps of one second that count for its median."""


class StampKind(StrEnum):
    """What a host stamp is."""

    ARRIVAL = "arrival"
    """When the chunk arrived: never before its last sample was taken, later by a burst's delay."""
    SENDER = "sender"
    """The sender's own clock, corrected to ours (LSL): errs to both sides, by little."""
    EXACT = "exact"
    """The sample's true time: a replay, which may stand still between two samples."""


@dataclass(slots=True)
class _Second:
    """Stamps of one second of stream; residual = stamp - index / rate."""

    number: int
    x_s: float = 0.0
    """Nominal time of the earliest stamp, relative to the line ..."""
    point_s: float = math.inf
    """... and its residual; for stamps that err to both sides, middle and median."""
    n: int = 0
    sum_x_s: float = 0.0
    excess_s: float = 0.0
    squares: float = 0.0
    all_s: list[float] = field(default_factory=list)


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
    delay_ms : float
        Constant transmission delay of the board (`driver.delay_ms`); stamps cannot show it.
    stamps : StampKind

    Notes
    -----
    Of each second of stream one point is kept, the earliest stamp (`StampKind.ARRIVAL`) or the median (`StampKind.SENDER`), and once a second
    a line is fitted to the last `keep_s` points (`acquisition.clock_fit`). Memory and cost do not grow with the recording.

    Times that were given are never changed, so what the line learns shows as a step between two chunks: in the first `SETTLED_S`
    seconds by up to the delay of the bursts, mostly back; from then on by at most `LARGEST_STEP_S` per second of stream, except
    where a gap began a new numbering or the line was off by more than `MENDING_S`.
    """

    def __init__(
        self,
        sampling_rate_hz: float,
        start_lsl_s: float,
        kind: ClockKind,
        keep_s: int = 60,
        delay_ms: float = 0.0,
        stamps: StampKind = StampKind.ARRIVAL,
    ) -> None:
        self.rate_hz = sampling_rate_hz
        self.start_lsl_s = start_lsl_s
        self.kind = kind
        self.stamps = stamps
        self._delay_s = delay_ms / 1e3
        self._base = 0
        self._seconds: deque[_Second] = deque(maxlen=keep_s)
        self._now: _Second | None = None
        self._line = Line(0.0, start_lsl_s, 0.0)
        self._gap_at_s: float | None = None
        """Nominal time of the first stamp after a gap while it is being watched; NaN until that stamp comes."""
        self._gap_excess_s = math.inf
        self._gap_all_s: list[float] = []
        self._doubt_s = math.inf
        """How far from the line the earliest stamp of two seconds may lie while the numbering has gone on exactly; 0 once it is known that it has not."""

    def shifted(self, base: int) -> Self:
        """Return a copy whose sample 0 is this clock's sample `base`: a recording begins on a stream that has long been running."""
        other = copy.deepcopy(self)
        other.count_from(base)
        return other

    def count_from(self, base: int) -> None:
        """Call sample `base` 0 from now on."""
        self._base += base

    # ------------------------------------------------------------ stamps

    def observe(self, index: int, stamp_lsl_s: float) -> None:
        """Take the host stamp of one sample (the last one of a chunk)."""
        if self.kind is ClockKind.VIRTUAL or not abs(stamp_lsl_s) < ABSURD_S:
            return
        x_s = (index + self._base) / self.rate_hz
        residual = stamp_lsl_s - self._delay_s - x_s
        if self._now is None or self.stamps is StampKind.EXACT:
            self._line = Line(x_s, residual, 0.0)
        if self._now is None or int(x_s) != self._now.number:
            self._turn(_Second(int(x_s)), x_s)
        self._add(x_s, residual)

    def gap(self) -> None:
        """Take note that the next sample's number does not follow the last one's.

        A board that counts its packets goes on exactly. One that was opened again is numbered by the time it was away, which may be wrong by
        the time it took to open: the line then moves beside the old one, with the same slope, as soon as the stamps leave no doubt.
        """
        if self._now is not None and self.stamps is not StampKind.EXACT:
            self._gap_at_s, self._gap_excess_s = math.nan, math.inf

    def _add(self, x_s: float, residual: float) -> None:
        second = self._now
        assert second is not None
        excess = residual - self._line.value(x_s)
        if self._gap_at_s is not None:
            excess = self._watch_gap(x_s, excess)
        second.n += 1
        second.sum_x_s += x_s
        second.excess_s += excess
        second.squares += excess * excess
        if self.stamps is StampKind.SENDER:
            if len(second.all_s) < LARGEST_SECOND:
                second.all_s.append(residual)
            if not self._seconds:
                self._line = Line(x_s, float(np.median(second.all_s)), 0.0)
        elif self.stamps is StampKind.ARRIVAL and excess < second.point_s - self._line.value(second.x_s):
            second.x_s, second.point_s = x_s, residual
            if excess < 0 and len(self._seconds) < SETTLED_S:
                self._line = self._fitted()  # the first seconds: every stamp earlier than all before tells much

    def _turn(self, new: _Second, x_s: float) -> None:
        """Close the second, draw the line anew."""
        last, self._now = self._now, new
        if last is None or self.stamps is StampKind.EXACT:
            if last is not None:
                self._seconds.append(last)
            return
        if self.stamps is StampKind.SENDER:
            last.x_s, last.point_s, last.all_s = last.sum_x_s / last.n, float(np.median(last.all_s)), []
        self._seconds.append(last)
        settled = len(self._seconds) > SETTLED_S
        line = self._fitted()
        step = line.value(x_s) - self._line.value(x_s)
        if settled and LARGEST_STEP_S < abs(step) < MENDING_S:
            line = replace(line, offset_s=line.offset_s - step + math.copysign(LARGEST_STEP_S, step))
        self._line = line

    def _fitted(self) -> Line:
        points = [*self._seconds, self._now] if self._now is not None and self._now.n and self.stamps is StampKind.ARRIVAL else [*self._seconds]
        x = np.array([p.x_s for p in points])
        point = np.array([p.point_s for p in points])
        if self.stamps is StampKind.SENDER:
            return middle_line(x, point)
        line = Line(float(x[-1]), float(point.min()), 0.0) if len(points) < 3 else self._line
        for _ in range(1 if len(points) > SETTLED_S else 2):
            excess = point - line.offset_s - line.slope * (x - line.at_s)
            line = lower_line(x, point, float(np.median(excess)) / math.log(2))
        return line

    def _watch_gap(self, x_s: float, excess: float) -> float:
        """Look for a new numbering beside the old line; returns the stamp's excess over the line that holds afterwards."""
        assert self._gap_at_s is not None
        if math.isnan(self._gap_at_s):
            self._gap_at_s = x_s
            usual = [abs(s.point_s - self._line.value(s.x_s)) for s in self._seconds]
            self._doubt_s = 1e-3 + 2 * float(np.quantile(usual, 0.9)) if usual else math.inf
            self._gap_all_s = []
        over = x_s - self._gap_at_s > WATCH_GAP_S
        if self.stamps is StampKind.SENDER:
            if len(self._gap_all_s) < LARGEST_SECOND:
                self._gap_all_s.append(excess)
            middle = float(np.median(self._gap_all_s)) if over else 0.0
            shift = middle if abs(middle) > self._doubt_s else 0.0
        else:
            self._gap_excess_s = min(self._gap_excess_s, excess)
            early, late = excess < -self._doubt_s, over and self._gap_excess_s > self._doubt_s
            shift = excess if early else self._gap_excess_s if late else 0.0
        if shift:
            self._move_beside(shift)
        self._gap_at_s = None if over else self._gap_at_s
        return excess - shift

    def _move_beside(self, shift: float) -> None:
        """Put the line, and the points before the gap, beside where they were: the numbering began anew."""
        assert self._gap_at_s is not None
        for second in self._seconds:
            second.point_s += shift if second.x_s < self._gap_at_s else 0.0
        self._line = replace(self._line, offset_s=self._line.offset_s + shift)
        self._gap_excess_s = self._doubt_s = 0.0

    # ------------------------------------------------------------ the map

    def time_at(self, index: float) -> float:
        """LSL time of a sample, seconds; also between two samples."""
        if self.kind is ClockKind.VIRTUAL:
            return self.start_lsl_s + index / self.rate_hz
        x_s = (index + self._base) / self.rate_hz
        return x_s + self._line.value(x_s)

    def index_at(self, time_lsl_s: float) -> int:
        """Number of the sample nearest to an LSL time."""
        if self.kind is ClockKind.VIRTUAL:
            return round((time_lsl_s - self.start_lsl_s) * self.rate_hz)
        line = self._line
        x_s = line.at_s + (time_lsl_s - line.at_s - line.offset_s) / (1 + line.slope)
        return round(x_s * self.rate_hz) - self._base

    # ------------------------------------------------------------ figures

    def measured_rate_hz(self) -> float | None:
        """Rate against the host clock; None in the first ten seconds and on a virtual clock."""
        if self.kind is ClockKind.VIRTUAL or self.stamps is StampKind.EXACT or len(self._seconds) < SETTLED_S:
            return None
        return self.rate_hz / (1 + self._line.slope)

    def drift_ppm(self) -> float | None:
        """Board clock against the host's, parts per million; positive: the board's is the faster one. None where the rate is not known."""
        measured = self.measured_rate_hz()
        return None if measured is None else (measured / self.rate_hz - 1) * 1e6

    def jitter_ms(self) -> float | None:
        """Standard deviation of the stamps around the line over the last ten seconds; None on a virtual clock and before the first stamps."""
        recent = [*islice(reversed(self._seconds), JITTER_OVER_S), *([self._now] if self._now else [])]
        return self._spread_s() * 1e3 if sum(s.n for s in recent) > 1 else None

    def _spread_s(self) -> float:
        recent = [*islice(reversed(self._seconds), JITTER_OVER_S), *([self._now] if self._now else [])]
        n = sum(s.n for s in recent)
        mean = sum(s.excess_s for s in recent) / max(1, n)
        return math.sqrt(max(0.0, sum(s.squares for s in recent) / max(1, n) - mean * mean))
