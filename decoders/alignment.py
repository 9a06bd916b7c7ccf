"""Euclidean alignment that never looks ahead: windows are whitened with the covariance of their own recording so far."""

import numpy as np
from numpy.typing import NDArray

from decoders.offline import FilteredRecording

PRIOR_S = 10.0
"""A recording's first seconds weigh against a sphere of their own mean power for as long; whitening starts gently."""


def whitenings_at(filtered: FilteredRecording, stops: NDArray[np.int64], sampling_rate_hz: float, prior_s: float = PRIOR_S) -> NDArray[np.float64]:
    """Whitening matrices from all good samples before each stop.

    Parameters
    ----------
    filtered : FilteredRecording
    stops : (n,) int64
        Sample indices, ascending; samples at or after a stop do not count.
    sampling_rate_hz : float
    prior_s : float

    Returns
    -------
    (n, n_channels, n_channels) float64
        Symmetric; ``x @ whitening`` has unit covariance over the recording so far.

    Notes
    -----
    R_t = (sum_{s<t} x_s x_s^T + n0 P I) / (t + n0), P the mean power per channel so far, n0 = prior_s * rate;
    the whitening is R_t^{-1/2}.

    References
    ----------
    He and Wu (2020), doi:10.1109/TBME.2019.2913914.
    """
    n_channels = filtered.rows.shape[1]
    good = filtered.marks == 0
    total, counted, reached = np.zeros((n_channels, n_channels)), 0, filtered.first_index
    whitenings = np.empty((len(stops), n_channels, n_channels))
    for i, stop in enumerate(stops):
        piece = slice(reached - filtered.first_index, int(stop) - filtered.first_index)
        rows = filtered.rows[piece][good[piece]]
        total += rows.T @ rows
        counted += len(rows)
        reached = int(stop)
        whitenings[i] = _inverse_root(total, counted, prior_s * sampling_rate_hz)
    return whitenings


def _inverse_root(total: NDArray[np.float64], counted: int, prior_samples: float) -> NDArray[np.float64]:
    n_channels = len(total)
    power = np.trace(total) / n_channels / max(counted, 1)
    if not power > 0:
        return np.eye(n_channels)
    covariance = (total + prior_samples * power * np.eye(n_channels)) / (counted + prior_samples)
    values, vectors = np.linalg.eigh(covariance)
    # a floor: a channel that is a mixture of others has no power of its own to be blown up
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-6 * power))) @ vectors.T, dtype=np.float64)
