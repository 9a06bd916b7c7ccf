"""Lines through host stamps: one for stamps that can only be late, one for stamps that err to both sides."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRIFT_SCALE = 50e-6
"""Half of all crystals lie within this of their nominal rate (Cauchy prior of the drift): boards with real crystals in tens of ppm,
software clocks and mis-stated rates far out in the tail."""
STEEPEST = 0.03
"""Drift beyond 3 % is not a drift but a wrong rate in the profile."""
_GRID = np.concatenate([-np.geomspace(STEEPEST, 1e-6, 24), [0.0], np.geomspace(1e-6, STEEPEST, 24)])


@dataclass(frozen=True, slots=True)
class Line:
    """Residual over the nominal rate, seconds: ``offset_s + slope * (x - at_s)``."""

    at_s: float
    offset_s: float
    slope: float

    def value(self, x_s: float) -> float:
        """Residual at a nominal time, seconds."""
        return self.offset_s + self.slope * (x_s - self.at_s)


def lower_line(x_s: NDArray[np.float64], earliest_s: NDArray[np.float64], lateness_s: float) -> Line:
    """Line under stamps that are late by an exponential delay.

    Parameters
    ----------
    x_s : (n_seconds,)
        Nominal time (index / rate) of the earliest stamp of each second of stream, ascending.
    earliest_s : (n_seconds,)
        Its residual, stamp - index / rate.
    lateness_s : float
        Mean delay of these points over the line, mu.

    Returns
    -------
    Line
        Anchored at the newest point.

    Notes
    -----
    With delays of density exp(-d / m) / m the likelihood of offset a and drift b is exp(n (a + b xm) / m) wherever the line lies under
    every stamp and zero elsewhere; xm is the mean time. For a given b the offset's posterior is an exponential under
    a_max(b) = min(r - b x), with mean a_max - m / n. The drift has a Cauchy prior and is integrated on a grid that is narrowed twice
    to what is likely; the line given is the posterior mean. Stamps that came far too late (a stall) have no weight: they bound nothing.
    """
    newest = float(x_s[-1])
    x, n, mu = x_s - newest, len(x_s), max(lateness_s, 1e-7)
    centre = float(x.mean())
    grid = _GRID
    for points in (65, 65, 0):
        ceiling = np.min(earliest_s[None, :] - grid[:, None] * x[None, :], axis=1)
        score = n * (ceiling + grid * centre) / mu - np.log1p((grid / DRIFT_SCALE) ** 2)
        if points:
            grid = _narrowed(grid, score, points)
    weight = np.exp(score - score.max())
    weight /= weight.sum()
    return Line(at_s=newest, offset_s=float(weight @ ceiling) - mu / n, slope=float(weight @ grid))


def _narrowed(grid: NDArray[np.float64], score: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Even grid over what is not out of the question, one step wider to both sides."""
    likely = np.flatnonzero(score >= score.max() - 12.0)
    return np.linspace(grid[max(likely[0] - 1, 0)], grid[min(likely[-1] + 1, len(grid) - 1)], points)


def middle_line(x_s: NDArray[np.float64], middle_s: NDArray[np.float64]) -> Line:
    """Line through stamps that err to both sides.

    Parameters
    ----------
    x_s : (n_seconds,)
        Mean nominal time of each second's stamps, ascending.
    middle_s : (n_seconds,)
        Median residual of each second.

    Returns
    -------
    Line
        Anchored at the newest point.

    Notes
    -----
    Theil-Sen slope (the median over all pairs of seconds at least a third of the span apart; Sen 1968, doi:10.1080/01621459.1968.10480934),
    shrunk toward zero by the prior's width against its own standard error (from the points' median absolute deviation), and the median
    intercept: a quarter of the seconds may be wrong.
    """
    newest = float(x_s[-1])
    x = x_s - newest
    slope = 0.0
    if len(x) >= 3:
        i, j = np.triu_indices(len(x), k=max(1, len(x) // 3))
        slope = float(np.median((middle_s[j] - middle_s[i]) / (x[j] - x[i])))
        rest = middle_s - slope * x
        spread_s = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        error = spread_s * math.sqrt(12.0 / len(x)) / float(-x[0])
        prior = max(DRIFT_SCALE, abs(slope) if abs(slope) > 4 * error else 0.0)
        slope /= 1 + (error / prior) ** 2
    return Line(at_s=newest, offset_s=float(np.median(middle_s - slope * x)), slope=slope)
