"""xDAWN covariances, tangent space and logistic regression, on the same windowed means as every other pipeline."""

import numpy as np
from numpy.typing import NDArray
from pyriemann.estimation import XdawnCovariances
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline as Steps


class XdawnTangentSpace:
    """Classifier of epochs that arrive as rows of fine windowed means.

    Parameters
    ----------
    n_channels : int
        Rows are (n_windows * n_channels), window slowest.
    n_filters : int, default 4
        xDAWN components per class.

    References
    ----------
    Rivet et al. (2009), doi:10.1109/TBME.2009.2012869. Barachant and Congedo (2014), arXiv 1409.0107.
    """

    def __init__(self, n_channels: int, n_filters: int = 4) -> None:
        self._n_channels = n_channels
        filters = min(n_filters, n_channels)
        self._steps = Steps(
            [("covariances", XdawnCovariances(filters, estimator="oas")), ("tangent", TangentSpace()), ("logistic", LogisticRegression(max_iter=1000))]
        )

    def _epochs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn rows over into (n_trials, n_channels, n_windows)."""
        return features.reshape(len(features), -1, self._n_channels).transpose(0, 2, 1)

    def fit(self, X: NDArray[np.float64], y: NDArray[np.bool_]) -> "XdawnTangentSpace":  # noqa: N803
        """Learn from (n_trials, n_features) microvolt and (n_trials,)."""
        self._steps.fit(self._epochs(X), y.astype(int))
        return self

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Log odds (n_trials,), not calibrated."""
        return np.asarray(self._steps.decision_function(self._epochs(X)), dtype=np.float64)
