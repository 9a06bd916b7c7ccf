"""ERP covariances and minimum distance to mean."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.estimators.base import EpochClassifier
from decoders.estimators.covariance_scorers import DistanceScorer, super_covariances
from decoders.estimators.riemann import inverse_root, riemannian_mean


class ErpCovarianceMdm(EpochClassifier):
    """Difference of squared Riemannian distances to both classes' mean covariance; nothing to tune.

    Parameters
    ----------
    n_channels : int, default 1
        Rows are (n_windows * n_channels), window slowest; fine windows make them epochs.

    Notes
    -----
    A trial becomes the covariance C of its channels under the positive class's mean response (`kernels.super_covariance`). With M_k
    the Riemannian mean of class k, d_k^2 = ||log(M_k^-1/2 C M_k^-1/2)||^2 and the score is d_0^2 - d_1^2.

    Equal to pyriemann 0.12's ``ERPCovariances(classes=[positive], estimator="oas")`` and ``MDM()``, whose probabilities are the
    logistic function of this score.

    References
    ----------
    Barachant and Congedo (2014), arXiv 1409.0107. Barachant et al. (2012), doi:10.1109/TBME.2011.2172210.
    """

    def __init__(self, n_channels: int = 1) -> None:
        self.n_channels = n_channels

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from (n_trials, n_features) microvolt and (n_trials,) labels of two classes.

        Raises
        ------
        EstimatorError
            Not two classes, too few trials, or channels that carry nothing.
        """
        epochs = self._epochs(X, y)
        mean = epochs.cube[epochs.positive].mean(axis=0)
        prototypes = np.ascontiguousarray(mean - mean.mean(axis=0))
        covariances = super_covariances(epochs.rows, np.eye(self.n_channels), prototypes)
        whiteners = [inverse_root(riemannian_mean(covariances[of_class])) for of_class in (~epochs.positive, epochs.positive)]
        self.scorer_ = DistanceScorer(prototypes, np.stack(whiteners))
        return self

    def scorer(self) -> DistanceScorer:
        """Return the one-window kernel."""
        return self.scorer_

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.scorer_.scores(rows)
