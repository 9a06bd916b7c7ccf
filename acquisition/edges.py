"""Edges of a photodiode or trigger channel: samples in, edges out, whatever the chunks."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.profile import OnsetEdges

BLOCK_S = 0.1
"""Samples are looked at in blocks of this length, counted from sample 0: what comes out cannot depend on the chunks."""
SHORTEST_BLOCK = 16
LEVELS_OVER = 100
"""Blocks, ten seconds, from which the channel's two levels are found."""
CONTRAST = 24.0
"""The two levels are apart by more than this many times the quietest blocks' noise; white noise spans half of it."""
HYSTERESIS = 0.1
"""Share of the contrast by which a sample must lie beyond the threshold to count, on either side, where the threshold is found."""
LONGEST_GAP_S = 0.04
"""An edge inside a longer loss of samples is not an edge one can place."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One crossing of the threshold."""

    position: float
    """Sample number, with the fraction where the channel crosses the threshold on a straight line between two samples."""
    rising: bool
    sd_ms: float
    """Standard deviation that sampling leaves: the distance of the two samples over the square root of 12."""


class EdgeDetector:
    """Find the edges of one channel while it streams.

    Parameters
    ----------
    sampling_rate_hz : float
    edges : OnsetEdges
        Polarity, threshold and debouncing of the profile.
    kind : {"photodiode", "trigger"}
        A photodiode sees a screen that flickers: it is lit as long as samples above the threshold follow each other within the debounce
        time, so its rise is the first of them and its fall comes after the last. A trigger line's edges count as they are; after one,
        the debounce time passes before the next.

    Notes
    -----
    Without a fixed threshold the two levels are the third largest and third smallest block extremes of ten seconds, which no single
    disturbance makes (the largest and smallest while the third ones show no contrast, so that the very first flash is found), and the
    threshold lies half-way. Each block is judged when the next one is complete, so the levels of a flash are known when its rise is
    placed: edges come 0.1 to 0.2 s after their samples.
    """

    def __init__(self, sampling_rate_hz: float, edges: OnsetEdges, kind: Literal["photodiode", "trigger"]) -> None:
        self._rate_hz, self._edges, self._kind = sampling_rate_hz, edges, kind
        self._block = max(SHORTEST_BLOCK, round(sampling_rate_hz * BLOCK_S))
        self._three = np.full(3 * self._block, np.nan)
        """The block before the one that is judged, that one, and the next."""
        self._filling = np.full(self._block, np.nan)
        self._start: int | None = None
        """First sample of the block that is being filled."""
        self._levels: deque[tuple[float, float, float, float]] = deque(maxlen=LEVELS_OVER)
        self._high: bool | None = None
        self._last_high = 0
        self._fall: tuple[float, float] | None = None
        """Where the channel fell after its last high sample: an edge, should it stay low."""
        self._last_edge = -math.inf
        self._judged = 0

    @property
    def settled_index(self) -> int:
        """Every edge before this sample has been given."""
        falls_count = self._edges.polarity != "rising" and self._kind == "photodiode"
        return min(self._judged, self._last_high) if falls_count and self._high else self._judged

    def receive(self, first_index: int, values: NDArray[np.floating]) -> list[Edge]:
        """Take samples and return the edges that they settle, in order.

        Parameters
        ----------
        first_index : int
            Number of the first sample, not before the end of the last ones; where it jumps, samples are missing.
        values : (n_samples,)
            The channel, in its unit.
        """
        found: list[Edge] = []
        at, done = first_index, 0
        if self._start is None:
            self._start = at - at % self._block
        while done < len(values):
            self._go_to(at - at % self._block, found)
            inside = at - self._start
            n = min(self._block - inside, len(values) - done)
            self._filling[inside : inside + n] = values[done : done + n]
            at, done = at + n, done + n
            if inside + n == self._block:
                self._go_to(self._start + self._block, found)
        return found

    def flush(self) -> list[Edge]:
        """Return what is left when no more samples will come."""
        found: list[Edge] = []
        if self._start is not None:
            self._go_to(self._start + 2 * self._block, found)
        return found

    def _go_to(self, start: int, found: list[Edge]) -> None:
        """Complete blocks until the one that begins at `start` is being filled; of a long loss, four stand for all."""
        assert self._start is not None
        blocks = (start - self._start) // self._block
        for _ in range(min(blocks, 4)):
            self._complete(self._start, found)
            self._start += self._block
        if blocks > 4:
            self._start, self._judged = start, start - self._block

    def _complete(self, start: int, found: list[Edge]) -> None:
        """Judge the block before the one that begins at `start` and is complete now."""
        size = self._block
        self._filling[~np.isfinite(self._filling)] = np.nan
        self._three[: 2 * size] = self._three[size:]
        self._three[2 * size :] = self._filling
        self._learn(self._filling)
        self._filling[:] = np.nan
        self._judged = start
        levels = self._threshold()
        if levels is None:
            return
        threshold, margin = levels
        block = self._three[size : 2 * size]
        marks = np.zeros(size, dtype=np.int8)
        with np.errstate(invalid="ignore"):
            marks[block >= threshold + margin] = 1
            marks[block < threshold - margin] = -1
        marked = np.flatnonzero(marks)
        for run in np.split(marked, np.flatnonzero(np.diff(marks[marked])) + 1) if len(marked) else ():
            self._take_run(bool(marks[run[0]] > 0), int(run[0]) + size, int(run[-1]) + size, start - 2 * size, threshold, found)

    def _learn(self, block: NDArray[np.float64]) -> None:
        finite = block[np.isfinite(block)]
        if len(finite) >= 4:
            noise = float(np.median(np.abs(np.diff(finite))))
            self._levels.append((float(finite.min()), float(finite.max()), float(np.median(finite)), noise))

    def _threshold(self) -> tuple[float, float] | None:
        """Threshold and margin; None while the channel shows one level only."""
        if self._edges.threshold is not None:
            return self._edges.threshold, 0.0
        if not self._levels:
            return None
        least, most, middle, noise = np.array(self._levels).T
        rest, need = float(np.median(middle)), CONTRAST * float(np.partition(noise, min(1, len(noise) - 1))[min(1, len(noise) - 1)])
        above, below = np.sort(most)[::-1] - rest, rest - np.sort(least)
        k = 2 if len(most) > 2 and above[2] + below[2] > need else 0
        high, low = rest + float(above[k]), rest - float(below[k])
        contrast = high - low
        return None if contrast <= need else ((high + low) / 2, HYSTERESIS * contrast)

    def _take_run(self, high: bool, first: int, last: int, offset: int, threshold: float, found: list[Edge]) -> None:
        """Follow consecutive samples on one side; `first` and `last` are places in the three blocks, whose sample 0 is `offset`."""
        debounce = self._edges.debounce_ms / 1e3 * self._rate_hz
        was = self._high
        if self._kind == "trigger":
            self._high = high
            if was is not None and was is not high:
                self._emit(self._crossing(first, threshold, offset), high, debounce, found)
        elif high:
            self._high, self._last_high = True, offset + last
            self._fall = self._crossing_after(last, threshold, offset)
            if was is False:
                self._emit(self._crossing(first, threshold, offset), True, 0.0, found)
        elif was is not False and (was is None or offset + last - self._last_high > debounce):
            self._high = False
            if was:
                self._emit(self._fall, False, 0.0, found)

    def _emit(self, edge: tuple[float, float] | None, rising: bool, apart: float, found: list[Edge]) -> None:
        wanted = self._edges.polarity == "both" or (self._edges.polarity == "rising") is rising
        if edge is None or not wanted or edge[0] - self._last_edge <= apart:
            return
        self._last_edge = edge[0]
        found.append(Edge(position=edge[0], rising=rising, sd_ms=edge[1] / math.sqrt(12) / self._rate_hz * 1e3))

    def _crossing(self, first: int, threshold: float, offset: int) -> tuple[float, float] | None:
        """Where the channel came to the side of sample `first`, and the samples that this lies between."""
        x = self._three
        high = x[first] >= threshold
        b = first
        for a in range(first - 1, -1, -1):
            if math.isnan(x[a]):
                continue
            if (x[a] >= threshold) != high:
                return self._between(a, b, threshold, offset)
            b = a
        return None

    def _crossing_after(self, last: int, threshold: float, offset: int) -> tuple[float, float] | None:
        """Where the channel leaves the side of sample `last`."""
        x = self._three
        a = last
        for b in range(last + 1, len(x)):
            if math.isnan(x[b]):
                continue
            if x[b] < threshold:
                return self._between(a, b, threshold, offset)
            a = b
        return None

    def _between(self, a: int, b: int, threshold: float, offset: int) -> tuple[float, float] | None:
        if b - a > max(1.0, LONGEST_GAP_S * self._rate_hz):
            return None
        share = (threshold - self._three[a]) / (self._three[b] - self._three[a])
        return offset + a + float(share) * (b - a), float(b - a)
