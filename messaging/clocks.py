"""Clocks, real and virtual, and the offset between two of them."""

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from messaging.records import ClockFit
from messaging.words import ClockKind


class Clock(Protocol):
    """Time of a stream, in seconds of the LSL clock of the acquisition host."""

    kind: ClockKind

    def now_lsl_s(self) -> float:
        """Return the time."""
        ...

    async def sleep_until(self, time_lsl_s: float) -> None:
        """Wait until a time; returns at once when it has passed."""
        ...


class RealClock:
    """The host's LSL clock. Times rise with the wall."""

    kind = ClockKind.REAL

    def __init__(self) -> None:
        import pylsl  # loads liblsl: only where a stream has real time

        self._now = pylsl.local_clock

    def now_lsl_s(self) -> float:
        """Return the LSL clock, seconds."""
        return float(self._now())

    async def sleep_until(self, time_lsl_s: float) -> None:
        """Wait until a time."""
        await asyncio.sleep(max(0.0, time_lsl_s - self.now_lsl_s()))


class VirtualClock:
    """Stream time that runs `speed` times as fast as the wall, from `start_lsl_s`; with infinite speed it never waits.

    Parameters
    ----------
    start_lsl_s : float
        Time of sample 0.
    speed : float
        Stream seconds per second; ``math.inf`` for as fast as possible.
    """

    kind = ClockKind.VIRTUAL

    def __init__(self, start_lsl_s: float, speed: float) -> None:
        self.start_lsl_s = start_lsl_s
        self.speed = speed
        self._began = time.monotonic()
        self._latest = start_lsl_s

    def now_lsl_s(self) -> float:
        """Return the stream time; with infinite speed, the latest time waited for."""
        if math.isinf(self.speed):
            return self._latest
        return self.start_lsl_s + (time.monotonic() - self._began) * self.speed

    async def sleep_until(self, time_lsl_s: float) -> None:
        """Wait until a stream time; with infinite speed, let other tasks run once."""
        self._latest = max(self._latest, time_lsl_s)
        wait_s = 0.0 if math.isinf(self.speed) else (time_lsl_s - self.now_lsl_s()) / self.speed
        await asyncio.sleep(max(0.0, wait_s))

    def skip_to(self, time_lsl_s: float) -> None:
        """Set the present to a stream time: after a restart in the middle, or after waiting for the worker."""
        self._latest = time_lsl_s
        if not math.isinf(self.speed):
            self._began = time.monotonic() - (time_lsl_s - self.start_lsl_s) / self.speed


@dataclass(frozen=True, slots=True)
class _RoundTrip:
    here_s: float
    offset_s: float
    rtt_s: float


class ClockOffset:
    """Offset of a remote clock from ours: there = here + offset, from round trips, minimum-round-trip filtered.

    Parameters
    ----------
    keep : int
        Round trips kept; the fit uses the fastest quarter of them.
    drift_from_s : float
        Drift is fitted when the kept round trips span at least this.

    Notes
    -----
    With t0, t3 on our clock and t1, t2 on the other, offset = ((t1 - t0) + (t2 - t3)) / 2 and the error is at most half of the
    round trip (Mills 1991, RFC 5905 section 8). The standard deviation given is the spread of the fastest quarter, with a quarter of
    the shortest round trip (a uniform asymmetry within its bound has sd rtt / sqrt(12)) added in quadrature.
    """

    def __init__(self, keep: int = 64, drift_from_s: float = 10.0) -> None:
        self._trips: deque[_RoundTrip] = deque(maxlen=keep)
        self._drift_from_s = drift_from_s

    def add(self, t0: float, t1: float, t2: float, t3: float) -> None:
        """Add a round trip (seconds): sent here, came there, left there, came back here."""
        rtt_s = (t3 - t0) - (t2 - t1)
        if rtt_s < 0 or not all(map(math.isfinite, (t0, t1, t2, t3))):
            return  # a clock was set between: worthless
        self._trips.append(_RoundTrip(here_s=(t0 + t3) / 2, offset_s=((t1 - t0) + (t2 - t3)) / 2, rtt_s=rtt_s))

    def reset(self) -> None:
        """Forget everything: the other side is another process now."""
        self._trips.clear()

    def fit(self) -> ClockFit | None:
        """Return the fit for now, None before the first round trip."""
        if not self._trips:
            return None
        best = sorted(self._trips, key=lambda trip: trip.rtt_s)[: max(1, len(self._trips) // 4)]
        newest = self._trips[-1].here_s
        span = max(t.here_s for t in best) - min(t.here_s for t in best)
        mean_t = sum(t.here_s for t in best) / len(best)
        mean_o = sum(t.offset_s for t in best) / len(best)
        drift = 0.0
        if len(best) >= 4 and span >= self._drift_from_s:
            drift = sum((t.here_s - mean_t) * (t.offset_s - mean_o) for t in best) / sum((t.here_s - mean_t) ** 2 for t in best)
        offset = mean_o + drift * (newest - mean_t)
        spread = math.sqrt(sum((t.offset_s - mean_o - drift * (t.here_s - mean_t)) ** 2 for t in best) / len(best))
        sd_s = math.hypot(spread, best[0].rtt_s / math.sqrt(12))
        return ClockFit(offset_s=offset, drift_ppm=drift * 1e6, sd_ms=sd_s * 1e3, rtt_ms=best[0].rtt_s * 1e3)
