"""Several readings of a unit, by one person or by several, made one calibrated log-likelihood ratio."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from decoders.calibration import platt_line
from decoders.evidence.correlation import evidence_correlation
from decoders.spec import FitError

MIN_UNITS = 10
"""Units of each class with two readings or more that a recalibration needs."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Evidence of single windows, and what it is of."""

    llr: NDArray[np.float64]
    """(n_readings,): calibrated, held out."""
    unit: NDArray[np.int64]
    """(n_readings,)."""
    reader: NDArray[np.int64]
    """(n_readings,)."""
    repeat: NDArray[np.int64]
    """(n_readings,): 0 for a reader's first showing of the unit."""

    def subset(self, mask: NDArray[np.bool_]) -> "Readings":
        """Only the readings of the mask (n_readings,)."""
        return Readings(self.llr[mask], self.unit[mask], self.reader[mask], self.repeat[mask])


@dataclass(frozen=True, slots=True)
class CombinedEvidence:
    """What all readings of each unit say together."""

    unit: NDArray[np.int64]
    """(n_units,): ascending."""
    llr: NDArray[np.float64]
    """(n_units,)."""
    n_readings: NDArray[np.int64]
    """(n_units,)."""


def weighted_sum(llr: NDArray[np.float64], rho: float) -> float:
    """Add up k equally good pieces of evidence that are correlated.

    Parameters
    ----------
    llr : (k,) float64
    rho : float
        Their correlation within a class, 0 to 1.

    Notes
    -----
    L = sum_j llr_j / (1 + (k - 1) rho): the sum at 0, the mean at 1. For Gaussian evidence of equal strength d^2 and correlation rho
    it is the log-likelihood ratio of all k: d'_k^2 = k d^2 / (1 + (k - 1) rho).
    """
    return float(llr.sum() / (1 + (len(llr) - 1) * rho))


@dataclass(frozen=True, slots=True)
class Combination:
    """How readings are combined; learnt from calibration blocks."""

    rho_repeats: float
    """Correlation between one reader's repeats of a unit."""
    rho_readers: float
    """Correlation between readers' evidence of a unit."""
    slope: float = 1.0
    """Recalibration of units with two readings or more: llr = slope * L + offset. A single reading is calibrated and stays as it is."""
    offset: float = 0.0

    def combine(self, readings: Readings) -> CombinedEvidence:
        """Combine repeats within each reader, then readers, then recalibrate.

        Parameters
        ----------
        readings : Readings
            In any order.

        Returns
        -------
        CombinedEvidence
        """
        own_llr, own_unit, _ = _within_readers(readings, self.rho_repeats)
        unit, index = np.unique(own_unit, return_inverse=True)
        llr = _sums(own_llr, index, self.rho_readers)
        n_readings = np.bincount(np.searchsorted(unit, readings.unit), minlength=len(unit))
        llr = np.where(n_readings > 1, self.slope * llr + self.offset, llr)
        return CombinedEvidence(unit, llr, n_readings)


def fit_combination(readings: Readings, error_units: NDArray[np.int64]) -> Combination:
    """Learn correlations and recalibration.

    Parameters
    ----------
    readings : Readings
        Of calibration blocks, held out from the decoders that made them.
    error_units : (n_errors,) int64
        Units that are errors; all others are right.

    Returns
    -------
    Combination

    Raises
    ------
    FitError
        Fewer than `MIN_UNITS` units of a class were read at least twice.
    """
    positive = np.isin(readings.unit, error_units)
    rho_repeats = evidence_correlation(readings.llr, positive, _pairs(readings.unit, readings.reader), readings.repeat)
    own_llr, own_unit, own_reader = _within_readers(readings, rho_repeats)
    rho_readers = evidence_correlation(own_llr, np.isin(own_unit, error_units), own_unit, own_reader)
    raw = Combination(rho_repeats, rho_readers).combine(readings)
    several = raw.n_readings > 1
    truth = np.isin(raw.unit[several], error_units)
    if min(truth.sum(), (~truth).sum()) < MIN_UNITS:
        raise FitError(
            f"{int(truth.sum())} wrong and {int((~truth).sum())} right units were read at least twice; {MIN_UNITS} of each are needed to calibrate"
            " their combination. Show more units again, or have more people read them."
        )
    slope, intercept = platt_line(raw.llr[several], truth)
    return Combination(rho_repeats, rho_readers, slope, intercept - float(logit(truth.mean())))


def held_out_combination(readings: Readings, error_units: NDArray[np.int64], block: NDArray[np.int64]) -> CombinedEvidence:
    """Combine each block's units with what was learnt from the other blocks: the evidence that a gate may judge.

    Parameters
    ----------
    readings : Readings
    error_units : (n_errors,) int64
    block : (n_readings,) int64
        All readings of a unit lie in one block.

    Raises
    ------
    FitError
        A unit lies in two blocks, or too few units are left without some block.
    """
    owner = {int(unit): int(number) for unit, number in zip(readings.unit, block, strict=True)}
    if any(owner[int(unit)] != number for unit, number in zip(readings.unit, block, strict=True)):
        raise FitError("A unit was read in two blocks, so no block could be left out; number the blocks by units, not by time.")
    parts = []
    for number in np.unique(block):
        inside = block == number
        parts.append(fit_combination(readings.subset(~inside), error_units).combine(readings.subset(inside)))
    unit = np.concatenate([part.unit for part in parts])
    order = np.argsort(unit)
    llr, n_readings = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("llr", "n_readings"))
    return CombinedEvidence(unit[order], llr, n_readings)


def p_error_of(llr: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """Probability of an error (n_units,) at a prior in (0, 1): sigmoid(llr + logit prior)."""
    return np.asarray(expit(llr + logit(prior)), dtype=np.float64)


def reward_of(llr: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """Reward (n_units,): 2 (prior - p_error); 0 without evidence, positive is good."""
    return 2.0 * (prior - p_error_of(llr, prior))


def _within_readers(readings: Readings, rho: float) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Evidence, unit and reader of every reader's readings of a unit taken together."""
    keys, index = np.unique(np.column_stack([readings.unit, readings.reader]), axis=0, return_inverse=True)
    return _sums(readings.llr, index.reshape(-1), rho), keys[:, 0], keys[:, 1]


def _sums(llr: NDArray[np.float64], index: NDArray[np.int64], rho: float) -> NDArray[np.float64]:
    return np.asarray(np.bincount(index, llr) / (1 + (np.bincount(index) - 1) * rho), dtype=np.float64)


def _pairs(unit: NDArray[np.int64], reader: NDArray[np.int64]) -> NDArray[np.int64]:
    index = np.unique(np.column_stack([unit, reader]), axis=0, return_inverse=True)[1]
    return np.asarray(index.reshape(-1), dtype=np.int64)
