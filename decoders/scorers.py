"""Scorers: what is left of a fitted classifier when one window is to be scored: numbers, and a kernel that turns a window into a score.

A scorer is rebuilt from its arrays alone, so a decoder's file holds no code, and a worker imports none of the libraries that fitted it.
"""

import importlib
from collections.abc import Mapping
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from decoders import kernels
from decoders.spec import MismatchError

Parameters = Mapping[str, NDArray[np.float64]]


@runtime_checkable
class Scorer(Protocol):
    """Scores one window; larger means the positive class."""

    kind: ClassVar[str]
    """Name in `SCORERS`, written into the decoder's file."""

    def score(self, features: NDArray[np.float64]) -> float:
        """Score one window's features (n_windows * n_channels,), microvolt: the same bits at every call, whatever was scored before."""
        ...

    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """Everything learnt, as float64 arrays."""
        ...

    @classmethod
    def from_parameters(cls, parameters: Parameters, n_windows: int, n_channels: int) -> Self:
        """Build the scorer from what `parameters` gave.

        Raises
        ------
        MismatchError
            An array is missing, of another shape, or not finite.
        """
        ...


SCORERS = {
    "linear": "decoders.scorers:LinearScorer",
    "xdawn_tangent": "decoders.estimators.covariance_scorers:TangentScorer",
    "erp_mdm": "decoders.estimators.covariance_scorers:DistanceScorer",
    "eegnet": "decoders.estimators.eegnet_scorer:EEGNetScorer",
    "stack": "decoders.estimators.stack_scorer:StackScorer",
}
"""Where the class of each kind is; imported when a decoder of it is loaded."""


def scorer_class(kind: str) -> type[Scorer]:
    """Return the class of a kind.

    Raises
    ------
    MismatchError
        There is none; the message names the kinds there are.
    """
    if kind not in SCORERS:
        raise MismatchError(f"This version has no scorer of kind '{kind[:40]}'; it has {', '.join(sorted(SCORERS))}. Use the version that fitted the decoder.")
    module, name = SCORERS[kind].split(":")
    found: type[Scorer] = getattr(importlib.import_module(module), name)
    return found


def own_copy(scorer: Scorer, n_windows: int, n_channels: int) -> Scorer:
    """Build the scorer anew for one stream, with memory of its own, and call it once so that nothing is compiled on the live path.

    Raises
    ------
    MismatchError
        Its numbers do not fit windows of this size.
    """
    copy = type(scorer).from_parameters(scorer.parameters(), n_windows, n_channels)
    copy.score(np.random.default_rng(0).normal(scale=10.0, size=n_windows * n_channels))
    return copy


def checked_array(parameters: Parameters, name: str, shape: tuple[int, ...] | None, kind: str) -> NDArray[np.float64]:
    """Take an array of a scorer out of its parameters.

    Parameters
    ----------
    parameters : mapping
    name : str
    shape : tuple of int or None
        What it must be; None for any.
    kind : str
        The scorer's, for the sentence.

    Raises
    ------
    MismatchError
        It is missing, of another shape, or not finite.
    """
    if name not in parameters:
        raise MismatchError(f"A decoder of kind '{kind}' lacks its '{name}'; fit it again.")
    array = np.ascontiguousarray(parameters[name], dtype=np.float64)
    if shape is not None and array.shape != shape:
        raise MismatchError(f"The decoder has {name} of shape {array.shape}, its window needs {shape}; fit it again.")
    if not np.isfinite(array).all():
        raise MismatchError(f"The decoder's {name} hold numbers that are not finite; fit it again.")
    return array


class LinearScorer:
    """Weighted sum of the features.

    Parameters
    ----------
    weights : (n_features,) float64
        Window slowest, channel fastest.
    bias : float

    Notes
    -----
    score = w'x + b, added up in the order of the features.
    """

    kind: ClassVar[str] = "linear"

    def __init__(self, weights: NDArray[np.float64], bias: float) -> None:
        self.weights = np.ascontiguousarray(weights, dtype=np.float64)
        self.bias = float(bias)

    def score(self, features: NDArray[np.float64]) -> float:
        """Score one window's features (n_features,)."""
        return float(kernels.linear_score(features, self.weights, self.bias))

    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """Weights (n_features,) and bias (1,)."""
        return {"weights": self.weights, "bias": np.array([self.bias])}

    @classmethod
    def from_parameters(cls, parameters: Parameters, n_windows: int, n_channels: int) -> Self:
        """Build it from `weights` and `bias`.

        Raises
        ------
        MismatchError
            They do not fit the windows, or are not finite.
        """
        weights = checked_array(parameters, "weights", (n_windows * n_channels,), cls.kind)
        return cls(weights, float(checked_array(parameters, "bias", (1,), cls.kind)[0]))
