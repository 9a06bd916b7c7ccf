"""Arithmetic of search over reasoning steps: what a step is worth, where the first error lies, when to go back, how wide to branch.

Pure functions. A verifier gives each step a probability of being right; a person's evidence, weighed by how much it has been found to
add, corrects it. llr > 0 speaks for an error, as everywhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, xlogy

from decoders.spec import FitError

Floats = NDArray[np.float64]

MIN_STEPS = 20
"""Held-out steps of each kind without which kappa stays 0."""
_Z_NEEDED = 1.645
_MAX_KAPPA = 20.0
_CLIP = 1e-6
UNSURE = (0.3, 0.7)
"""Only where the verifier's probability lies between these is a person asked."""


@dataclass(frozen=True, slots=True)
class Backtrack:
    """Whether to go back, and where to."""

    needed: bool
    step: int | None
    """Most probable first error, counted from 0: it is to be thought anew. None where there is no need."""
    p_error: float
    """Probability that any of the steps is wrong."""


def step_value(p_verifier: Floats, llr: Floats, kappa: float) -> Floats:
    """Probability that a step is right, from verifier and person.

    Parameters
    ----------
    p_verifier : (n_steps,) float64
        Verifier's probability that the step is right, 0 to 1.
    llr : (n_steps,) float64
        The person's evidence for an error; NaN where nobody was asked, which changes nothing.
    kappa : float
        From `fit_kappa`.

    Notes
    -----
    logit p = logit p_verifier - kappa llr.
    """
    return np.asarray(expit(logit(_inside(p_verifier)) - kappa * np.where(np.isnan(llr), 0.0, llr)), dtype=np.float64)


def fit_kappa(p_verifier: Floats, llr: Floats, right: NDArray[np.bool_]) -> float:
    """Fit on held-out steps how much a person's evidence adds to the verifier's.

    Parameters
    ----------
    p_verifier, llr
        As in `step_value`; steps without evidence are left out.
    right : (n_steps,) bool

    Returns
    -------
    float
        0 or more. 0 unless it is larger than chance makes it (one-sided 95 %), or where fewer than `MIN_STEPS` steps of a kind
        were answered: a person who knows less than the verifier must not move it.

    Notes
    -----
    Maximum likelihood; the score equation sum llr_i (p_i(kappa) - y_i) = 0 is monotone in kappa. Wald's test with the Fisher
    information sum llr_i^2 p_i (1 - p_i) at the estimate. Log odds of a miscalibrated verifier keep their weight of 1.
    """
    asked = np.isfinite(llr)
    odds, x, y = logit(_inside(p_verifier[asked])), llr[asked], right[asked].astype(np.float64)
    if min(y.sum(), (1 - y).sum()) < MIN_STEPS or not x.any():
        return 0.0

    def slope(kappa: float) -> float:
        return float(x @ (expit(odds - kappa * x) - y))

    if slope(0.0) <= 0:
        return 0.0
    kappa = float(brentq(slope, 0.0, _MAX_KAPPA)) if slope(_MAX_KAPPA) < 0 else _MAX_KAPPA
    p = expit(odds - kappa * x)
    information = float((x**2 * p * (1 - p)).sum())
    return kappa if kappa * np.sqrt(information) > _Z_NEEDED else 0.0


def first_error(p_right: Floats, credit_before: float = 0.0) -> Floats:
    """Posterior of where a chain goes wrong first.

    Parameters
    ----------
    p_right : (n_steps,) float64
        Probability that each step is right given that all before it are.
    credit_before : float
        Part of the probability of each step that is moved to the step before it: an error is often noticed one step late.

    Returns
    -------
    (n_steps + 1,) float64
        Probability of the first error at step i; the last entry is that of no error. Sums to 1.

    Raises
    ------
    FitError
        A probability or `credit_before` lies outside 0 to 1.

    Notes
    -----
    P(i) = (1 - p_i) prod_{j<i} p_j.
    """
    if not (np.isfinite(p_right).all() and ((p_right >= 0) & (p_right <= 1)).all()):
        raise FitError("A step's probability of being right is outside 0 to 1; give what step_value returns.")
    if not 0 <= credit_before <= 1:
        raise FitError(f"credit_before is {credit_before:g}; give a part from 0 to 1.")
    before = np.concatenate([[1.0], np.cumprod(p_right)])
    posterior = np.append(before[:-1] * (1 - p_right), before[-1])
    moved = credit_before * posterior[1:-1]
    posterior[1:-1] -= moved
    posterior[: len(moved)] += moved
    return posterior


def backtrack(p_right: Floats, c_backtrack: float, c_miss: float, credit_before: float = 0.0) -> Backtrack:
    """Decide whether to go back: P(error) > c_backtrack / (c_backtrack + c_miss).

    Parameters
    ----------
    p_right, credit_before
        As in `first_error`.
    c_backtrack, c_miss : float
        Cost of going back for nothing, and of going on with an error; above 0.

    Raises
    ------
    FitError
        A cost is not above 0, or as in `first_error`.
    """
    if not (c_backtrack > 0 and c_miss > 0):
        raise FitError(f"The costs are {c_backtrack:g} (going back for nothing) and {c_miss:g} (a missed error); both must be above 0.")
    posterior = first_error(p_right, credit_before)
    p_error = float(1 - posterior[-1])
    needed = p_error > c_backtrack / (c_backtrack + c_miss)
    return Backtrack(needed, int(posterior[:-1].argmax()) if needed else None, p_error)


def branch_width(p_right: float, widest: int) -> int:
    """How many continuations to try: 1 + round((B - 1) H2(p)), B = `widest`, H2 the binary entropy in bits.

    Raises
    ------
    FitError
        `widest` is below 1 or the probability outside 0 to 1.
    """
    if widest < 1 or not 0 <= p_right <= 1:
        raise FitError(f"A width of {widest} at a probability of {p_right:g}: the width must be 1 or more, the probability from 0 to 1.")
    entropy_bits = -(xlogy(p_right, p_right) + xlogy(1 - p_right, 1 - p_right)) / np.log(2)
    return 1 + round((widest - 1) * float(entropy_bits))


def worth_asking(p_verifier: float, unsure: tuple[float, float] = UNSURE) -> bool:
    """Say whether a person is asked about a step: only where the verifier is unsure."""
    return unsure[0] <= p_verifier <= unsure[1]


def supervised_steps(right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask (n_steps,) of the steps to learn from: all up to the first error, and that one.

    What follows an error has no truth of its own.
    """
    errors = np.flatnonzero(~right)
    last = int(errors[0]) if len(errors) else len(right) - 1
    return np.arange(len(right)) <= last


def _inside(p: Floats) -> Floats:
    return np.clip(p, _CLIP, 1 - _CLIP)
