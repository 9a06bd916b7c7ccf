"""Verdict markers: the answer means disagreement with the marker, so what it says of the unit depends on what the marker said.

An error-related potential after "accept" says that the unit is wrong, after "reject" that it is right.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.calibration import calibrated_llr, fit_calibration
from decoders.fitted import Calibration
from decoders.spec import FitError
from messaging.words import Polarity

MIN_TRIALS = 10
"""Trials with and without disagreement that each polarity needs for a calibration of its own."""


def unit_llr(llr_disagreement: float, polarity: Polarity) -> float:
    """Turn evidence for disagreement with the marker into evidence for an error of the unit.

    Notes
    -----
    p_error(unit) = p for accept, 1 - p for reject, with p = P(disagreement). Where a marker is as often wrong as the prior says, the
    prior of disagreement is pi for accept and 1 - pi for reject, and 1 - sigma(llr + logit(1 - pi)) = sigma(-llr + logit pi).
    """
    return llr_disagreement if polarity is Polarity.ACCEPT else -llr_disagreement


def for_rejections(calibration: Calibration) -> Calibration:
    """Turn a calibration of disagreement into one of errors of units that were rejected.

    Everything that takes a `Calibration` (`decoders.rewarding.valuation`: llr, its spread, rewards) can use it as it is: slope,
    intercept and prior speak of the opposite class, and the two kinds of wrong decision change places.
    """
    refits = np.asarray(calibration.bootstrap, dtype=np.float64).reshape(-1, 3)
    bootstrap = np.column_stack([-refits[:, 0], -refits[:, 1], 1 - refits[:, 2]])
    return replace(
        calibration,
        slope=-calibration.slope,
        intercept=-calibration.intercept,
        prior_removed=1 - calibration.prior_removed,
        bootstrap=bootstrap,
        e0=calibration.e1,
        e1=calibration.e0,
    )


@dataclass(frozen=True, slots=True)
class PolarityCalibration:
    """One calibration per polarity; both give evidence for an error of the unit."""

    accept: Calibration
    reject: Calibration

    def of(self, polarity: Polarity) -> Calibration:
        """Calibration from score to llr(error of the unit) after a marker of this polarity."""
        return self.accept if polarity is Polarity.ACCEPT else self.reject


def fit_polarities(
    scores: NDArray[np.float64], disagrees: NDArray[np.bool_], rejected: NDArray[np.bool_], blocks: NDArray[np.int64], *, seed: int = 0
) -> PolarityCalibration:
    """Calibrate accepted and rejected units by themselves: people answer them differently.

    Parameters
    ----------
    scores : (n_trials,) float64
        Of disagreement; each from a decoder that was not fitted on the trial's block.
    disagrees : (n_trials,) bool
        Whether the marker contradicts the truth.
    rejected : (n_trials,) bool
        Polarity of the marker.
    blocks : (n_trials,) int64
        Ascending.
    seed : int

    Raises
    ------
    FitError
        A polarity has fewer than `MIN_TRIALS` trials of a kind, all in one block or none left without one of its blocks.
    """
    fitted = {}
    for polarity, inside in ((Polarity.ACCEPT, ~rejected), (Polarity.REJECT, rejected)):
        truth, own = disagrees[inside], blocks[inside]
        if min(truth.sum(), (~truth).sum()) < MIN_TRIALS:
            raise FitError(
                f"The calibration has {int(truth.sum())} wrong and {int((~truth).sum())} true '{polarity}' markers; {MIN_TRIALS} of each are needed."
                " Calibrate with a protocol that shows both polarities."
            )
        fitted[polarity] = fit_calibration(scores[inside], truth, own, _held_out(scores[inside], truth, own, polarity), seed=seed)
    return PolarityCalibration(fitted[Polarity.ACCEPT], for_rejections(fitted[Polarity.REJECT]))


def _held_out(scores: NDArray[np.float64], truth: NDArray[np.bool_], blocks: NDArray[np.int64], polarity: Polarity) -> NDArray[np.float64]:
    llr = np.empty(len(scores))
    for block in np.unique(blocks):
        inside = blocks == block
        left = truth[~inside]
        if left.all() or not left.any():
            raise FitError(f"Without block {int(block)} the '{polarity}' markers left are all true or all wrong; spread both over all blocks.")
        llr[inside] = calibrated_llr(scores[inside], scores[~inside], left)
    return llr
