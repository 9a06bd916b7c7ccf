"""Logistic regression on one score, weighted and batched: the line under calibration, its slope and its bootstrap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

_ITERATIONS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Lines:
    """Fitted lines logit p = slope * score + intercept, one per row of weights."""

    slope: NDArray[np.float64]
    """(n_lines,)."""
    intercept: NDArray[np.float64]
    """(n_lines,)."""
    slope_sd: NDArray[np.float64]
    """(n_lines,): standard error of the slope from the Fisher information."""


def fit_lines(scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> Lines:
    """Fit lines by Newton's method on Platt's smoothed targets.

    Parameters
    ----------
    scores : (n_trials,) float64
        Finite.
    positive : (n_trials,) bool
        Both classes present under every row of weights.
    weights : (n_lines, n_trials) float64, optional
        How often each trial counts, e.g. in a bootstrap; None for one line with each trial once.

    Returns
    -------
    Lines

    Notes
    -----
    Targets are (n1 + 1)/(n1 + 2) and 1/(n0 + 2) instead of 1 and 0, which keeps the slope finite when the classes are separable.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines. Lin, Lin and Weng (2007), doi:10.1007/s10994-007-5018-6.
    """
    counts = np.ones((1, len(scores))) if weights is None else weights
    n_positive = counts[:, positive].sum(axis=1, keepdims=True)
    n_negative = counts[:, ~positive].sum(axis=1, keepdims=True)
    targets = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    z = (scores - centre) / spread  # a common scale makes the tolerance and the step limit mean the same for every decoder
    slope = np.zeros(len(counts))
    offset = np.log((n_positive[:, 0] + 1) / (n_negative[:, 0] + 1))
    for _ in range(_ITERATIONS):
        p = expit(slope[:, np.newaxis] * z + offset[:, np.newaxis])
        step_slope, step_offset, _ = _newton(counts, targets - p, p * (1 - p), z)
        # Newton overshoots where p is near 0 or 1; two standard deviations of the score per step is far enough
        limit = np.minimum(1.0, 2.0 / np.maximum(np.abs(step_slope) + np.abs(step_offset), 1e-300))
        slope, offset = slope + limit * step_slope, offset + limit * step_offset
        if max(np.abs(step_slope).max(), np.abs(step_offset).max()) < _TOLERANCE:
            break
    p = expit(slope[:, np.newaxis] * z + offset[:, np.newaxis])
    variance = _newton(counts, targets - p, p * (1 - p), z)[2]
    return Lines(slope / spread, offset - slope * centre / spread, np.sqrt(variance) / spread)


def _newton(
    counts: NDArray[np.float64], residual: NDArray[np.float64], curvature: NDArray[np.float64], z: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    w = counts * curvature
    a, b, c = w @ (z * z) + 1e-9, w @ z, w.sum(axis=1) + 1e-9
    g_slope, g_offset = (counts * residual) @ z, (counts * residual).sum(axis=1)
    determinant = a * c - b * b
    return (c * g_slope - b * g_offset) / determinant, (a * g_offset - b * g_slope) / determinant, c / determinant
