"""EEGNet: a small convolutional network for epochs, trained with torch on one thread and the same each time."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from decoders.estimators.base import EpochClassifier, Epochs, EstimatorError
from decoders.estimators.eegnet_scorer import EEGNetScorer


class EEGNet(EpochClassifier):
    """Convolutions in time, over channels, and in time again; early stopping on the last block of the training trials.

    Parameters
    ----------
    n_channels : int, default 1
        Rows are (n_windows * n_channels), window slowest; fine windows make them epochs.
    n_filters : int, default 8
        Filters in time.
    depth : int, default 2
        Channel mixtures per filter in time.
    dropout : float, default 0.25
        Share of activations that training leaves out.
    channel_dropout : float, default 0.1
        Probability with which training silences a whole electrode in a trial, so that no single one is relied on.
    max_epochs : int, default 150
        Passes over the training trials.
    patience : int, default 30
        Passes without a lower loss on the last block after which training stops.
    learning_rate : float, default 0.002
    seed : int, default 0

    Notes
    -----
    Layers of Lawhern et al.'s EEGNet-8,2: filter in time (half of a second at 125 Hz), batch normalisation, channel mixture per filter,
    batch normalisation, ELU, mean of 4, dropout, separable convolution, batch normalisation, ELU, mean of 8, dropout, linear. The loss
    weighs both classes equally; the log odds of the base rate are added to the score afterwards. The last fifth of the trials (which is
    chronological) decides when to stop and is not trained on; the weights of its lowest loss are kept.

    One window is scored without torch (`eegnet_scorer`), in float64: equal to torch's float32 within 1e-5.

    References
    ----------
    Lawhern et al. (2018), doi:10.1088/1741-2552/aace8c.
    """

    def __init__(
        self,
        n_channels: int = 1,
        n_filters: int = 8,
        depth: int = 2,
        dropout: float = 0.25,
        channel_dropout: float = 0.1,
        max_epochs: int = 150,
        patience: int = 30,
        learning_rate: float = 0.002,
        seed: int = 0,
    ) -> None:
        self.n_channels = n_channels
        self.n_filters = n_filters
        self.depth = depth
        self.dropout = dropout
        self.channel_dropout = channel_dropout
        self.max_epochs = max_epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from (n_trials, n_features) microvolt, in chronological order, and (n_trials,) labels of two classes.

        Raises
        ------
        EstimatorError
            Not two classes, too few trials, or constant features.
        """
        epochs = self._epochs(X, y)
        scale = epochs.cube.std(axis=(0, 1))
        if not (scale > 0).all():
            raise EstimatorError(f"{int((scale == 0).sum())} of {self.n_channels} channels are flat over all trials; leave them out.")
        # imported when it is wanted: torch takes seconds, which every start of every process would wait for
        from decoders.estimators.eegnet_network import Network, Training, folded, one_thread, trained

        settings = Training(self.max_epochs, self.patience, self.learning_rate, self.channel_dropout, self.seed)
        with one_thread():
            network = Network(epochs.cube.shape[1], self.n_channels, self.n_filters, self.depth, self.dropout, self.seed)
            trained(network, _scaled(epochs, scale), epochs.positive, settings)
        self.network_ = network
        self.scale_ = scale
        self.scorer_ = folded(network, scale, float(logit(_rate(epochs.positive))))
        return self

    def scorer(self) -> EEGNetScorer:
        """Return the one-window kernel."""
        return self.scorer_

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.scorer_.scores(rows)


def _scaled(epochs: Epochs, scale: NDArray[np.float64]) -> NDArray[np.float32]:
    """Trials as the network wants them, (n_trials, 1, n_channels, n_windows)."""
    return np.ascontiguousarray((epochs.cube / scale).transpose(0, 2, 1)[:, np.newaxis], dtype=np.float32)


def _rate(positive: NDArray[np.bool_]) -> float:
    return float(positive.mean())
