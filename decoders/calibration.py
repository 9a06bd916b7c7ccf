"""From scores of blocks a decoder was not fitted on to a calibrated log-likelihood ratio, with its uncertainty."""

import numpy as np
from numpy.typing import NDArray

from decoders.fitted import Calibration
from decoders.platt import fit_lines

N_BOOTSTRAP = 200
_SEGMENTS = 20
"""A bootstrap over five blocks has few distinct draws; runs of successive trials (about 20) keep the serial dependence and vary enough."""


def fit_calibration(
    scores: NDArray[np.float64],
    positive: NDArray[np.bool_],
    blocks: NDArray[np.int64],
    held_out_llr: NDArray[np.float64],
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
) -> Calibration:
    """Fit Platt's line and its block bootstrap.

    Parameters
    ----------
    scores : (n_trials,) float64
        Each from a decoder that was not fitted on the trial's block.
    positive : (n_trials,) bool
    blocks : (n_trials,) int64
        Chronological; ascending.
    held_out_llr : (n_trials,) float64
        Each calibrated on other blocks; gives `e0` and `e1`.
    n_bootstrap : int
    seed : int
        The same seed gives the same bootstrap.

    Returns
    -------
    Calibration
    """
    slope, intercept = platt_line(scores, positive)
    weights = _segment_draws(positive, run_segments(blocks), n_bootstrap, np.random.default_rng(seed))
    drawn = fit_lines(scores, positive, weights)
    priors = weights[:, positive].sum(axis=1) / weights.sum(axis=1)
    return Calibration(
        slope=slope,
        intercept=intercept,
        prior_removed=float(positive.mean()),
        bootstrap=np.column_stack([drawn.slope, drawn.intercept, priors]),
        e0=float((held_out_llr[~positive] > 0).mean()),
        e1=float((held_out_llr[positive] <= 0).mean()),
    )


def calibrated_llr(scores: NDArray[np.float64], calibration_scores: NDArray[np.float64], calibration_positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Turn scores into llr with a line fitted on other trials.

    Notes
    -----
    llr = slope * score + intercept - logit prior, with the base rate of the calibration trials as prior.
    """
    slope, intercept = platt_line(calibration_scores, calibration_positive)
    prior = calibration_positive.mean()
    return np.asarray(slope * scores + intercept - np.log(prior / (1 - prior)), dtype=np.float64)


def platt_line(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of Platt's line; a falling line becomes a flat one at the base rate.

    Cross-validated scores of a decoder that has learnt nothing correlate *negatively* with the truth as often as not. Turning them
    round would be a decoder fitted by its own test (it doubled the releases at chance, 2 % instead of 1 % of 400 fits); no evidence
    is what they hold.
    """
    line = fit_lines(scores, positive)
    if line.slope[0] > 0:
        return float(line.slope[0]), float(line.intercept[0])
    prior = positive.mean()
    return 0.0, float(np.log(prior / (1 - prior)))


def run_segments(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut every block into runs of successive trials, about 20 in all; returns the run of each trial, numbered from 0."""
    names = np.unique(blocks)
    per_block = -(-_SEGMENTS // len(names))
    segments = np.empty(len(blocks), dtype=np.int64)
    first = 0
    for name in names:
        rows = np.flatnonzero(blocks == name)
        parts = min(per_block, len(rows))
        segments[rows] = first + np.arange(len(rows)) * parts // len(rows)
        first += parts
    return segments


def _segment_draws(positive: NDArray[np.bool_], segments: NDArray[np.int64], n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    n_segments = int(segments.max()) + 1
    accepted: list[NDArray[np.float64]] = []
    for _ in range(100 * n_draws):
        counts = np.bincount(rng.integers(n_segments, size=n_segments), minlength=n_segments)[segments].astype(np.float64)
        # a draw without one of the classes has no line; it is drawn again
        if counts[positive].sum() > 0 and counts[~positive].sum() > 0:
            accepted.append(counts)
        if len(accepted) == n_draws:
            break
    return np.stack(accepted)
