"""LDA that follows a new recording without its labels, from windows that have ended: for decoders fitted on other recordings."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import expit

from decoders.lda import LdaError, shrunk_covariance

PRIOR_WINDOWS = 200
"""The training recordings weigh as much as this many windows of the new one, in its covariance and in its class means."""
UPDATE_EVERY = 30
"""Windows from one adaptation to the next."""
N_PARTS = 8
"""Past windows are cut into this many runs; a run's classes are guessed by weights that the run had no part in."""
N_ITERATIONS = 4
"""Steps of expectation maximisation per adaptation; the next one goes on from there."""
ASSUMED_SEPARATION = 1.5
"""Distance of the class means in standard deviations within a class (AUC .86) that guesses of classes are made with."""


class AdaptiveLDA:
    """Linear discriminant whose covariance and class means move from the training recordings' to those of a new recording.

    Attributes
    ----------
    base_rate_ : float
        Of the positive class in training, pi below; it is taken to hold in the new recording.
    mean_ : (n_features,) float64
        Of all training windows; stands for the new recording's until the first adaptation.
    difference_ : (n_features,) float64
        Class means, positive minus negative, of the training windows; the mean over recordings.
    covariance_ : (n_features, n_features) float64
        Of the training windows over both classes: shrunk within-class covariance + pi (1 - pi) d d'.

    Notes
    -----
    After every 30 windows, with n past windows x of mean m (no labels), n0 = 200 and v = pi (1 - pi):

        S = (n0 S_train + n S_LW) / (n0 + n)                                              covariance, S_LW after Ledoit and Wolf
        g = (x - m)'w / sqrt(w'd), w = S^-1 d                                             score, of variance near 1
        p = expit(D g / s - (1/2 - pi) D^2 + logit pi), s = sd(g) / sqrt(1 + v D^2)       E: guessed class, D = 1.5
        d = (n0 v d_train + sum (p - pi)(x - m)) / (n0 v + n v)                           M: difference of the class means

    The M step is that of a mixture of two Gaussians with equal covariance and known base rate, with a Gaussian prior on d. The
    direction S^-1 d is the same for the covariance over both classes as within them (Vidaurre et al.), so no labels are needed for
    S. In the E step a window's own noise must not confirm the weights that it shaped: windows are cut into eight runs, and each
    run's p come from a d that its windows are left out of. Without that, d drifts on the noise.

    Division by sqrt(w'd) keeps the scores' scale from one recording to the next, so that a calibration holds for a new one.

    References
    ----------
    Vidaurre et al. (2011), doi:10.1109/TBME.2010.2093133. Kindermans et al. (2012), doi:10.1371/journal.pone.0033758.
    Ledoit and Wolf (2004), doi:10.1016/S0047-259X(03)00096-4.
    """

    base_rate_: float
    mean_: NDArray[np.float64]
    difference_: NDArray[np.float64]
    covariance_: NDArray[np.float64]

    def fit(self, X: NDArray[np.float64], y: NDArray[np.bool_], recording: NDArray[np.int64] | None = None) -> Self:  # noqa: N803
        """Learn from labelled windows of other recordings.

        Parameters
        ----------
        X : (n_windows, n_features) float64
        y : (n_windows,) bool
        recording : (n_windows,) int64, optional
            Which recording each is of. Class means are then taken per recording, and their difference is the mean over
            recordings: what tells recordings apart is no spread within a class.

        Raises
        ------
        LdaError
            One class only, or too few windows.
        """
        if y.all() or not y.any():
            raise LdaError(f"All {len(y)} trials are of one class; a decoder needs trials of both classes.")
        groups = np.zeros(len(y), dtype=np.int64) if recording is None else recording
        centred, differences = np.empty_like(X), []
        for group in np.unique(groups):
            inside = groups == group
            if not 0 < y[inside].mean() < 1:  # one class: nothing to tell apart, and its mean is all there is
                centred[inside] = X[inside] - X[inside].mean(axis=0)
                continue
            means = X[inside & y].mean(axis=0), X[inside & ~y].mean(axis=0)
            centred[inside] = X[inside] - np.where(y[inside, np.newaxis], *means)
            differences.append(means[0] - means[1])
        if not differences:
            raise LdaError("No training recording has trials of both classes; a decoder needs one that has.")
        self.base_rate_, self.mean_ = float(y.mean()), X.mean(axis=0)
        self.difference_ = np.mean(differences, axis=0)
        within, _ = shrunk_covariance(centred)
        self.covariance_ = within + _variance(self.base_rate_) * np.outer(self.difference_, self.difference_)
        return self

    def follow(self) -> "Following":
        """Start on a new recording."""
        return Following(self)

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Score successive windows (n_windows, n_features) of one new recording from its first on; each before it is learnt from."""
        following = self.follow()
        return np.array([following.decode(window) for window in X])


class Following:
    """One new recording, window by window.

    Parameters
    ----------
    start : AdaptiveLDA
        Fitted.
    """

    def __init__(self, start: AdaptiveLDA) -> None:
        self._start = start
        self._past: list[NDArray[np.float64]] = []
        self._differences = np.tile(start.difference_, (N_PARTS + 1, 1))  # without one of the parts each; last: from all
        self._mean = start.mean_
        self._set_weights(start.covariance_)

    def decode(self, window: NDArray[np.float64]) -> float:
        """Score a window (n_features,), then keep it to learn from; call in the order in which windows end."""
        score = float((window - self._mean) @ self._weights)
        self._past.append(window.copy())
        if len(self._past) % UPDATE_EVERY == 0:
            self._adapt(np.stack(self._past))
        return score

    def _set_weights(self, covariance: NDArray[np.float64]) -> None:
        self._weights = _scaled_weights(covariance, self._differences[-1:])[0]

    def _adapt(self, past: NDArray[np.float64]) -> None:
        n = len(past)
        self._mean = past.mean(axis=0)
        centred = past - self._mean
        covariance = (PRIOR_WINDOWS * self._start.covariance_ + n * shrunk_covariance(centred)[0]) / (PRIOR_WINDOWS + n)
        part = np.arange(n) * N_PARTS // n
        for _ in range(N_ITERATIONS):
            weights = _scaled_weights(covariance, self._differences[:N_PARTS])
            self._maximise(centred, part, self._guessed(np.einsum("np,np->n", centred, weights[part])))
        self._set_weights(covariance)

    def _guessed(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute P(positive) (n_windows,) of past windows: the E step."""
        rate, separation = self._start.base_rate_, ASSUMED_SEPARATION
        spread = max(float(scores.std()), 1e-12) / np.sqrt(1 + _variance(rate) * separation**2)
        return np.asarray(expit(separation * scores / spread - (0.5 - rate) * separation**2 + np.log(rate / (1 - rate))), dtype=np.float64)

    def _maximise(self, centred: NDArray[np.float64], part: NDArray[np.int64], p: NDArray[np.float64]) -> None:
        """Renew the differences of the class means, with each of the parts left out and with none: the M step."""
        rate = self._start.base_rate_
        leant = (p - rate)[:, np.newaxis] * centred
        sums = np.stack([leant[part == k].sum(axis=0) for k in range(N_PARTS)])
        counts = np.bincount(part, minlength=N_PARTS)
        outside = np.vstack([sums.sum(axis=0) - sums, sums.sum(axis=0)])
        n_outside = np.append(len(p) - counts, len(p))[:, np.newaxis]
        variance = _variance(rate)
        self._differences = (PRIOR_WINDOWS * variance * self._start.difference_ + outside) / (variance * (PRIOR_WINDOWS + n_outside))


def _variance(rate: float) -> float:
    return rate * (1 - rate)


def _scaled_weights(covariance: NDArray[np.float64], differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights S^-1 d / sqrt(d'S^-1 d), one row per row of differences."""
    weights = np.asarray(linalg.solve(covariance, differences.T, assume_a="pos").T, dtype=np.float64)
    separation = np.einsum("kp,kp->k", weights, differences)
    scaled: NDArray[np.float64] = weights / np.sqrt(np.maximum(separation, 1e-12))[:, np.newaxis]
    return scaled
