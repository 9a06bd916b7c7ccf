"""Compiled inner loops of one-window decoding with covariances; fitting goes through the same ones.

As in `decoders.kernels` nothing is re-associated and nothing depends on a batch. Eigenvalues come from LAPACK, one small matrix at
a time, so that equal windows give equal bits.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def compiled(function: _Kernel) -> _Kernel:
    """Compile without fastmath; the machine code is cached beside this file."""
    return cast("_Kernel", numba.njit(cache=True, fastmath=False)(function))


@compiled
def super_covariance(  # noqa: C901  # loops, no decisions
    window: Floats, filters: Floats, prototypes: Floats, fixed: Floats, signals: Floats, covariance: Floats
) -> None:
    """Covariance of filtered channels stacked under prototypes, shrunk after the oracle approximating formula.

    Parameters
    ----------
    window : (n_windows, n_channels) float64
        One trial.
    filters : (n_channels, n_filters) float64
    prototypes : (n_windows, n_prototypes) float64
        Mean responses, each of mean 0 over time.
    fixed : (n_prototypes, n_prototypes) float64
        Covariance of the prototypes.
    signals : (n_windows, n_filters) float64
        Overwritten by the filtered, centred trial.
    covariance : (n, n) float64
        Overwritten; n = n_prototypes + n_filters.

    Notes
    -----
    C = (1 - s) S + s tr(S)/n I, S with 1/n_windows, s = min(1, (a + m^2) / ((n_windows + 1)(a - m^2/n))), a the mean of the squared
    entries of S and m = tr(S)/n: Chen et al. (2010), doi:10.1109/TSP.2010.2053029, as in scikit-learn's ``oas``.
    """
    n_windows, n_channels = window.shape
    n_filters, n_prototypes = filters.shape[1], prototypes.shape[1]
    n = n_prototypes + n_filters
    means = np.zeros(n_filters)
    for t in range(n_windows):
        for f in range(n_filters):
            signals[t, f] = 0.0
        for c in range(n_channels):
            value = window[t, c]
            for f in range(n_filters):
                signals[t, f] += value * filters[c, f]
        for f in range(n_filters):
            means[f] += signals[t, f]
    covariance[:, :] = 0.0
    for t in range(n_windows):
        for f in range(n_filters):
            signals[t, f] -= means[f] / n_windows
        for f in range(n_filters):
            value = signals[t, f]
            row = n_prototypes + f
            for p in range(n_prototypes):
                covariance[row, p] += value * prototypes[t, p]
            for g in range(n_filters):
                covariance[row, n_prototypes + g] += value * signals[t, g]
    for i in range(n_prototypes, n):
        for j in range(n):
            covariance[i, j] /= n_windows
            if j < n_prototypes:
                covariance[j, i] = covariance[i, j]
    for i in range(n_prototypes):
        for j in range(n_prototypes):
            covariance[i, j] = fixed[i, j]
    _shrink(covariance, n_windows)


@compiled
def _shrink(covariance: Floats, n_windows: int) -> None:
    n = covariance.shape[0]
    squares, trace = 0.0, 0.0
    for i in range(n):
        trace += covariance[i, i]
        for j in range(n):
            squares += covariance[i, j] * covariance[i, j]
    mean, square = trace / n, squares / (n * n)
    denominator = (n_windows + 1.0) * (square - mean * mean / n)
    weight = 1.0 if denominator == 0.0 else min((square + mean * mean) / denominator, 1.0)
    for i in range(n):
        for j in range(n):
            covariance[i, j] *= 1.0 - weight
        covariance[i, i] += weight * mean


@compiled
def sandwich(outer: Floats, inner: Floats, half: Floats, product: Floats) -> None:
    """Overwrite `product` with outer @ inner @ outer, all (n, n) float64 and symmetric; `half` is scratch."""
    n = outer.shape[0]
    for i in range(n):
        for j in range(n):
            half[i, j] = 0.0
        for k in range(n):
            value = outer[i, k]
            for j in range(n):
                half[i, j] += value * inner[k, j]
    for i in range(n):
        for j in range(n):
            product[i, j] = 0.0
        for k in range(n):
            value = half[i, k]
            for j in range(n):
                product[i, j] += value * outer[k, j]


@compiled
def log_projection(matrix: Floats, weights: Floats) -> float:
    """Return sum_ij weights_ij log(matrix)_ij = sum_k log(l_k) v_k' weights v_k, from eigenvalues l and eigenvectors v of the (n, n) matrix."""
    n = matrix.shape[0]
    values, vectors = np.linalg.eigh(matrix)
    total = 0.0
    projected = np.empty(n)
    forms = np.zeros(n)
    for i in range(n):
        for k in range(n):
            projected[k] = 0.0
        for j in range(n):
            weight = weights[i, j]
            for k in range(n):
                projected[k] += weight * vectors[j, k]
        for k in range(n):
            forms[k] += vectors[i, k] * projected[k]
    for k in range(n):
        total += np.log(values[k]) * forms[k]
    return total


@compiled
def squared_distance(matrix: Floats) -> float:
    """Squared affine-invariant distance of a whitened (n, n) matrix from the identity: sum_k log(l_k)^2."""
    total = 0.0
    for value in np.linalg.eigvalsh(matrix):
        total += np.log(value) ** 2
    return total
