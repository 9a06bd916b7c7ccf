"""From an onset to one row of features: integer sample edges, and the one-window means."""

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from decoders import kernels
from decoders.spec import MismatchError, WindowSpec

_ROUNDING_SLACK = 1e-6
"""Samples; keeps 300 ms at 250 Hz at row 75 although 0.3 * 250 may come out a hair above."""


@dataclass(frozen=True, slots=True)
class WindowLayout:
    """A `WindowSpec` in samples of one rate; all numbers are relative to the onset sample."""

    edges: NDArray[np.int64]
    """(n_windows + 1,): interval k is from edge k (included) to edge k+1 (excluded)."""
    baseline: tuple[int, int]
    """First sample and the one after the last; equal for none."""
    start: int
    """First sample needed."""
    stop: int
    """Sample after the last needed."""

    @property
    def n_windows(self) -> int:
        """Number of intervals."""
        return len(self.edges) - 1

    @property
    def n_samples(self) -> int:
        """Samples from the first to the last needed."""
        return self.stop - self.start


class Filtered(Protocol):
    """Filtered samples read by absolute sample index: a running stream or a whole recording."""

    def read(self, start: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return samples (n, n_channels) in microvolt and marks (n,) of `start` (included) to `stop` (excluded)."""
        ...


def window_layout(window: WindowSpec, sampling_rate_hz: float) -> WindowLayout:
    """Place a window's edges on samples.

    Sample n after the onset sample has time 1000 n / rate milliseconds; it belongs to an interval when
    ``edge k <= time < edge k+1``. So an edge falls on row ceil(edge * rate / 1000), and neighbours never share a sample.

    Raises
    ------
    MismatchError
        Fewer than two edges, edges that do not ascend, or an interval without a sample at this rate.
    """
    if len(window.edges_ms) < 2:
        raise MismatchError(f"A window with {len(window.edges_ms)} edges has no interval; give at least two edges.")
    edges = [_row(edge, sampling_rate_hz) for edge in window.edges_ms]
    baseline = (_row(window.baseline_ms[0], sampling_rate_hz), _row(window.baseline_ms[1], sampling_rate_hz)) if window.baseline_ms else (edges[0], edges[0])
    for (first_ms, last_ms), (first, last) in zip(_intervals_ms(window), [*itertools.pairwise(edges), baseline], strict=False):
        if last <= first:
            raise MismatchError(
                f"The interval {first_ms:g} to {last_ms:g} ms holds no sample at {sampling_rate_hz:g} Hz; "
                f"make it at least {1000 / sampling_rate_hz:g} ms long, edges ascending."
            )
    return WindowLayout(np.array(edges, dtype=np.int64), baseline, min(edges[0], baseline[0]), max(edges[-1], baseline[1]))


def _row(time_ms: float, sampling_rate_hz: float) -> int:
    return int(np.ceil(time_ms * sampling_rate_hz / 1000 - _ROUNDING_SLACK))


def _intervals_ms(window: WindowSpec) -> list[tuple[float, float]]:
    intervals = list(itertools.pairwise(window.edges_ms))
    return [*intervals, window.baseline_ms] if window.baseline_ms else intervals


def window_features(window: NDArray[np.float64], layout: WindowLayout) -> NDArray[np.float64]:
    """Features of one window.

    Parameters
    ----------
    window : (layout.n_samples, n_channels) float64
        Filtered samples from `layout.start` on, microvolt.
    layout : WindowLayout

    Returns
    -------
    (n_windows * n_channels,) float64
        Means in microvolt, window slowest, channel fastest, less the baseline's.
    """
    means = np.empty(layout.n_windows * window.shape[1])
    kernels.window_means(window, layout.edges - layout.start, layout.baseline[0] - layout.start, layout.baseline[1] - layout.start, means)
    return means


def features_at(filtered: Filtered, onset_samples: NDArray[np.int64], layout: WindowLayout) -> NDArray[np.float64]:
    """Features of many onsets, each by the one-window kernel that also runs live.

    Parameters
    ----------
    filtered : Filtered
        Holds every sample from ``onset + layout.start`` to ``onset + layout.stop``.
    onset_samples : (n_onsets,) int64
        Absolute sample indices.
    layout : WindowLayout

    Returns
    -------
    (n_onsets, n_windows * n_channels) float64
    """
    rows = [window_features(filtered.read(int(onset) + layout.start, int(onset) + layout.stop)[0], layout) for onset in onset_samples]
    return np.stack(rows) if rows else np.empty((0, 0))
