"""One-window kernels of the classifiers that work with covariances: tangent space after xDAWN, and minimum distance to mean."""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from decoders.estimators.kernels import compiled, log_projection, sandwich, squared_distance, super_covariance
from decoders.estimators.parameters import taken

Floats = NDArray[np.float64]


@compiled
def _tangent_scores(
    rows: Floats,
    filters: Floats,
    prototypes: Floats,
    fixed: Floats,
    whitener: Floats,
    weights: Floats,
    bias: float,
    signals: Floats,
    square: Floats,
    scores: Floats,
) -> None:
    n_windows, n_channels = prototypes.shape[0], filters.shape[0]
    for i in range(rows.shape[0]):
        super_covariance(rows[i].reshape(n_windows, n_channels), filters, prototypes, fixed, signals, square[0])
        sandwich(whitener, square[0], square[1], square[2])
        scores[i] = log_projection(square[2], weights) + bias


@compiled
def _distance_scores(
    rows: Floats, filters: Floats, prototypes: Floats, fixed: Floats, whiteners: Floats, signals: Floats, square: Floats, scores: Floats
) -> None:
    n_windows, n_channels = prototypes.shape[0], filters.shape[0]
    for i in range(rows.shape[0]):
        super_covariance(rows[i].reshape(n_windows, n_channels), filters, prototypes, fixed, signals, square[0])
        sandwich(whiteners[0], square[0], square[1], square[2])
        negative = squared_distance(square[2])
        sandwich(whiteners[1], square[0], square[1], square[2])
        scores[i] = negative - squared_distance(square[2])


@compiled
def _super_covariances(rows: Floats, filters: Floats, prototypes: Floats, fixed: Floats, signals: Floats, covariances: Floats) -> None:
    n_windows, n_channels = prototypes.shape[0], filters.shape[0]
    for i in range(rows.shape[0]):
        super_covariance(rows[i].reshape(n_windows, n_channels), filters, prototypes, fixed, signals, covariances[i])


def super_covariances(rows: Floats, filters: Floats, prototypes: Floats) -> Floats:
    """Covariances (n_trials, n, n) of trials under prototypes, by the kernel that decodes.

    Parameters
    ----------
    rows : (n_trials, n_windows * n_channels) float64
    filters : (n_channels, n_filters) float64
    prototypes : (n_windows, n_prototypes) float64
        Centred over time.
    """
    n = prototypes.shape[1] + filters.shape[1]
    covariances = np.empty((len(rows), n, n))
    signals = np.empty((len(prototypes), filters.shape[1]))
    _super_covariances(np.ascontiguousarray(rows), filters, prototypes, _covariance(prototypes), signals, covariances)
    return covariances


def _covariance(prototypes: Floats) -> Floats:
    # added up in order, as in the kernel, instead of by BLAS, whose sums differ between machines
    fixed = np.zeros((prototypes.shape[1], prototypes.shape[1]))
    for row in prototypes:
        fixed += np.multiply.outer(row, row)
    fixed /= len(prototypes)
    return fixed


class TangentScorer:
    """Scores a window by logistic regression in the tangent space of xDAWN covariances (`decoders.estimators.xdawn`).

    Parameters
    ----------
    filters : (n_channels, n_filters) float64
    prototypes : (n_windows, n_prototypes) float64
    whitener : (n, n) float64
        Inverse square root of the reference; n = n_prototypes + n_filters.
    weights : (n, n) float64
        Symmetric; the score is sum_ij weights_ij log(whitener C whitener)_ij + bias.
    bias : float
    """

    kind: ClassVar[str] = "xdawn_tangent"

    def __init__(self, filters: Floats, prototypes: Floats, whitener: Floats, weights: Floats, bias: float) -> None:
        self._filters, self._prototypes, self._whitener, self._weights = (np.array(a, order="C") for a in (filters, prototypes, whitener, weights))
        self._bias = float(bias)
        self._fixed = _covariance(self._prototypes)
        self._signals, self._square = np.empty((len(prototypes), filters.shape[1])), np.empty((3, *whitener.shape))
        self._row, self._score = np.zeros((1, prototypes.shape[0] * filters.shape[0])), np.empty(1)
        self.score(self._row[0])  # compiled, or loaded from the cache, before it is needed

    def __reduce__(self) -> tuple[type[Self], tuple[Floats, Floats, Floats, Floats, float]]:
        """Copy what was learnt only; scratch memory is a scorer's own, and writable."""
        return type(self), (self._filters, self._prototypes, self._whitener, self._weights, self._bias)

    def score(self, features: Floats) -> float:
        """Score of one window (n_features,) microvolt."""
        self._row[0] = features
        self._into(self._row, self._score)
        return float(self._score[0])

    def scores(self, rows: Floats) -> Floats:
        """Scores (n_trials,) of (n_trials, n_features), each as `score` gives it."""
        out = np.empty(len(rows))
        self._into(np.ascontiguousarray(rows), out)
        return out

    def _into(self, rows: Floats, scores: Floats) -> None:
        _tangent_scores(rows, self._filters, self._prototypes, self._fixed, self._whitener, self._weights, self._bias, self._signals, self._square, scores)

    def parameters(self) -> dict[str, Floats]:
        """Everything learnt."""
        return {
            "filters": self._filters,
            "prototypes": self._prototypes,
            "whitener": self._whitener,
            "weights": self._weights,
            "bias": np.array([self._bias]),
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Floats], n_windows: int, n_channels: int) -> Self:
        """Rebuild from `parameters`.

        Raises
        ------
        MismatchError
            They are not those of such a scorer for so many windows and channels.
        """
        filters, prototypes = taken(parameters, cls.kind, {"filters": (n_channels, None), "prototypes": (n_windows, None)})
        n = filters.shape[1] + prototypes.shape[1]
        whitener, weights, bias = taken(parameters, cls.kind, {"whitener": (n, n), "weights": (n, n), "bias": (1,)})
        return cls(filters, prototypes, whitener, weights, float(bias[0]))


class DistanceScorer:
    """Scores a window by its distances to the mean covariances of both classes (`decoders.estimators.mdm`).

    Parameters
    ----------
    prototypes : (n_windows, n_prototypes) float64
    whiteners : (2, n, n) float64
        Inverse square roots of the negative and the positive class's mean; n = n_prototypes + n_channels.
    """

    kind: ClassVar[str] = "erp_mdm"

    def __init__(self, prototypes: Floats, whiteners: Floats) -> None:
        self._prototypes, self._whiteners = np.array(prototypes, order="C"), np.array(whiteners, order="C")
        n_channels = whiteners.shape[1] - prototypes.shape[1]
        self._filters, self._fixed = np.eye(n_channels), _covariance(self._prototypes)
        self._signals, self._square = np.empty((len(prototypes), n_channels)), np.empty((3, *whiteners.shape[1:]))
        self._row, self._score = np.zeros((1, len(prototypes) * n_channels)), np.empty(1)
        self.score(self._row[0])

    def __reduce__(self) -> tuple[type[Self], tuple[Floats, Floats]]:
        """Copy what was learnt only; scratch memory is a scorer's own, and writable."""
        return type(self), (self._prototypes, self._whiteners)

    def score(self, features: Floats) -> float:
        """Score of one window (n_features,) microvolt."""
        self._row[0] = features
        self._into(self._row, self._score)
        return float(self._score[0])

    def scores(self, rows: Floats) -> Floats:
        """Scores (n_trials,) of (n_trials, n_features), each as `score` gives it."""
        out = np.empty(len(rows))
        self._into(np.ascontiguousarray(rows), out)
        return out

    def _into(self, rows: Floats, scores: Floats) -> None:
        _distance_scores(rows, self._filters, self._prototypes, self._fixed, self._whiteners, self._signals, self._square, scores)

    def parameters(self) -> dict[str, Floats]:
        """Everything learnt."""
        return {"prototypes": self._prototypes, "whiteners": self._whiteners}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Floats], n_windows: int, n_channels: int) -> Self:
        """Rebuild from `parameters`.

        Raises
        ------
        MismatchError
            They are not those of such a scorer for so many windows and channels.
        """
        (prototypes,) = taken(parameters, cls.kind, {"prototypes": (n_windows, None)})
        n = prototypes.shape[1] + n_channels
        (whiteners,) = taken(parameters, cls.kind, {"whiteners": (2, n, n)})
        return cls(prototypes, whiteners)
