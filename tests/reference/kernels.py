"""Slow, obvious twins of the compiled kernels and of the streaming filter."""

import math
from itertools import pairwise

import numpy as np
from scipy import signal

INTERPOLATED, LOST, SETTLING = 1, 2, 4


def sos_cascade(rows, sections, state):
    """One channel, one section, one sample at a time."""
    out, delays = rows.astype(float).copy(), state.copy()
    for c in range(rows.shape[1]):
        for s, (b0, b1, b2, _, a1, a2) in enumerate(sections):
            z0, z1 = delays[s, 0, c], delays[s, 1, c]
            for n in range(len(rows)):
                x = out[n, c]
                y = b0 * x + z0
                z0, z1 = b1 * x - a1 * y + z1, b2 * x - a2 * y
                out[n, c] = y
            delays[s, 0, c], delays[s, 1, c] = z0, z1
    return out, delays


def window_means(window, edges, base_start, base_stop):
    """Means by numpy, interval slowest."""
    means = np.array([window[first:last].mean(axis=0) for first, last in pairwise(edges)])
    if base_stop > base_start:
        means = means - window[base_start:base_stop].mean(axis=0)
    return means.reshape(-1)


def linear_score(features, weights, bias):
    """Exact sum, rounded once."""
    return math.fsum([*(f * w for f, w in zip(features, weights, strict=True)), bias])


def line_spread(slopes, offsets, score):
    """Standard deviation by numpy."""
    return float(np.std(slopes * score + offsets, ddof=1))


def missing_counts(missing, history):
    """Missing samples up to each sample, and among the last `history`, by counting every time."""
    total = [int(missing[: i + 1].sum()) for i in range(len(missing))]
    recent = [int(missing[max(0, i + 1 - history) : i + 1].sum()) for i in range(len(missing))]
    return total, recent


def filtered_with_gaps(rows, missing, sections, max_gap, settle):
    """Filter a whole stream with gaps by scipy.

    Parameters
    ----------
    rows : (n_samples, n_channels)
        All samples; rows where `missing` are ignored.
    missing : (n_samples,) bool

    Returns
    -------
    filtered (n, n_channels), marks (n,), up to the last good sample or the last lost one.
    """
    rows, marks = rows.astype(float).copy(), np.zeros(len(rows), dtype=np.uint8)
    good = np.flatnonzero(~missing)
    for before, after in pairwise(good):
        n = after - before - 1
        if 0 < n <= max_gap:
            for k in range(1, n + 1):
                rows[before + k] = rows[before] + (rows[after] - rows[before]) * (k / (n + 1))
            marks[before + 1 : after] = INTERPOLATED
        elif n:
            marks[before + 1 : after] = LOST
    first, last = (good[0], good[-1]) if len(good) else (len(rows), -1)
    marks[:first] = LOST
    n_tail = len(rows) - last - 1
    end = len(rows) if n_tail > max_gap or not len(good) else last + 1
    marks[last + 1 :] = LOST
    out, start = np.zeros_like(rows), None
    for i in range(end + 1):
        running = i < end and marks[i] != LOST
        if running and start is None:
            start = i
        if not running and start is not None:
            rest = signal.sosfilt_zi(sections)[:, :, None] * rows[start]
            out[start:i], _ = signal.sosfilt(sections, rows[start:i], axis=0, zi=rest)
            marks[start : min(i, start + settle)] |= SETTLING
            start = None
    return out[:end], marks[:end]
