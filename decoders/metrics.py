"""How good scores and probabilities are: discrimination, information, calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit

from decoders.platt import fit_lines

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_BINS = 10
_NULL_DRAWS = 1000


def area_under_curve(scores: Floats, positive: Marks) -> float:
    """P(score of a positive > score of a negative), ties counting half.

    Parameters
    ----------
    scores : (n_trials,) float64
    positive : (n_trials,) bool
        Both classes present.
    """
    n1, n0 = int(positive.sum()), int((~positive).sum())
    ranks = stats.rankdata(scores)
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def auc_interval(scores: Floats, positive: Marks, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided confidence interval of the AUC.

    DeLong's variance on the logit scale: exact enough from ten trials per class, without random numbers, and inside (0, 1). A
    bootstrap over the few blocks of a calibration (5) would be far coarser. Serial dependence between trials is not in it.

    Notes
    -----
    With components V1_i = P(x1_i > x0), V0_j = P(x1 > x0_j): var = var(V1)/n1 + var(V0)/n0. Without any overlap (AUC 0 or 1) the
    variance is 0; then the bound is the one of m successes in m, ((1 - confidence)/2)^(1/m), m the smaller class.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), doi:10.2307/2531595.
    """
    auc = area_under_curve(scores, positive)
    n1, n0 = int(positive.sum()), int((~positive).sum())
    variance = _delong_variance(scores, positive)
    if variance <= 0 or auc in (0.0, 1.0):
        reach = ((1 - confidence) / 2) ** (1 / min(n1, n0))
        return (min(auc, reach), max(auc, 1 - reach)) if auc in (0.0, 1.0) else (auc, auc)
    half = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance) / (auc * (1 - auc))
    return float(expit(logit(auc) - half)), float(expit(logit(auc) + half))


def _delong_variance(scores: Floats, positive: Marks) -> float:
    ones, zeros = scores[positive], scores[~positive]
    ranks = stats.rankdata(np.concatenate([ones, zeros]))
    v1 = (ranks[: len(ones)] - stats.rankdata(ones)) / len(zeros)
    v0 = 1 - (ranks[len(ones) :] - stats.rankdata(zeros)) / len(ones)
    return float(sum(v.var(ddof=1) / len(v) if len(v) > 1 else 0.25 for v in (v1, v0)))


def balanced_accuracy(llr: Floats, positive: Marks) -> float:
    """Mean of the true positive and true negative rate of deciding positive at llr > 0."""
    return float(((llr[positive] > 0).mean() + (llr[~positive] <= 0).mean()) / 2)


def information_gains_bits(llr: Floats, positive: Marks, prior: float) -> Floats:
    """Gain of each trial, log2 p(y | llr, prior) - log2 p(y | prior); its mean is the information gain.

    Parameters
    ----------
    llr : (n_trials,) float64
        Natural log.
    positive : (n_trials,) bool
    prior : float
        Base rate of the positive class, in (0, 1).

    Returns
    -------
    (n_trials,) float64
        Bits; negative where the decoder misled.
    """
    sign = np.where(positive, 1.0, -1.0)
    posterior = -np.logaddexp(0.0, -sign * (llr + logit(prior)))
    return np.asarray((posterior - np.where(positive, np.log(prior), np.log1p(-prior))) / np.log(2), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Trials of similar probability: what was said and what came."""

    n: int
    mean_p: float
    fraction_positive: float


def reliability(p: Floats, positive: Marks, n_bins: int = _BINS) -> tuple[ReliabilityBin, ...]:
    """Cut trials into bins of equal count by probability (equal widths would leave most bins empty at a prior of 12 %)."""
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, min(n_bins, len(p))) if len(part)]
    return tuple(ReliabilityBin(len(part), float(p[part].mean()), float(positive[part].mean())) for part in parts)


def expected_calibration_error(p: Floats, positive: Marks, n_bins: int = _BINS) -> float:
    """Mean over `reliability` bins of |fraction positive - mean p|, weighted by their counts."""
    return float(sum(b.n * abs(b.fraction_positive - b.mean_p) for b in reliability(p, positive, n_bins)) / len(p))


def calibration_error_null95(p: Floats, seed: int = 0, n_bins: int = _BINS) -> float:
    """Return the 95 % quantile of the expected calibration error when the same probabilities are exactly true.

    An error below it is no sign of miscalibration: few trials alone make it. 1,000 seeded draws of labels from p.
    """
    rng = np.random.default_rng(seed)
    ordered = np.sort(p)
    bounds = np.cumsum([0, *(len(part) for part in np.array_split(ordered, min(n_bins, len(p))))])[:-1]
    drawn = rng.random((_NULL_DRAWS, len(p))) < ordered
    errors = np.abs(np.add.reduceat(drawn - ordered, bounds, axis=1)).sum(axis=1) / len(p)
    return float(np.quantile(errors, 0.95))


def calibration_slope(llr: Floats, positive: Marks) -> tuple[float, float]:
    """Slope of logit P(positive) on llr and its standard error; 1 is calibrated, below 1 overconfident."""
    line = fit_lines(llr, positive)
    return float(line.slope[0]), float(line.slope_sd[0])
