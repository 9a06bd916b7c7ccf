"""EEGNet's forward pass for one window without torch: its linear layers folded into three, in one compiled loop."""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from decoders.estimators.kernels import compiled
from decoders.estimators.parameters import taken
from decoders.spec import MismatchError

Floats = NDArray[np.float64]


@compiled
def _elu(value: float) -> float:
    return value if value > 0.0 else float(np.exp(value) - 1.0)


@compiled
def _forward(  # noqa: C901  # loops, no decisions
    window: Floats,
    spatial: Floats,
    temporal: Floats,
    first_bias: Floats,
    pool: int,
    depthwise: Floats,
    pointwise: Floats,
    second_bias: Floats,
    last_pool: int,
    last: Floats,
    bias: float,
    mixed: Floats,
    pooled: Floats,
) -> float:
    n_windows, n_channels = window.shape
    n_maps, width = temporal.shape
    for t in range(n_windows):  # every map's own mixture of channels
        for m in range(n_maps):
            mixed[t, m] = 0.0
        for c in range(n_channels):
            for m in range(n_maps):
                mixed[t, m] += window[t, c] * spatial[c, m]
    left = (width - 1) // 2
    for p in range(pooled.shape[0]):  # filtered in time, ELU, mean of `pool` windows
        for m in range(n_maps):
            total = 0.0
            for t in range(p * pool, (p + 1) * pool):
                value = first_bias[m]
                for k in range(max(0, left - t), min(width, n_windows + left - t)):
                    value += temporal[m, k] * mixed[t + k - left, m]
                total += _elu(value)
            pooled[p, m] = total / pool
    n_pooled, n_kernels, short = pooled.shape[0], pointwise.shape[0], depthwise.shape[1]
    left = (short - 1) // 2
    slow = np.empty(n_maps)
    score = bias
    for t in range((n_pooled // last_pool) * last_pool):  # separable convolution, ELU, mean of `last_pool`, last layer
        for m in range(n_maps):
            value = 0.0
            for k in range(max(0, left - t), min(short, n_pooled + left - t)):
                value += depthwise[m, k] * pooled[t + k - left, m]
            slow[m] = value
        for f in range(n_kernels):
            value = second_bias[f]
            for m in range(n_maps):
                value += pointwise[f, m] * slow[m]
            score += last[f, t // last_pool] * _elu(value) / last_pool
    return score


class EEGNetScorer:
    """Scores a window with a trained EEGNet (`decoders.estimators.eegnet`).

    Parameters
    ----------
    spatial : (n_channels, n_maps) float64
        Batch normalisation and input scale are folded in, here and in the other layers.
    temporal : (n_maps, width) float64
        As torch's convolution: not turned round, padded by (width - 1) // 2 on the left to keep the length.
    first_bias : (n_maps,) float64
    depthwise : (n_maps, short_width) float64
    pointwise : (n_kernels, n_maps) float64
    second_bias : (n_kernels,) float64
    last : (n_kernels, n_times) float64
    bias : float
    pools : tuple of int
        Windows averaged after the first and after the second stage.
    n_windows : int
    """

    kind: ClassVar[str] = "eegnet"

    def __init__(
        self,
        spatial: Floats,
        temporal: Floats,
        first_bias: Floats,
        depthwise: Floats,
        pointwise: Floats,
        second_bias: Floats,
        last: Floats,
        bias: float,
        pools: tuple[int, int],
        n_windows: int,
    ) -> None:
        arrays = (spatial, temporal, first_bias, depthwise, pointwise, second_bias, last)
        self._arrays = tuple(np.array(a, dtype=np.float64, order="C") for a in arrays)
        self._bias, self._pools = float(bias), pools
        self._shape = n_windows, spatial.shape[0]
        self._mixed = np.empty((n_windows, spatial.shape[1]))
        self._pooled = np.empty((n_windows // pools[0], spatial.shape[1]))
        self.score(np.zeros(n_windows * spatial.shape[0]))  # compiled, or loaded from the cache, before it is needed

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """Copy what was learnt only; scratch memory is a scorer's own, and writable."""
        return type(self), (*self._arrays, self._bias, self._pools, self._shape[0])

    def score(self, features: Floats) -> float:
        """Score of one window (n_features,) microvolt."""
        spatial, temporal, first_bias, depthwise, pointwise, second_bias, last = self._arrays
        window = features.reshape(self._shape)
        first, second = self._pools
        return float(
            _forward(window, spatial, temporal, first_bias, first, depthwise, pointwise, second_bias, second, last, self._bias, self._mixed, self._pooled)
        )

    def scores(self, rows: Floats) -> Floats:
        """Scores (n_trials,) of (n_trials, n_features), each as `score` gives it."""
        return np.array([self.score(row) for row in np.ascontiguousarray(rows)], dtype=np.float64)

    def parameters(self) -> dict[str, Floats]:
        """Everything learnt."""
        names = ("spatial", "temporal", "first_bias", "depthwise", "pointwise", "second_bias", "last")
        numbers = {"bias": np.array([self._bias]), "pools": np.array(self._pools, dtype=np.float64), "n_windows": np.array([float(self._shape[0])])}
        return dict(zip(names, self._arrays, strict=True)) | numbers

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Floats], n_windows: int, n_channels: int) -> Self:
        """Rebuild from `parameters`.

        Raises
        ------
        MismatchError
            They are not those of such a scorer for so many windows and channels.
        """
        spatial, pools, trained_on = taken(parameters, cls.kind, {"spatial": (n_channels, None), "pools": (2,), "n_windows": (1,)})
        if trained_on[0] != n_windows:
            raise MismatchError(f"This 'eegnet' decoder was fitted on {trained_on[0]:g} windows, not {n_windows}; fit the decoder again.")
        first, second = (max(1, int(p)) for p in pools)
        maps, n_times = spatial.shape[1], (n_windows // first) // second
        temporal, first_bias, depthwise = taken(parameters, cls.kind, {"temporal": (maps, None), "first_bias": (maps,), "depthwise": (maps, None)})
        (pointwise,) = taken(parameters, cls.kind, {"pointwise": (None, maps)})
        n = len(pointwise)
        second_bias, last, bias = taken(parameters, cls.kind, {"second_bias": (n,), "last": (n, n_times), "bias": (1,)})
        return cls(spatial, temporal, first_bias, depthwise, pointwise, second_bias, last, float(bias[0]), (first, second), n_windows)
