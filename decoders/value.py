"""Graded liking: a ridge regression from RewP and LPP windows to ratings, with its spread and its gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from decoders.calibration import run_segments
from decoders.fitted import GateLine
from decoders.scorers import LinearScorer
from decoders.spec import ArtifactRules, DecoderSpec, FitError, Preprocessing, WindowSpec
from messaging.words import Signal

VALUE_EDGES_MS = (230.0, 350.0, 400.0, 600.0, 800.0)
"""RewP 230-350 ms; LPP 400-800 ms in halves."""
VALUE_WINDOWS = (0, 2, 3)
"""Of these edges; 350-400 ms belongs to neither."""
PENALTIES = tuple(float(penalty) for penalty in 10.0 ** np.arange(-2.0, 3.5, 0.5))
VALUE_LINE = "value_correlation"
MIN_TRIALS = 20
_MIN_BLOCKS = 3

Floats = NDArray[np.float64]


class RidgeValue(RegressorMixin, BaseEstimator):
    """Ridge regression on standardised features.

    Parameters
    ----------
    n_channels : int or None, default None
        Features are windows of this many channels; needed where `windows` is given.
    windows : sequence of int or None, default None
        Windows that are used; the others get weight 0. None for all.
    penalty : float, default 1.0
        In units of a feature's variance times the number of trials.

    Attributes
    ----------
    coef_ : (n_features,) float64
        Rating per microvolt.
    intercept_ : float

    Notes
    -----
    With z the standardised features of n trials: w = (Z'Z/n + penalty I)^-1 Z'(y - mean y)/n.

    References
    ----------
    Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634.
    """

    coef_: Floats
    intercept_: float

    def __init__(self, n_channels: int | None = None, windows: Sequence[int] | None = None, penalty: float = 1.0) -> None:
        self.n_channels = n_channels
        self.windows = windows
        self.penalty = penalty

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's names
        """Learn weights.

        Parameters
        ----------
        X : (n_trials, n_features)
            Microvolt, window slowest.
        y : (n_trials,)
            Ratings.

        Raises
        ------
        FitError
            `windows` does not fit the features, or the penalty is negative.
        """
        rows, ratings = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        used = _used_features(self.windows, self.n_channels, rows.shape[1])
        if not self.penalty >= 0:
            raise FitError(f"The penalty is {self.penalty}; give 0 or more.")
        self.coef_ = np.zeros(rows.shape[1])
        self.coef_[used] = _ridge(rows[:, used], ratings.astype(np.float64), [self.penalty])[0]
        self.intercept_ = float(ratings.mean() - rows.mean(axis=0) @ self.coef_)
        return self

    def predict(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Values (n_trials,) on the scale of the ratings, not calibrated."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        values: Floats = rows @ self.coef_ + self.intercept_
        return values

    def scorer(self) -> LinearScorer:
        """What decodes one window on a stream."""
        check_is_fitted(self)
        return LinearScorer(self.coef_, self.intercept_)


@dataclass(frozen=True, slots=True)
class ValueLine:
    """From a score to a value: value = slope * score + intercept."""

    slope: float
    """0 or more."""
    intercept: float
    value_sd: float
    """SD of ratings around the values of blocks that were left out."""

    def values(self, scores: Floats) -> Floats:
        """Values (n_trials,)."""
        return self.slope * scores + self.intercept


@dataclass(frozen=True, slots=True)
class FittedValue:
    """A value decoder with what left-out blocks say of it."""

    estimator: RidgeValue
    line: ValueLine
    gate: GateLine
    released: bool
    held_out_values: Floats
    """(n_trials,): of blocks that weights, penalty and line did not see."""
    held_out_sd: Floats
    """(n_trials,)."""


def value_spec(task: str, sampling_rate_hz: float, channel_names: tuple[str, ...], soa_ms: float | None = None) -> DecoderSpec:
    """Write out what the value decoder does with a stream; high-pass .1 Hz, for a causal .5 Hz distorts the LPP."""
    return DecoderSpec(
        pipeline="ridge_value",
        signal=Signal.VALUE,
        task=task,
        soa_ms=soa_ms,
        preprocessing=Preprocessing(sampling_rate_hz, channel_names, 0.1, 10.0),
        window=WindowSpec(VALUE_EDGES_MS),
        artifacts=ArtifactRules(),
    )


def fit_value(
    features: Floats, ratings: Floats, blocks: NDArray[np.int64], *, n_channels: int | None = None, windows: Sequence[int] | None = None, seed: int = 0
) -> FittedValue:
    """Fit and judge a value decoder.

    Every block is valued by weights, penalty and line from the other blocks (the penalty from leaving out one of those in turn, by
    squared error); these values go before the gate. The decoder itself is fitted the same way on all blocks.

    Parameters
    ----------
    features : (n_trials, n_features) float64
    ratings : (n_trials,) float64
    blocks : (n_trials,) int64
        Ascending; at least three.
    n_channels, windows
        As in `RidgeValue`.
    seed : int
        Of the gate's bootstrap.

    Raises
    ------
    FitError
        Fewer than 20 trials or three blocks, ratings that are all the same, or numbers that are not finite.
    """
    names = np.unique(blocks)
    if len(ratings) < MIN_TRIALS or len(names) < _MIN_BLOCKS:
        raise FitError(f"{len(ratings)} rated trials in {len(names)} blocks; a value decoder needs at least {MIN_TRIALS} in {_MIN_BLOCKS} or more.")
    if not (np.isfinite(features).all() and np.isfinite(ratings).all()):
        raise FitError("Features or ratings hold numbers that are not finite; leave such trials out.")
    if np.ptp(ratings) == 0:
        raise FitError(f"All {len(ratings)} ratings are {ratings[0]:g}; there is no liking to learn. Use the whole scale.")
    settings: dict[str, Any] = {"n_channels": n_channels, "windows": windows}
    values, spread = np.empty(len(ratings)), np.empty(len(ratings))
    for block in names:
        inside = blocks == block
        estimator, line = _fitted(features[~inside], ratings[~inside], blocks[~inside], settings)
        values[inside], spread[inside] = line.values(estimator.predict(features[inside])), line.value_sd
    gate = value_gate(values, ratings, blocks, seed=seed)
    estimator, line = _fitted(features, ratings, blocks, settings)
    return FittedValue(estimator, line, gate, gate.verdict == "passed", values, spread)


def value_gate(values: Floats, ratings: Floats, blocks: NDArray[np.int64], *, n_bootstrap: int = 2000, seed: int = 0) -> GateLine:
    """Judge values of left-out blocks by their correlation with the ratings; its lower 95 % bound (one-sided) must be above 0.

    Both are centred within blocks: a block left out pulls the mean of the others the other way, and drift of mood and signal over an
    hour would pass for liking. Draws are runs of successive trials, about 20 in all, as in the calibration's bootstrap.

    Parameters
    ----------
    values, ratings : (n_trials,) float64
    blocks : (n_trials,) int64
    n_bootstrap, seed : int

    Returns
    -------
    GateLine
    """
    x, y = _centred(values, blocks), _centred(ratings, blocks)
    segments = run_segments(blocks)
    sums = np.stack([np.bincount(segments, product) for product in (x * y, x * x, y * y)], axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=n_bootstrap).astype(np.float64) @ sums
    r = float(_correlation(sums.sum(axis=0, keepdims=True))[0])
    lower = float(np.quantile(_correlation(drawn), 0.05))
    passed = r > 0 and lower > 0
    sentence = f"Correlation of left-out values with ratings {r:.3f}, lower bound {lower:.3f}; needs a lower bound above 0."
    return GateLine(VALUE_LINE, "passed" if passed else "failed", r, lower, sentence)


def _fitted(features: Floats, ratings: Floats, blocks: NDArray[np.int64], settings: dict[str, Any]) -> tuple[RidgeValue, ValueLine]:
    """Penalty by leaving out blocks, line from the same left-out scores, weights from all."""
    scores = np.empty((len(PENALTIES), len(ratings)))
    used = _used_features(settings["windows"], settings["n_channels"], features.shape[1])
    for block in np.unique(blocks):
        inside = blocks == block
        train, truth = features[~inside][:, used], ratings[~inside]
        weights = _ridge(train, truth, PENALTIES)
        scores[:, inside] = weights @ (features[inside][:, used] - train.mean(axis=0)).T + truth.mean()
    best = int(((scores - ratings) ** 2).mean(axis=1).argmin())
    estimator = RidgeValue(**settings, penalty=PENALTIES[best]).fit(features, ratings)
    return estimator, _line(scores[best], ratings)


def _used_features(windows: Sequence[int] | None, n_channels: int | None, n_features: int) -> NDArray[np.bool_]:
    if windows is None:
        return np.ones(n_features, dtype=bool)
    if not n_channels or n_features % n_channels or max(windows) >= n_features // n_channels:
        raise FitError(f"Windows {tuple(windows)} of {n_channels} channels do not fit {n_features} features; give the number of channels.")
    return np.repeat(np.isin(np.arange(n_features // n_channels), windows), n_channels)


def _line(scores: Floats, ratings: Floats) -> ValueLine:
    variance = float(scores.var())
    slope = max(float(((scores - scores.mean()) * (ratings - ratings.mean())).mean()) / variance, 0.0) if variance > 0 else 0.0
    intercept = float(ratings.mean() - slope * scores.mean())
    residual = ratings - slope * scores - intercept
    return ValueLine(slope, intercept, float(np.sqrt((residual**2).sum() / (len(residual) - 2))))


def _ridge(rows: Floats, ratings: Floats, penalties: Sequence[float]) -> Floats:
    """Weights (n_penalties, n_features) for raw features; a constant feature gets 0."""
    spread = rows.std(axis=0)
    safe = np.where(spread > 0, spread, 1.0)
    z = (rows - rows.mean(axis=0)) / safe
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    target = vectors.T @ (z.T @ (ratings - ratings.mean()) / len(z))
    # without a penalty directions that no trial spans get 0, as the pseudo-inverse gives them
    floor = len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 1.0)
    scale = np.array([np.divide(1.0, values + penalty, out=np.zeros_like(values), where=values + penalty > floor) for penalty in penalties])
    weights: Floats = (scale * target) @ vectors.T / safe
    return weights


def _centred(x: Floats, blocks: NDArray[np.int64]) -> Floats:
    _, index = np.unique(blocks, return_inverse=True)
    centred: Floats = x - (np.bincount(index, x) / np.bincount(index))[index]
    return centred


def _correlation(sums: Floats) -> Floats:
    """Correlation of every row of sums of xy, xx, yy; 0 where one of them does not vary."""
    scale = np.sqrt(sums[:, 1] * sums[:, 2])
    return np.divide(sums[:, 0], scale, out=np.zeros(len(sums)), where=scale > 0)
