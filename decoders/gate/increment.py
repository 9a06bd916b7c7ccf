"""Does llr say more than covariates do? A likelihood ratio of nested logistic models, honest about trials that belong together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from decoders.metrics import area_under_curve

_ITERATIONS = 60
_RIDGE = 1e-2
"""On standardised columns, the intercept left out: keeps covariates that separate the classes finite."""
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Increment:
    """What llr adds to covariates."""

    ratio: float
    """Likelihood ratio statistic, corrected for clustering."""
    p: float
    """One-sided: llr has to point the right way."""
    covariates_auc: float
    """Of the covariates alone, each group decoded from other groups."""


def increment_of(llr: NDArray[np.float64], positive: NDArray[np.bool_], covariates: NDArray[np.float64], groups: NDArray[np.int64]) -> Increment:
    """Compare a logistic model of covariates with one of covariates and llr.

    Parameters
    ----------
    llr : (n_trials,) float64
    positive : (n_trials,) bool
    covariates : (n_trials, n_covariates) float64
        Finite. Their squares go in beside them, for what is not a straight line.
    groups : (n_trials,) int64
        Trials of one group may depend on each other: the same item, or the same minute.

    Notes
    -----
    LR = 2 (log L1 - log L0), divided by lambda = M / I, the ratio of the clustered variance of llr's score to its information
    (never under 1), is chi-square of one degree of freedom.

    References
    ----------
    Rotnitzky and Jewell (1990), doi:10.1093/biomet/77.3.485.
    """
    without = _design(covariates)
    column = _standardised(llr[:, np.newaxis])
    with_llr = np.hstack([without, column])
    beta0, beta1 = _logistic(without, positive), _logistic(with_llr, positive)
    ratio = max(0.0, 2 * (_log_likelihood(with_llr @ beta1, positive) - _log_likelihood(without @ beta0, positive)))
    ratio /= _inflation(with_llr, beta1, positive, groups)
    tail = float(stats.chi2.sf(ratio, 1)) / 2
    p = tail if beta1[-1] > 0 else 1 - tail
    return Increment(ratio, p, area_under_curve(_other_groups(without, positive, groups), positive))


def _standardised(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _design(covariates: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = _standardised(covariates)
    return np.hstack([np.ones((len(covariates), 1)), linear, _standardised(linear**2)])


def _logistic(design: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Coefficients by Newton's method with a small ridge."""
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 1e-9
    beta = np.zeros(design.shape[1])
    for _ in range(_ITERATIONS):
        p = expit(design @ beta)
        gradient = design.T @ (positive - p) - ridge * beta
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + np.diag(ridge + 1e-9), gradient)
        beta = beta + step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-9:
            break
    return beta


def _log_likelihood(logits: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    return float(-np.logaddexp(0.0, np.where(positive, -logits, logits)).sum())


def _inflation(design: NDArray[np.float64], beta: NDArray[np.float64], positive: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Clustered over model variance of the last coefficient's score, the other columns taken out; 1 at least."""
    p = expit(design @ beta)
    weights = p * (1 - p) + 1e-12
    others, last = design[:, :-1], design[:, -1]
    slopes = np.linalg.lstsq(others * np.sqrt(weights)[:, np.newaxis], last * np.sqrt(weights), rcond=None)[0]
    rest = last - others @ slopes
    _, number = np.unique(groups, return_inverse=True)
    sums = np.bincount(number, rest * (positive - p))
    n = len(sums)
    information = float((weights * rest**2).sum())
    return max(1.0, float((sums**2).sum()) * n / max(n - 1, 1) / information) if information > 0 else 1.0


def _other_groups(design: NDArray[np.float64], positive: NDArray[np.bool_], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logits of each trial by a model of other groups."""
    _, number = np.unique(groups, return_inverse=True)
    fold = number % _FOLDS
    logits = np.zeros(len(positive))
    for k in np.unique(fold):
        tested = fold == k
        if not tested.all():
            logits[tested] = design[tested] @ _logistic(design[~tested], positive[~tested])
    return logits
