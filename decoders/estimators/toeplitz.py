"""Linear discriminant whose covariance is block-Toeplitz: two windows share what their distance in time allows."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from decoders.estimators.base import EpochClassifier, EstimatorError
from decoders.lda import shrunk_covariance
from decoders.scorers import LinearScorer


class BlockToeplitzLDA(EpochClassifier):
    """Two-class linear discriminant on windowed means with a block-Toeplitz covariance.

    Parameters
    ----------
    n_channels : int, default 1
        Rows are (n_windows * n_channels), window slowest; windows of equal length that follow each other.
    shrinkage : float or None, default None
        Weight of the spherical target in [0, 1]; None takes it from Ledoit and Wolf's formula.
    taper : bool, default True
        Let covariances fade with the distance of their windows; without it the matrix need not be positive definite.

    Attributes
    ----------
    coef_ : (1, n_features) float64
        Per microvolt.
    intercept_ : (1,) float64
    shrinkage_ : float
        The weight that was used.

    Notes
    -----
    With S the shrunk, pooled within-class covariance (as in `decoders.lda.ShrinkageLDA`), S_ij its (n_channels, n_channels) blocks and
    n windows, the block at lag d is C_d = (1 - d/n) mean_i S_i,i+d: background EEG is stationary within a window, so that blocks of
    one lag estimate one matrix, and n (n + 1) / 2 blocks become n. The factor (linear taper) makes C the covariance of a stationary
    process, hence positive definite. The score is w.x + b with w = C^-1 (m1 - m0), b = -w.(m1 + m0)/2 + log(n1/n0).

    References
    ----------
    Sosulski and Tangermann (2022), doi:10.1088/1741-2552/ac9c98, arXiv 2202.02001.
    """

    def __init__(self, n_channels: int = 1, shrinkage: float | None = None, *, taper: bool = True) -> None:
        self.n_channels = n_channels
        self.shrinkage = shrinkage
        self.taper = taper

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn weights from (n_trials, n_features) microvolt and (n_trials,) labels of two classes.

        Raises
        ------
        EstimatorError
            Not two classes, too few trials, or a singular covariance.
        """
        epochs = self._epochs(X, y)
        rows, positive = epochs.rows, epochs.positive
        means = rows[positive].mean(axis=0), rows[~positive].mean(axis=0)
        residuals = np.where(positive[:, np.newaxis], rows - means[0], rows - means[1])
        plain, self.shrinkage_ = shrunk_covariance(residuals, self.shrinkage)
        covariance = block_toeplitz(plain, self.n_channels, taper=self.taper)
        try:
            weights = linalg.solve(covariance, means[0] - means[1], assume_a="pos")
        except (linalg.LinAlgError, ValueError) as error:
            raise EstimatorError(
                f"The block-Toeplitz covariance of {len(plain)} features is singular; leave out flat channels, taper, or give shrinkage above 0."
            ) from error
        offset = np.log(positive.sum() / (~positive).sum()) - weights @ (means[0] + means[1]) / 2
        self.coef_, self.intercept_ = weights[np.newaxis, :], np.array([offset])
        return self

    def scorer(self) -> LinearScorer:
        """Return the one-window kernel."""
        return LinearScorer(self.coef_[0], float(self.intercept_[0]))

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        scorer = self.scorer()
        return np.array([scorer.score(row) for row in rows], dtype=np.float64)


def block_toeplitz(covariance: NDArray[np.float64], n_channels: int, *, taper: bool = True) -> NDArray[np.float64]:
    """Replace every block of a covariance by the mean of the blocks of its lag.

    Parameters
    ----------
    covariance : (n_windows * n_channels, n_windows * n_channels) float64
        Symmetric, window slowest.
    n_channels : int
    taper : bool
        Weigh lag d by 1 - d / n_windows.
    """
    n = len(covariance) // n_channels
    blocks = covariance.reshape(n, n_channels, n, n_channels).transpose(0, 2, 1, 3)
    result = np.empty_like(blocks)
    for lag in range(n):
        i = np.arange(n - lag)
        mean = blocks[i, i + lag].mean(axis=0) * (1 - lag / n if taper else 1.0)
        result[i, i + lag] = mean
        result[i + lag, i] = mean.T
    return np.ascontiguousarray(result.transpose(0, 2, 1, 3).reshape(covariance.shape))
