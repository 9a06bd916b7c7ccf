"""Compiled inner loops of streaming and one-window decoding; live and offline use the same ones.

Every kernel works on C-contiguous float64 rows (n_samples, n_channels) with the channel loop innermost. None of them adds up
samples of different chunks in another order, so results are bit-identical for any chunking; none calls BLAS, whose sums depend on
the batch. `fastmath` stays off: re-association would break both promises. Slow twins stand in ``tests/reference/kernels.py``.
"""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

INTERPOLATED = 1
"""Mark of a sample that was missing and lies on a straight line between its neighbours."""
LOST = 2
"""Mark of a sample that was missing and could not be interpolated."""
SETTLING = 4
"""Mark of a sample within `settle_s` after a (re)start of the filter."""
MISSING = INTERPOLATED | LOST


def _compiled(function: _Kernel) -> _Kernel:
    """Compile without fastmath; the machine code is cached beside this file."""
    return cast("_Kernel", numba.njit(cache=True, fastmath=False)(function))


@_compiled
def sos_cascade(rows: Floats, sections: Floats, state: Floats) -> None:
    """Filter rows in place by second-order sections, transposed direct form II.

    Parameters
    ----------
    rows : (n_samples, n_channels) float64
        Samples; overwritten by the filtered ones.
    sections : (n_sections, 6) float64
        b0, b1, b2, a0 = 1, a1, a2 of each section, as `scipy.signal.butter(output="sos")` gives them.
    state : (n_sections, 2, n_channels) float64
        Delays; left as they are after the last row, so that the next chunk continues.

    Notes
    -----
    y = b0 x + z0; z0 <- b1 x - a1 y + z1; z1 <- b2 x - a2 y.
    """
    n_samples, n_channels = rows.shape
    for n in range(n_samples):
        for s in range(sections.shape[0]):
            b0, b1, b2 = sections[s, 0], sections[s, 1], sections[s, 2]
            a1, a2 = sections[s, 4], sections[s, 5]
            for c in range(n_channels):
                x = rows[n, c]
                y = b0 * x + state[s, 0, c]
                state[s, 0, c] = b1 * x - a1 * y + state[s, 1, c]
                state[s, 1, c] = b2 * x - a2 * y
                rows[n, c] = y


@_compiled
def finite_rows(rows: Floats, finite: NDArray[np.bool_]) -> int:
    """Say for every row whether all its channels are finite; return how many are.

    Parameters
    ----------
    rows : (n_samples, n_channels) float64
    finite : (n_samples,) bool
        Overwritten.
    """
    count = 0
    for n in range(rows.shape[0]):
        good = True
        for c in range(rows.shape[1]):
            good = good and bool(np.isfinite(rows[n, c]))
        finite[n] = good
        count += good
    return count


@_compiled
def subtract_row_mean(rows: Floats) -> None:
    """Re-reference rows (n_samples, n_channels) in place to the mean of their channels."""
    n_samples, n_channels = rows.shape
    for n in range(n_samples):
        total = 0.0
        for c in range(n_channels):
            total += rows[n, c]
        mean = total / n_channels
        for c in range(n_channels):
            rows[n, c] -= mean


@_compiled
def mark_rows(
    marks: NDArray[np.uint8],
    missing_total: NDArray[np.int64],
    missing_recent: NDArray[np.int64],
    index: int,
    n_rows: int,
    mark: int,
    settle_until: int,
    history: int,
) -> None:
    """Mark rows of a ring and keep count of the missing ones.

    Parameters
    ----------
    marks, missing_total, missing_recent : (capacity,) uint8, int64, int64
        Rings, sample i in slot i mod capacity: mark, missing samples up to and with i, missing ones among the last `history`.
    index, n_rows : int
        Sample index of the first row to mark, and how many follow in all.
    mark : int
        0, INTERPOLATED or LOST.
    settle_until : int
        Rows before this sample index are marked SETTLING as well.
    history : int
        Less than the capacity.
    """
    capacity = marks.shape[0]
    missing = 1 if mark & 3 else 0
    for i in range(index, index + n_rows):
        slot, before, leaving = i % capacity, (i - 1) % capacity, (i - history) % capacity
        gone = 1 if marks[leaving] & 3 else 0
        missing_total[slot] = missing_total[before] + missing
        missing_recent[slot] = missing_recent[before] + missing - gone
        marks[slot] = mark | 4 if i < settle_until else mark


@_compiled
def count_marks(marks: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Count the rows of a window (n_samples,) that are interpolated, lost, and settling."""
    interpolated, lost, settling = 0, 0, 0
    for n in range(marks.shape[0]):
        interpolated += marks[n] & 1
        lost += (marks[n] >> 1) & 1
        settling += (marks[n] >> 2) & 1
    return interpolated, lost, settling


@_compiled
def window_means(window: Floats, edges: NDArray[np.int64], base_start: int, base_stop: int, means: Floats) -> None:
    """Means of consecutive intervals of one window, less the mean of its baseline.

    Parameters
    ----------
    window : (n_samples, n_channels) float64
    edges : (n_windows + 1,) int64
        Rows; interval k is from edge k (included) to edge k+1 (excluded), at least one row.
    base_start, base_stop : int
        Rows of the baseline; equal for none.
    means : (n_windows * n_channels,) float64
        Overwritten; interval slowest, channel fastest.
    """
    n_channels = window.shape[1]
    for k in range(edges.shape[0] - 1):
        for c in range(n_channels):
            means[k * n_channels + c] = 0.0
        for n in range(edges[k], edges[k + 1]):
            for c in range(n_channels):
                means[k * n_channels + c] += window[n, c]
        for c in range(n_channels):
            means[k * n_channels + c] /= edges[k + 1] - edges[k]
    if base_stop > base_start:
        baseline = np.zeros(n_channels)
        for n in range(base_start, base_stop):
            for c in range(n_channels):
                baseline[c] += window[n, c]
        for k in range(edges.shape[0] - 1):
            for c in range(n_channels):
                means[k * n_channels + c] -= baseline[c] / (base_stop - base_start)


@_compiled
def linear_score(features: Floats, weights: Floats, bias: float) -> float:
    """Score of one window: features (n_features,) times weights, added up in order, plus bias."""
    total = 0.0
    for i in range(features.shape[0]):
        total += features[i] * weights[i]
    return total + bias


@_compiled
def amplitude_range(window: Floats, lowest: Floats, highest: Floats) -> None:
    """Smallest and largest value of every channel.

    Parameters
    ----------
    window : (n_samples, n_channels) float64
        At least one row.
    lowest, highest : (n_channels,) float64
        Overwritten. A channel with a NaN gets NaN in both.
    """
    for c in range(window.shape[1]):
        lowest[c], highest[c] = window[0, c], window[0, c]
    for n in range(window.shape[0]):
        for c in range(window.shape[1]):
            value = window[n, c]
            # Once NaN, always NaN: comparisons with it are false.
            if value < lowest[c] or np.isnan(value):
                lowest[c] = value
            if value > highest[c] or np.isnan(value):
                highest[c] = value


@_compiled
def line_spread(slopes: Floats, offsets: Floats, score: float) -> float:
    """Return the standard deviation (n - 1 in the denominator) of slope * score + offset over lines (n_lines,), at least two."""
    n_lines = slopes.shape[0]
    total = 0.0
    for i in range(n_lines):
        total += slopes[i] * score + offsets[i]
    mean = total / n_lines
    squares = 0.0
    for i in range(n_lines):
        squares += (slopes[i] * score + offsets[i] - mean) ** 2
    return float(np.sqrt(squares / (n_lines - 1)))


def warm_up() -> None:
    """Compile every kernel, or load it from the cache; call it before a session starts (seconds once, then hundredths)."""
    rows, sections, state = np.ones((2, 2)), np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]), np.zeros((1, 2, 2))
    sos_cascade(rows, sections, state)
    finite_rows(rows, np.zeros(2, dtype=np.bool_))
    subtract_row_mean(rows)
    marks = np.zeros(4, dtype=np.uint8)
    mark_rows(marks, np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64), 0, 1, 0, 0, 2)
    count_marks(marks)
    means = np.zeros(2)
    window_means(rows, np.array([0, 2], dtype=np.int64), 0, 0, means)
    linear_score(means, means, 0.0)
    amplitude_range(rows, np.zeros(2), np.zeros(2))
    line_spread(means, means, 0.0)


def kernel_set() -> str:
    """Name what the kernels' results depend on: compiler, CPU target and numpy, in one line.

    Two runs with equal names give bit-identical rewards; elsewhere llr may differ by 1e-9.
    """
    if numba.config.DISABLE_JIT:
        return f"interpreted; numpy {np.__version__}"
    llvmlite = importlib.import_module("llvmlite.binding")  # by name: it has no types
    cpu = numba.config.CPU_NAME or llvmlite.get_host_cpu_name()
    llvm = ".".join(str(part) for part in llvmlite.llvm_version_info)
    return f"numba {numba.__version__}, llvm {llvm}, {cpu}; numpy {np.__version__}"
