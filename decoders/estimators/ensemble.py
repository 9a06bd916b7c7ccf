"""Several classifiers, weighed by what they say about trials that they were not fitted on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from decoders.estimators.base import EpochClassifier, EstimatorError
from decoders.estimators.mdm import ErpCovarianceMdm
from decoders.estimators.stack_scorer import Member, StackScorer, coarser
from decoders.estimators.toeplitz import BlockToeplitzLDA
from decoders.estimators.xdawn import XdawnTangentSpace
from decoders.lda import ShrinkageLDA

COARSE = 5
"""Fine windows of 8 ms that a linear member sees as one of 40 ms: more features than trials help none of them."""
MARGIN = 4
"""Trials beside a left-out block that are not trained on either: at token rate their windows share samples with it."""
_MIN_FOLDS = 2
PENALTY = 1.0
"""Weight of the squared distance from equal weights, in log-likelihood: with few trials the members are averaged."""


@dataclass(frozen=True, slots=True)
class _Kind:
    make: Callable[[int], Any]
    group: int


_KINDS = {
    "lda": _Kind(lambda _: ShrinkageLDA(), COARSE),
    "toeplitz": _Kind(BlockToeplitzLDA, COARSE),
    "xdawn": _Kind(XdawnTangentSpace, 1),
    "mdm": _Kind(ErpCovarianceMdm, 1),
}


class Ensemble(EpochClassifier):
    """Weighted sum of the scores of several classifiers.

    Parameters
    ----------
    n_channels : int, default 1
        Rows are (n_windows * n_channels), window slowest, trials in chronological order.
    members : sequence of str, default ("lda", "toeplitz", "xdawn", "mdm")
    n_folds : int, default 4
        Blocks of consecutive trials that are left out in turn for the weights; fewer, where one class has fewer trials.

    Attributes
    ----------
    weights_ : (n_members,) float64
        Of the members' scores divided by their standard deviation.

    Notes
    -----
    Stacking: every member scores every block of consecutive trials after a fit on the other blocks, without the trials next to it.
    With z the held-out scores divided by their standard deviations, the weights maximise
    sum log p(y | sigma(w.z + b)) - penalty * |w - mean(w)|^2 over w >= 0. A negative weight would be a bet on one member's error
    being another's; with a few hundred trials that is noise. The members are then fitted on all trials.

    References
    ----------
    Wolpert (1992), doi:10.1016/S0893-6080(05)80023-1. Breiman (1996), doi:10.1007/BF00117832 (weights of at least 0).
    """

    def __init__(self, n_channels: int = 1, members: Sequence[str] = ("lda", "toeplitz", "xdawn", "mdm"), n_folds: int = 4) -> None:
        self.n_channels = n_channels
        self.members = members
        self.n_folds = n_folds

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from (n_trials, n_features) microvolt, in chronological order, and (n_trials,) labels of two classes.

        Raises
        ------
        EstimatorError
            Not two classes, too few trials for the folds, or trials that a member cannot be fitted on.
        """
        unknown = [name for name in self.members if name not in _KINDS]
        if unknown or not self.members:
            raise EstimatorError(f"An ensemble has members of {', '.join(_KINDS)}; {unknown[0] if unknown else 'none'!r} is none of them.")
        epochs = self._epochs(X, y)
        n_windows = epochs.cube.shape[1]
        groups = [kind.group if n_windows >= 2 * kind.group else 1 for kind in (_KINDS[name] for name in self.members)]
        rows = [coarser(epochs.rows, self.n_channels, group) for group in groups]
        held_out = np.column_stack([self._held_out(_KINDS[name], own, epochs.positive) for name, own in zip(self.members, rows, strict=True)])
        spread = held_out.std(axis=0)
        spread[spread == 0] = 1.0
        self.weights_, bias = stacking_weights(held_out / spread, epochs.positive)
        fitted = [_KINDS[name].make(self.n_channels).fit(own, epochs.positive) for name, own in zip(self.members, rows, strict=True)]
        stacked = [Member(c.scorer(), group, float(w)) for c, group, w in zip(fitted, groups, self.weights_ / spread, strict=True)]
        self.scorer_ = StackScorer(stacked, bias, n_windows, self.n_channels)
        return self

    def _held_out(self, kind: _Kind, rows: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
        scores = np.empty(len(rows))
        fold = _folds(positive, self.n_folds)
        margin = MARGIN if len(rows) >= 10 * self.n_folds * MARGIN else 0
        for k in range(int(fold.max()) + 1):
            tested = fold == k
            near = np.convolve(tested, np.ones(2 * margin + 1), mode="same") > 0
            train = ~(near | tested) if not _one_class(positive[~near]) else ~tested
            scores[tested] = kind.make(self.n_channels).fit(rows[train], positive[train]).decision_function(rows[tested])
        return scores

    def scorer(self) -> StackScorer:
        """Return the one-window kernel."""
        return self.scorer_

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.scorer_.scores(rows)


def _folds(positive: NDArray[np.bool_], n_folds: int) -> NDArray[np.int64]:
    """Which block each trial belongs to: consecutive ones of each class, so that trials sorted by class can be left out too.

    Raises
    ------
    EstimatorError
        One class has a single trial.
    """
    n_rarer = int(min(positive.sum(), (~positive).sum()))
    n_folds = min(n_folds, n_rarer)
    if n_folds < _MIN_FOLDS:
        raise EstimatorError(f"One class has {n_rarer} trial(s) (n_samples = {len(positive)}); an ensemble needs at least {_MIN_FOLDS} of each, better 50.")
    fold = np.empty(len(positive), dtype=np.int64)
    for of_class in (positive, ~positive):
        fold[of_class] = np.arange(int(of_class.sum())) * n_folds // int(of_class.sum())
    return fold


def _one_class(positive: NDArray[np.bool_]) -> bool:
    return bool(positive.all() or not positive.any())


def stacking_weights(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Weights of at least 0, and the bias, that make held-out scores most likely.

    Parameters
    ----------
    scores : (n_trials, n_members) float64
        Held out, of standard deviation 1.
    positive : (n_trials,) bool
    """
    n_members = scores.shape[1]
    sign = np.where(positive, 1.0, -1.0)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = values[:-1], values[-1]
        margins = sign * (scores @ weights + bias)
        pull = -sign * expit(-margins)
        apart = weights - weights.mean()
        gradient = np.append(scores.T @ pull + 2 * PENALTY * apart, pull.sum())
        return float(np.logaddexp(0.0, -margins).sum() + PENALTY * apart @ apart), gradient

    start = np.append(np.full(n_members, 1.0 / n_members), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * n_members + [(None, None)])
    return np.asarray(found.x[:-1]), float(found.x[-1])
