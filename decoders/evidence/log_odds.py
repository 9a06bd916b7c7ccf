"""A sum of log odds with fitted weights: several signals of one step, or the answers to a unit and to its successor, made one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from decoders.spec import FitError

MIN_TRIALS = 10
"""Trials of each class that weights may be fitted on."""


@dataclass(frozen=True, slots=True)
class LogOddsSum:
    """llr = sum_k weights_k llr_k + offset."""

    weights: NDArray[np.float64]
    """(n_terms,): 0 or more; a signal that does not help gets 0, none is turned round."""
    offset: float

    def llr(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Combine evidence.

        Parameters
        ----------
        terms : (n_trials, n_terms) float64
            llr per signal; NaN where a window had no value, which then says nothing (0).

        Returns
        -------
        (n_trials,) float64
            0 where all terms are missing.
        """
        missing = np.isnan(terms)
        total = np.where(missing, 0.0, terms) @ self.weights + self.offset
        return np.where(missing.all(axis=1), 0.0, total)


def fit_log_odds(terms: NDArray[np.float64], positive: NDArray[np.bool_], penalty: float = 1.0) -> LogOddsSum:
    """Fit the weights by logistic regression on held-out evidence.

    Parameters
    ----------
    terms : (n_trials, n_terms) float64
        llr of calibration blocks that the decoders of the terms did not see; NaN where missing.
    positive : (n_trials,) bool
        Whether the unit or step is an error.
    penalty : float
        Strength of the pull of the weights to 0, in trials' worth of log-likelihood per (weight x SD of the term)^2 / 2.

    Returns
    -------
    LogOddsSum

    Raises
    ------
    FitError
        Fewer than `MIN_TRIALS` of a class, or evidence that is infinite.

    Notes
    -----
    Minimises -log-likelihood + penalty/2 sum (w_k s_k)^2 under w >= 0, s_k the spread of term k; a convex problem, solved by
    L-BFGS-B from 0 with the exact gradient. The calibration's own base rate is taken out of the offset.
    """
    n_errors, n_right = int(positive.sum()), int((~positive).sum())
    if min(n_errors, n_right) < MIN_TRIALS:
        raise FitError(f"{n_errors} errors and {n_right} others are too few to weigh signals against each other; {MIN_TRIALS} of each are needed.")
    filled = np.where(np.isnan(terms), 0.0, terms)
    if not np.isfinite(filled).all():
        raise FitError("Some evidence is infinite; calibrate the decoders again.")
    spread = filled.std(axis=0)
    scaled = filled / np.where(spread > 0, spread, 1.0)
    target = positive.astype(np.float64)

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = scaled @ x[:-1] + x[-1]
        value = float((np.logaddexp(0.0, odds) - target * odds).sum() + penalty / 2 * (x[:-1] ** 2).sum())
        residual = expit(odds) - target
        return value, np.append(scaled.T @ residual + penalty * x[:-1], residual.sum())

    start = np.append(np.zeros(terms.shape[1]), logit(positive.mean()))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * terms.shape[1] + [(None, None)])
    weights = np.where(spread > 0, found.x[:-1] / np.where(spread > 0, spread, 1.0), 0.0)
    return LogOddsSum(weights, float(found.x[-1] - logit(positive.mean())))
