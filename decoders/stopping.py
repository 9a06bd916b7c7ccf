"""Dynamic stopping: whether a unit needs another presentation, given what the presentations so far said.

Answers shrink with repetition and repeats are correlated, so every further presentation tells less. The rule weighs what the next
ones can still change against what they cost, and spends presentations where the evidence is close to even.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from decoders.calibration import platt_line
from decoders.evidence.correlation import evidence_correlation
from decoders.spec import FitError

_GRID = np.linspace(-12.0, 12.0, 481)
"""Log odds at which the rule is worked out; 12 is a probability of 6e-6."""
_EDGES = np.concatenate([[-np.inf], (_GRID[1:] + _GRID[:-1]) / 2, [np.inf]])
_COSTS = (1e-6, 0.5)
_BISECTIONS = 30
_MAX_RHO = 0.99
MIN_UNITS = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a unit now."""

    stop: bool
    """No further presentation."""
    p_error: float
    """Probability that the unit is an error, from all presentations."""
    llr: float
    """Their combined evidence."""


@dataclass(frozen=True, slots=True)
class RepeatModel:
    """What the presentations of one unit tell; learnt from calibration units that were shown several times."""

    slopes: Floats
    """(n_repeats,): llr of presentation j, as calibrated on first showings, times slope plus offset is calibrated for it."""
    offsets: Floats
    """(n_repeats,)."""
    gains: Floats
    """(n_repeats,): d' of each presentation's evidence, the distance of the classes in standard deviations."""
    rho: float
    """Correlation between presentations of a unit, within classes."""

    def evidence(self, llrs: Floats) -> Floats:
        """Calibrate llr (k,) of the first k presentations by their numbers."""
        return self.slopes[: len(llrs)] * llrs + self.offsets[: len(llrs)]


def fit_repeats(llr: Floats, positive: NDArray[np.bool_]) -> RepeatModel:
    """Learn how the answer shrinks with repetition.

    Parameters
    ----------
    llr : (n_units, n_repeats) float64
        Held-out llr of calibration units, each shown n_repeats times; NaN where a window had no value.
    positive : (n_units,) bool

    Returns
    -------
    RepeatModel

    Raises
    ------
    FitError
        A presentation has fewer than `MIN_UNITS` units of a class.

    Notes
    -----
    d'^2 = (m1 - m0)^2 / s^2 - 1/n1 - 1/n0 of each presentation, the last terms its expectation without any effect; made not to
    grow with repetition (pool adjacent violators), because single estimates from some hundred units scatter more than they fall.
    """
    n_repeats = llr.shape[1]
    slopes, offsets, squares = np.zeros(n_repeats), np.zeros(n_repeats), np.zeros(n_repeats)
    for j in range(n_repeats):
        valued = np.isfinite(llr[:, j])
        x, truth = llr[valued, j], positive[valued]
        n1, n0 = int(truth.sum()), int((~truth).sum())
        if min(n1, n0) < MIN_UNITS:
            raise FitError(f"Presentation {j + 1} has {n1} wrong and {n0} right units; {MIN_UNITS} of each are needed to tell what a repetition adds.")
        slopes[j], intercept = platt_line(x, truth)
        offsets[j] = intercept - logit(n1 / (n1 + n0))
        variance = (x[truth].var() * n1 + x[~truth].var() * n0) / (n1 + n0 - 2)
        distance = max(float(x[truth].mean() - x[~truth].mean()), 0.0)
        squares[j] = max(distance**2 / variance - 1 / n1 - 1 / n0, 0.0) if variance > 0 else 0.0
    unit, repeat = (part.reshape(-1) for part in np.indices(llr.shape))
    flat = llr.reshape(-1)
    valued = np.isfinite(flat)
    rho = evidence_correlation(flat[valued], np.repeat(positive, n_repeats)[valued], unit[valued], repeat[valued])
    return RepeatModel(slopes, offsets, np.sqrt(_never_growing(squares)), rho)


class Stopping:
    """Rule that stops presenting a unit at the least mean number of presentations for a target error.

    Parameters
    ----------
    target_error : float
        Wanted part of wrong decisions (error where p_error > 1/2), 0 to 1/2 excluded.
    max_repeats : int
        Most presentations of a unit, 1 or more.
    gains : (n_repeats,) float64
        d' of each presentation, at least `max_repeats` of them (`fit_repeats`).
    rho : float
        Correlation between presentations, 0 to 1.
    prior : float, default 0.5
        Prior probability of an error. At 1/2 the target is the mean of both classes' error rates (1 - balanced accuracy).

    Attributes
    ----------
    limits : (max_repeats,) float64
        After k + 1 presentations another one is wanted while |llr + logit prior| is below ``limits[k]``.
    expected_error, expected_presentations : float
        Of the rule, if evidence is Gaussian as assumed.
    reaches_target : bool
        False where not even `max_repeats` presentations of every unit would reach it; then all help that can is taken.

    Raises
    ------
    FitError
        A parameter outside its range.

    Notes
    -----
    Evidence of presentation j is N(+-d_j^2/2, d_j^2) with correlation R_jl = rho. The likelihood ratio of the first k is
    L_k = sum_j w_j llr_j, w = R^-1 d / d, which for equal d is the sum over 1 + (k-1) rho. Given the class, L_k has independent
    increments with mean +-(V_k - V_{k-1})/2 and variance V_k - V_{k-1}, V_k = d' R^-1 d, so log odds are all one needs to know.
    With a price c of a presentation, the Bayes risk obeys J_k = min(min(p, 1-p), c + E[J_{k+1}]) and J_K = min(p, 1-p), solved
    backwards on a grid; c is the largest that keeps the expected error within the target.

    References
    ----------
    Wald (1945), doi:10.1214/aoms/1177731118. Arrow, Blackwell and Girshick (1949), doi:10.2307/1905525.
    """

    __slots__ = ("_log_prior_odds", "_weights", "expected_error", "expected_presentations", "limits", "max_repeats", "reaches_target", "target_error")

    def __init__(self, target_error: float, max_repeats: int, gains: Floats, rho: float, prior: float = 0.5) -> None:
        _check(target_error, max_repeats, gains, rho, prior)
        self.target_error, self.max_repeats = float(target_error), int(max_repeats)
        self._log_prior_odds = float(logit(prior))
        self._weights, totals = _weights(np.asarray(gains, dtype=np.float64)[:max_repeats], min(float(rho), _MAX_RHO))
        steps = [_transition(change) for change in np.diff(totals, prepend=0.0)]
        self.limits, self.expected_error, self.expected_presentations = _cheapest(steps, self._log_prior_odds, self.target_error)
        self.reaches_target = self.expected_error <= self.target_error * (1 + 1e-6)

    def decide(self, llrs: Floats) -> Decision:
        """Judge the evidence so far.

        Parameters
        ----------
        llrs : (k,) float64
            Evidence of the presentations of this unit in their order, each calibrated for its number (`RepeatModel.evidence`);
            NaN where a window had no value. At most `max_repeats`; may be empty.

        Returns
        -------
        Decision

        Raises
        ------
        FitError
            More presentations than the rule knows.
        """
        if len(llrs) > self.max_repeats:
            raise FitError(f"{len(llrs)} presentations are more than the {self.max_repeats} this rule was made for; raise max_repeats.")
        if not len(llrs):
            return Decision(False, float(expit(self._log_prior_odds)), 0.0)
        llr = float(self._weights[len(llrs) - 1, : len(llrs)] @ np.where(np.isfinite(llrs), llrs, 0.0))
        odds = llr + self._log_prior_odds
        return Decision(len(llrs) == self.max_repeats or abs(odds) >= self.limits[len(llrs) - 1], float(expit(odds)), llr)


def _check(target_error: float, max_repeats: int, gains: Floats, rho: float, prior: float) -> None:
    for name, value, low, high in (("target_error", target_error, 0.0, 0.5), ("prior", prior, 0.0, 1.0)):
        if not low < value < high:
            raise FitError(f"{name} is {value:g}; give a number between {low:g} and {high:g}.")
    if not 0 <= rho <= 1:
        raise FitError(f"rho is {rho:g}; a correlation of repeats lies between 0 and 1.")
    if not 1 <= max_repeats <= len(gains):
        raise FitError(f"max_repeats is {max_repeats} and gains are known for {len(gains)} presentations; give from 1 to {len(gains)}.")
    if not (np.isfinite(gains).all() and (np.asarray(gains) >= 0).all()):
        raise FitError("gains holds a number that is negative or not finite; give d' of each presentation, 0 or more.")


def _weights(gains: Floats, rho: float) -> tuple[Floats, Floats]:
    """Weights (K, K), row k - 1 for k presentations, and V_k (K,)."""
    n = len(gains)
    weights, totals = np.zeros((n, n)), np.zeros(n)
    for k in range(1, n + 1):
        d = gains[:k]
        solved = np.linalg.solve((1 - rho) * np.eye(k) + rho, d)
        totals[k - 1] = d @ solved
        # a presentation without any effect has no llr to weigh
        weights[k - 1, :k] = np.divide(solved, d, out=np.zeros(k), where=d > 0)
    return weights, np.maximum.accumulate(totals)


def _transition(variance: float) -> tuple[Floats, Floats]:
    """Probabilities (from, to) on the grid of log odds, for an error and for a right unit."""
    if variance < 1e-9:
        return np.eye(len(_GRID)), np.eye(len(_GRID))
    sd = np.sqrt(variance)
    error = np.diff(ndtr((_EDGES - _GRID[:, np.newaxis] - variance / 2) / sd), axis=1)
    return error, error[::-1, ::-1]


def _limits(steps: list[tuple[Floats, Floats]], cost: float) -> Floats:
    """Solve backwards; limits (K,) of the log odds between which another presentation pays."""
    p = expit(_GRID)
    stopped = np.minimum(p, 1 - p)
    value, limits = stopped.copy(), np.zeros(len(steps))
    for k in range(len(steps) - 2, -1, -1):
        error, right = steps[k + 1]
        further = cost + p * (error @ value) + (1 - p) * (right @ value)
        pays = further < stopped
        if pays.any():
            limits[k] = np.abs(_GRID[pays]).max() + (_GRID[1] - _GRID[0]) / 2
        value = np.minimum(stopped, further)
    return limits


def _course(steps: list[tuple[Floats, Floats]], limits: Floats, log_prior_odds: float) -> tuple[float, float]:
    """Expected error and number of presentations under these limits."""
    prior = float(expit(log_prior_odds))
    start = np.zeros(len(_GRID))
    start[int(np.argmin(np.abs(_GRID - log_prior_odds)))] = 1.0
    wrong = presentations = 0.0
    undecided = np.where(_GRID == 0, 0.5, 0.0)
    for kind, share, mistaken in ((0, prior, (_GRID < 0) + undecided), (1, 1 - prior, (_GRID > 0) + undecided)):
        mass = start
        for k, step in enumerate(steps):
            presentations += share * mass.sum()
            mass = mass @ step[kind]
            goes_on = np.abs(_GRID) < limits[k]
            wrong += share * float((mass * ~goes_on) @ mistaken)
            mass = mass * goes_on
    return float(wrong), float(presentations)


def _cheapest(steps: list[tuple[Floats, Floats]], log_prior_odds: float, target: float) -> tuple[Floats, float, float]:
    """Limits of the highest price of a presentation that keeps the target, by bisection over the price's logarithm."""
    low, high = np.log(_COSTS)
    best = _limits(steps, float(np.exp(low)))
    error, n = _course(steps, best, log_prior_odds)
    for _ in range(_BISECTIONS if error <= target else 0):
        middle = (low + high) / 2
        limits = _limits(steps, float(np.exp(middle)))
        found = _course(steps, limits, log_prior_odds)
        if found[0] <= target:
            low, best, (error, n) = middle, limits, found
        else:
            high = middle
    return best, error, n


def _never_growing(values: Floats) -> Floats:
    """Nearest non-increasing sequence in squares: averages of adjacent violators."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        total, count = float(value), 1
        while blocks and blocks[-1][0] / blocks[-1][1] < total / count:
            before = blocks.pop()
            total, count = total + before[0], count + before[1]
        blocks.append((total, count))
    return np.concatenate([np.full(count, total / count) for total, count in blocks])
