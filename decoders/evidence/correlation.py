"""How much two readings of one unit say the same: the correlation of their evidence once the truth is taken out."""

import numpy as np
from numpy.typing import NDArray

UNKNOWN_CORRELATION = 1.0
"""Where no unit was read twice: the readings are averaged, which never claims more than one reading does."""
_MIN_CELL = 3


def evidence_correlation(llr: NDArray[np.float64], positive: NDArray[np.bool_], group: NDArray[np.int64], source: NDArray[np.int64]) -> float:
    """Estimate the correlation between readings of one unit, within classes.

    Parameters
    ----------
    llr : (n_readings,) float64
        Held out: of decoders and calibrations that did not see the reading.
    positive : (n_readings,) bool
        Whether the unit that was read is an error.
    group : (n_readings,) int64
        Readings of one number are of one unit (and, between repeats, of one reader).
    source : (n_readings,) int64
        Which repeat, or which reader, it is. Each gets a mean and a spread of its own, so that weaker evidence of later
        repeats is not taken for disagreement.

    Returns
    -------
    float
        From 0 to 1; `UNKNOWN_CORRELATION` where no group has two readings.

    Notes
    -----
    With z standardised within class and source, rho = sum over groups of sum_{j != l} z_j z_l, divided by the number of those
    ordered pairs. A negative estimate is sampling error (shared items and states can only bind readings together) and becomes 0.
    """
    z = np.zeros(len(llr))
    usable = np.zeros(len(llr), dtype=bool)
    for number in np.unique(source):
        for mark in (False, True):
            cell = (source == number) & (positive == mark)
            spread = float(llr[cell].std()) if cell.sum() >= _MIN_CELL else 0.0
            if spread > 0:
                z[cell] = (llr[cell] - llr[cell].mean()) / spread
                usable |= cell
    _, index = np.unique(group[usable], return_inverse=True)
    sums, squares = np.bincount(index, z[usable]), np.bincount(index, z[usable] ** 2)
    counts = np.bincount(index).astype(np.float64)
    n_pairs = float((counts * (counts - 1)).sum())
    if n_pairs == 0:
        return UNKNOWN_CORRELATION
    return float(np.clip((sums**2 - squares).sum() / n_pairs, 0.0, 1.0))
