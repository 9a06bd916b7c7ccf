"""Means, roots and tangent space of covariances at fitting time."""

import warnings

import numpy as np
from numpy.typing import NDArray

from decoders.estimators.base import EstimatorError

Floats = NDArray[np.float64]


def riemannian_mean(covariances: Floats) -> Floats:
    """Affine-invariant mean (n, n) of (n_trials, n, n) positive definite matrices, pyriemann's.

    Raises
    ------
    EstimatorError
        A matrix is not positive definite: a channel carries nothing.
    """
    # imported when it is wanted: it takes more than a second, which every start of every process would wait for
    from pyriemann.geometry.mean import mean_riemann

    if not np.isfinite(covariances).all() or np.linalg.eigvalsh(covariances).min() <= 0:
        n = covariances.shape[1]
        sentence = f"Covariances of {n} rows are not positive definite, as from n_features = 1 or flat channels."
        raise EstimatorError(f"{sentence} Give finer windows and live channels.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # 50 iterations without full convergence: the mean serves as a reference all the same
        return np.asarray(mean_riemann(covariances), dtype=np.float64)


def inverse_root(matrix: Floats) -> Floats:
    """Symmetric inverse square root (n, n) of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.ascontiguousarray((vectors / np.sqrt(values)) @ vectors.T)


def tangent_rows(covariances: Floats, whitener: Floats) -> Floats:
    """Upper triangles (n_trials, n (n + 1) / 2) of log(whitener C whitener), off-diagonal entries times sqrt 2, so that lengths stay."""
    values, vectors = np.linalg.eigh(whitener @ covariances @ whitener)
    logs = (vectors * np.log(values)[:, np.newaxis, :]) @ vectors.transpose(0, 2, 1)
    i, j = np.triu_indices(len(whitener))
    return np.ascontiguousarray(logs[:, i, j] * np.where(i == j, 1.0, np.sqrt(2.0)))
