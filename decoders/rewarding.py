"""From a score to a reward: the definitions, one function each. Sign: llr > 0 means error, reward > 0 means good."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders import kernels
from decoders.fitted import Calibration
from decoders.spec import MismatchError

MIN_DISCRIMINATION = 0.2
"""Under this D = 1 - e0 - e1 the noise correction would multiply noise; `reward_nc` is null."""


@dataclass(frozen=True, slots=True)
class Valuation:
    """What one score says about a unit."""

    llr: float
    """Evidence for an error, natural logarithm of the likelihood ratio."""
    llr_sd: float | None
    """Its standard deviation over the calibration's bootstrap; None without one."""
    p_error: float
    """Probability of an error at the protocol's prior."""
    reward: float
    """2 (prior - p_error): 0 without evidence."""
    reward_sd: float | None
    reward_nc: float | None
    """Noise-corrected reward of the thresholded decision; None where the decoder discriminates too little."""
    confidence: float
    """tanh(|llr| / 2), 0 to 1."""


@dataclass(frozen=True, slots=True)
class CalibrationLines:
    """llr = slope * score + offset of every bootstrap refit."""

    slopes: NDArray[np.float64]
    """(n_bootstrap,)."""
    offsets: NDArray[np.float64]
    """(n_bootstrap,): intercept - logit(prior)."""


def logit(p: float) -> float:
    """Return log(p / (1 - p)) for 0 < p < 1."""
    return math.log(p) - math.log1p(-p)


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def llr_of(score: float, calibration: Calibration) -> float:
    """Return logit p - logit prior_removed, with logit p = slope * score + intercept."""
    return calibration.slope * score + calibration.intercept - logit(calibration.prior_removed)


def calibration_lines(calibration: Calibration) -> CalibrationLines:
    """Turn the bootstrap (n_bootstrap, 3) of slope, intercept and prior into lines of llr.

    Raises
    ------
    MismatchError
        A prior outside 0-1, or numbers that are not finite.
    """
    refits = np.asarray(calibration.bootstrap, dtype=np.float64).reshape(-1, 3)
    priors = np.append(refits[:, 2], calibration.prior_removed)
    if not (np.all((priors > 0) & (priors < 1)) and np.isfinite(refits).all() and math.isfinite(calibration.slope + calibration.intercept)):
        raise MismatchError("The calibration holds a prior outside 0-1 or a number that is not finite; fit the decoder again.")
    offsets = refits[:, 1] - np.log(refits[:, 2]) + np.log1p(-refits[:, 2])
    return CalibrationLines(np.ascontiguousarray(refits[:, 0]), np.ascontiguousarray(offsets))


def p_error_of(llr: float, prior: float) -> float:
    """Return sigmoid(llr + logit prior)."""
    return sigmoid(llr + logit(prior))


def noise_corrected_reward(decided_error: bool, e0: float, e1: float, prior: float) -> float | None:
    """Reward of a hard decision whose expectation, given the truth, is that of a faultless decision.

    Parameters
    ----------
    decided_error : bool
        llr > 0.
    e0, e1 : float
        P(decided error | ok), P(decided ok | error).
    prior : float
        Prior probability of an error, for the baseline.

    Returns
    -------
    float or None
        None when D < 0.2.

    Notes
    -----
    D = 1 - e0 - e1; r(ok) = ((1 - e1) + e0) / D, r(error) = -((1 - e0) + e1) / D; less the baseline 1 - 2 prior. Given the
    truth, the expectation over decisions is +1 or -1 less the baseline.

    References
    ----------
    Natarajan et al. 2013, Learning with noisy labels, NeurIPS 26. Wang, Liu, Li 2020, Reinforcement learning with perturbed
    rewards, doi:10.1609/aaai.v34i04.6086.
    """
    discrimination = 1.0 - e0 - e1
    if discrimination < MIN_DISCRIMINATION:
        return None
    baseline = 1.0 - 2.0 * prior
    if decided_error:
        return -((1.0 - e0) + e1) / discrimination - baseline
    return ((1.0 - e1) + e0) / discrimination - baseline


def valuation(score: float, calibration: Calibration, lines: CalibrationLines, prior: float) -> Valuation:
    """Value one score.

    Parameters
    ----------
    score : float
        Linear score of the window.
    calibration : Calibration
    lines : CalibrationLines
        Of this calibration; made once per decoder.
    prior : float
        The protocol's prior probability of an error, 0 to 1 excluded.
    """
    llr = llr_of(score, calibration)
    llr_sd = kernels.line_spread(lines.slopes, lines.offsets, score) if len(lines.slopes) >= 2 else None
    p = p_error_of(llr, prior)
    return Valuation(
        llr=llr,
        llr_sd=llr_sd,
        p_error=p,
        reward=2.0 * (prior - p),
        reward_sd=None if llr_sd is None else 2.0 * p * (1.0 - p) * llr_sd,
        reward_nc=noise_corrected_reward(llr > 0, calibration.e0, calibration.e1, prior),
        confidence=math.tanh(abs(llr) / 2.0),
    )
