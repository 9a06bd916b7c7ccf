"""Linear discriminant with a shrunk, pooled within-class covariance: the default decoder."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.covariance import ledoit_wolf
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from decoders.scorers import LinearScorer
from decoders.spec import FitError

_CLASSES = 2


class LdaError(FitError, ValueError):
    """The trials do not allow a discriminant; also a ValueError, as scikit-learn's estimators raise."""


class ShrinkageLDA(ClassifierMixin, BaseEstimator):
    """Two-class linear discriminant on windowed means.

    Parameters
    ----------
    shrinkage : float or None, default None
        Weight of the spherical target in [0, 1]; None takes it from Ledoit and Wolf's formula.
    standardize : bool, default True
        Shrink the correlation matrix instead of the covariance, so that one loud electrode does not set the target for all.

    Attributes
    ----------
    classes_ : (2,)
        The class of larger label is the positive one.
    coef_ : (1, n_features) float64
        Per microvolt.
    intercept_ : (1,) float64
    shrinkage_ : float
        The weight that was used.

    Notes
    -----
    With class means m, pooled within-class covariance S (maximum likelihood, 1/n) of standard deviations D and correlation
    R = D^-1 S D^-1, the shrunk covariance is C = D ((1 - g) R + g tr(R)/p I) D, and the score is
    w.x + b with w = C^-1 (m1 - m0), b = -w.(m1 + m0)/2 + log(n1/n0).

    scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=g)`` shrinks each class by itself and averages; for a
    given g that is the same matrix as ``standardize=False`` here. Its ``shrinkage="auto"`` estimates one g per class, this one
    g from all trials, which is steadier when errors are few.

    References
    ----------
    Ledoit and Wolf (2004), doi:10.1016/S0047-259X(03)00096-4. Blankertz et al. (2011), doi:10.1016/j.neuroimage.2010.06.048.
    """

    classes_: NDArray[Any]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    shrinkage_: float

    def __init__(self, shrinkage: float | None = None, *, standardize: bool = True) -> None:
        self.shrinkage = shrinkage
        self.standardize = standardize

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's names
        """Learn weights from trials.

        Parameters
        ----------
        X : (n_trials, n_features)
            Microvolt.
        y : (n_trials,)
            Two distinct labels.

        Raises
        ------
        LdaError
            Not two classes, fewer than two trials of one, or (without shrinkage) a singular covariance.
        """
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, found = np.unique(labels, return_inverse=True)
        self._check_classes(labels)
        positive = found == 1
        means = rows[positive].mean(axis=0), rows[~positive].mean(axis=0)
        residuals = np.where(positive[:, np.newaxis], rows - means[0], rows - means[1])
        covariance, self.shrinkage_ = shrunk_covariance(residuals, self.shrinkage, standardize=self.standardize)
        weights = _solve(covariance, means[0] - means[1])
        offset = np.log(positive.sum() / (~positive).sum()) - weights @ (means[0] + means[1]) / 2
        self.coef_, self.intercept_ = weights[np.newaxis, :], np.array([offset])
        return self

    def _check_classes(self, labels: NDArray[Any]) -> None:
        if len(self.classes_) == 1:
            raise LdaError(f"All {len(labels)} trials are of one class ({self.classes_[0]!r}); a decoder needs trials of both classes.")
        if len(self.classes_) > _CLASSES:
            raise LdaError(f"Only binary classification is supported. The type of the target is multiclass: {len(self.classes_)} classes; give two.")

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Scores (n_trials,), positive for ``classes_[1]``; log odds at the training base rate if the model is true."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        scores: NDArray[np.float64] = rows @ self.coef_[0] + self.intercept_[0]
        return scores

    def scorer(self) -> LinearScorer:
        """Return the one-window kernel of the fitted discriminant."""
        check_is_fitted(self)
        return LinearScorer(self.coef_[0], float(self.intercept_[0]))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Probabilities (n_trials, 2) of both classes, not calibrated."""
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


def shrunk_covariance(centred: NDArray[np.float64], shrinkage: float | None = None, *, standardize: bool = True) -> tuple[NDArray[np.float64], float]:
    """Estimate a covariance, and the weight of its spherical target.

    Parameters
    ----------
    centred : (n_trials, n_features) float64
        Of mean 0.
    shrinkage, standardize
        As in `ShrinkageLDA`.

    Returns
    -------
    (n_features, n_features) float64, float

    Raises
    ------
    LdaError
        Fewer than three trials.
    """
    if len(centred) <= _CLASSES:
        raise LdaError(f"{len(centred)} trials (n_samples = {len(centred)}) leave no covariance to estimate; record at least 3, better 100.")
    spread = centred.std(axis=0) if standardize else np.ones(centred.shape[1])
    spread = np.where(spread > 0, spread, 1.0)  # a constant feature keeps variance 0 and gets its share of the target
    scaled = centred / spread
    if shrinkage is None:
        shrunk, weight = ledoit_wolf(scaled, assume_centered=True)
    else:
        weight = float(shrinkage)
        plain = scaled.T @ scaled / len(scaled)
        shrunk = (1 - weight) * plain + weight * np.trace(plain) / len(plain) * np.eye(len(plain))
    return shrunk * spread * spread[:, np.newaxis], float(weight)


def _solve(covariance: NDArray[np.float64], difference: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        solution: NDArray[np.float64] = linalg.solve(covariance, difference, assume_a="pos")
    except (linalg.LinAlgError, ValueError) as error:
        raise LdaError(
            f"The covariance of {len(difference)} features is singular; leave out flat channels, give more trials, fewer features, or shrinkage above 0."
        ) from error
    return solution
