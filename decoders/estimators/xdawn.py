"""xDAWN covariances, tangent space and logistic regression."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from sklearn.linear_model import LogisticRegression

from decoders.estimators.base import EpochClassifier, Epochs, EstimatorError
from decoders.estimators.covariance_scorers import TangentScorer, super_covariances
from decoders.estimators.riemann import inverse_root, riemannian_mean, tangent_rows

_ITERATIONS = 1000


class XdawnTangentSpace(EpochClassifier):
    """Logistic regression on xDAWN covariances in the tangent space at their mean.

    Parameters
    ----------
    n_channels : int, default 1
        Rows are (n_windows * n_channels), window slowest; fine windows make them epochs.
    n_filters : int, default 4
        xDAWN components per class; all, where there are fewer channels.
    C : float, default 1.0
        Inverse strength of the logistic regression's ridge.

    Notes
    -----
    xDAWN filters of class k are the leading generalised eigenvectors of (cov P_k, cov X), P_k the class mean over time, X all trials.
    A trial x becomes the covariance C of its filtered channels under the filtered class means (`kernels.super_covariance`), the
    covariance becomes S = log(M^-1/2 C M^-1/2) at the Riemannian mean M of the training trials, and the score is
    sum_ij W_ij S_ij + b; W and b are found by logistic regression on the entries of S, off-diagonal ones weighted by sqrt 2.

    Equal to pyriemann 0.12's ``XdawnCovariances(nfilter, estimator="oas")``, ``TangentSpace()`` and scikit-learn's
    ``LogisticRegression(C=C)`` in a row.

    References
    ----------
    Rivet et al. (2009), doi:10.1109/TBME.2009.2012869. Barachant et al. (2012), doi:10.1109/TBME.2011.2172210.
    Barachant and Congedo (2014), arXiv 1409.0107.
    """

    def __init__(self, n_channels: int = 1, n_filters: int = 4, C: float = 1.0) -> None:  # noqa: N803  # scikit-learn's name
        self.n_channels = n_channels
        self.n_filters = n_filters
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from (n_trials, n_features) microvolt and (n_trials,) labels of two classes.

        Raises
        ------
        EstimatorError
            Not two classes, too few trials, or channels that carry nothing or copies of each other.
        """
        epochs = self._epochs(X, y)
        filters, prototypes = xdawn(epochs, min(self.n_filters, self.n_channels))
        covariances = super_covariances(epochs.rows, filters, prototypes)
        reference = riemannian_mean(covariances)
        whitener = inverse_root(reference)
        model = LogisticRegression(C=self.C, max_iter=_ITERATIONS).fit(tangent_rows(covariances, whitener), epochs.positive)
        weights = _as_matrix(model.coef_[0], len(reference))
        self.scorer_ = TangentScorer(filters, prototypes, whitener, weights, float(model.intercept_[0]))
        return self

    def scorer(self) -> TangentScorer:
        """Return the one-window kernel."""
        return self.scorer_

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.scorer_.scores(rows)


def xdawn(epochs: Epochs, n_filters: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spatial filters (n_channels, 2 n_filters) and filtered, centred class means (n_windows, 2 n_filters), negative class first.

    Raises
    ------
    EstimatorError
        The covariance over all trials is singular.
    """
    samples = epochs.cube.reshape(-1, epochs.cube.shape[2])
    overall = np.atleast_2d(np.cov(samples.T))
    filters, prototypes = [], []
    for of_class in (~epochs.positive, epochs.positive):
        mean = epochs.cube[of_class].mean(axis=0)
        try:
            values, vectors = linalg.eigh(np.atleast_2d(np.cov(mean.T)), overall)
        except (linalg.LinAlgError, ValueError) as error:
            raise EstimatorError(
                f"The covariance of {samples.shape[1]} channels over n_features = {epochs.rows.shape[1]} is singular; "
                "leave out channels that are flat or copies, and give more than one window."
            ) from error
        vectors = vectors[:, np.argsort(values)[::-1]][:, :n_filters]
        vectors /= np.linalg.norm(vectors, axis=0)
        filters.append(vectors)
        prototypes.append((mean - mean.mean(axis=0)) @ vectors)
    return np.ascontiguousarray(np.hstack(filters)), np.ascontiguousarray(np.hstack(prototypes))


def _as_matrix(coefficients: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Symmetric W with sum_ij W_ij S_ij = coefficients . (upper triangle of S, off-diagonal times sqrt 2)."""
    weights = np.zeros((n, n))
    weights[np.triu_indices(n)] = coefficients
    return (weights + weights.T) * np.where(np.eye(n) > 0, 0.5, np.sqrt(0.5))
