"""What the classifiers of epochs have in common: scikit-learn's verbs on rows of windowed means of two classes."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from decoders.spec import FitError

if TYPE_CHECKING:
    from decoders.scorers import Scorer

_CLASSES = 2
_MIN_TRIALS = 3


class EstimatorError(FitError, ValueError):
    """The trials do not allow a classifier; also a ValueError, as scikit-learn's estimators raise."""


@dataclass(frozen=True, slots=True)
class Epochs:
    """Checked training trials."""

    rows: NDArray[np.float64]
    """(n_trials, n_windows * n_channels) microvolt."""
    cube: NDArray[np.float64]
    """(n_trials, n_windows, n_channels), the same memory."""
    positive: NDArray[np.bool_]
    """(n_trials,)."""


class EpochClassifier(ClassifierMixin, BaseEstimator):
    """Two-class classifier of rows (n_windows * n_channels), window slowest, channel fastest.

    Attributes
    ----------
    classes_ : (2,)
        The class of larger label is the positive one.
    n_features_in_ : int
    """

    n_channels: int
    classes_: NDArray[Any]
    n_features_in_: int

    @abstractmethod
    def scorer(self) -> "Scorer":
        """Return the one-window kernel of the fitted classifier."""

    @abstractmethod
    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score checked rows (n_trials, n_features)."""

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Scores (n_trials,) of (n_trials, n_features) microvolt, positive for ``classes_[1]``; not calibrated."""
        check_is_fitted(self)
        return self._scores(np.ascontiguousarray(validate_data(self, X, dtype=np.float64, reset=False)))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Probabilities (n_trials, 2) of both classes, the logistic function of the scores."""
        p = expit(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Labels (n_trials,)."""
        second = self.decision_function(X) > 0
        return self.classes_[second.astype(int)]

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that there are two classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _epochs(self, X: ArrayLike, y: ArrayLike, min_windows: int = 1) -> Epochs:  # noqa: N803
        """Check training trials and set ``classes_``.

        Raises
        ------
        EstimatorError
            Not two classes, too few trials, or rows that the channels do not divide.
        """
        checked, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, found = np.unique(labels, return_inverse=True)
        if len(self.classes_) == 1:
            raise EstimatorError(f"All {len(labels)} trials are of one class ({self.classes_[0]!r}); a decoder needs trials of both classes.")
        if len(self.classes_) > _CLASSES:
            raise EstimatorError(f"Only binary classification is supported. The type of the target is multiclass: {len(self.classes_)} classes; give two.")
        rows: NDArray[np.float64] = np.ascontiguousarray(checked)
        n_trials, n_features = rows.shape
        if n_trials < _MIN_TRIALS:
            raise EstimatorError(f"{n_trials} trials (n_samples = {n_trials}) are too few to learn from; record at least {_MIN_TRIALS}, better 100.")
        if self.n_channels < 1 or n_features % self.n_channels:
            raise EstimatorError(f"{n_features} features are no whole number of windows of {self.n_channels} channels; give n_channels as in the rows.")
        n_windows = n_features // self.n_channels
        if n_windows < min_windows:
            sentence = f"Rows of n_features = {n_features} hold {n_windows} window(s); this classifier needs at least {min_windows}."
            raise EstimatorError(f"{sentence} Give finer steps.")
        return Epochs(rows, rows.reshape(n_trials, n_windows, self.n_channels), found == 1)
