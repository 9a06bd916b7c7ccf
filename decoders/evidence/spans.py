"""Evidence of a unit and its successor: what a word did to a reader is partly seen in the answer to the word after it."""

import numpy as np
from numpy.typing import NDArray

from decoders.evidence.log_odds import LogOddsSum, fit_log_odds


def span_terms(llr: NDArray[np.float64], response: NDArray[np.int64]) -> NDArray[np.float64]:
    """Put each unit's evidence beside its successor's.

    Parameters
    ----------
    llr : (n_units,) float64
        In the order of showing; NaN where a window had no value.
    response : (n_units,) int64
        Which showing of which response a unit belongs to.

    Returns
    -------
    (n_units, 2) float64
        NaN in the second column for the last unit of a response.
    """
    successor = np.full(len(llr), np.nan)
    follows = response[1:] == response[:-1]
    successor[:-1][follows] = llr[1:][follows]
    return np.column_stack([llr, successor])


def fit_spans(llr: NDArray[np.float64], response: NDArray[np.int64], positive: NDArray[np.bool_]) -> LogOddsSum:
    """Fit the weights of the own and the next answer on held-out evidence.

    Parameters
    ----------
    llr, response
        As in `span_terms`.
    positive : (n_units,) bool
        Whether the unit itself is an error.

    Raises
    ------
    FitError
        Too few units of a class.
    """
    return fit_log_odds(span_terms(llr, response), positive)


def span_llr(weights: LogOddsSum, llr: NDArray[np.float64], response: NDArray[np.int64]) -> NDArray[np.float64]:
    """Evidence (n_units,) for an error of each unit from its own answer and the one to its successor.

    A unit without a value of its own gets what its successor says; 0 where both are missing.
    """
    return weights.llr(span_terms(llr, response))
