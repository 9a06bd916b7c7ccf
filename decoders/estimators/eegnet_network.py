"""The torch side of EEGNet: layers, training, and folding into the layers of `eegnet_scorer`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from decoders.estimators.eegnet_scorer import EEGNetScorer

_WIDTH, _SHORT = 63, 15
"""Odd, so that both sides are padded alike."""
_POOL, _LAST_POOL = 4, 8
_BATCH = 64
_STOPPING_SHARE = 0.2
_MIN_STOPPING = 20
"""With fewer trials in the last block its loss says nothing; all are trained on then, for `max_epochs`."""


@dataclass(frozen=True, slots=True)
class Training:
    """How to train."""

    max_epochs: int
    patience: int
    learning_rate: float
    channel_dropout: float
    seed: int


class Network(nn.Module):
    """Layers of EEGNet for (n_trials, 1, n_channels, n_windows) of unit variance; gives (n_trials,)."""

    def __init__(self, n_windows: int, n_channels: int, n_filters: int, depth: int, dropout: float, seed: int) -> None:
        super().__init__()
        width, n_maps = _odd(min(_WIDTH, n_windows)), n_filters * depth
        self.n_windows = n_windows
        self.pool = min(_POOL, n_windows)
        self.last_pool = min(_LAST_POOL, n_windows // self.pool)
        short = _odd(min(_SHORT, n_windows // self.pool))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.in_time = nn.Conv2d(1, n_filters, (1, width), padding="same", bias=False)
            self.norm_time = nn.BatchNorm2d(n_filters)
            self.over_channels = nn.Conv2d(n_filters, n_maps, (n_channels, 1), groups=n_filters, bias=False)
            self.norm_channels = nn.BatchNorm2d(n_maps)
            self.depthwise = nn.Conv2d(n_maps, n_maps, (1, short), padding="same", groups=n_maps, bias=False)
            self.pointwise = nn.Conv2d(n_maps, n_maps, 1, bias=False)
            self.norm_separable = nn.BatchNorm2d(n_maps)
            self.last = nn.Linear(n_maps * (n_windows // self.pool // self.last_pool), 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Log odds at equal base rates."""
        x = self.norm_channels(self.over_channels(self.norm_time(self.in_time(x))))
        x = self.drop(nn.functional.avg_pool2d(nn.functional.elu(x), (1, self.pool)))
        x = self.norm_separable(self.pointwise(self.depthwise(x)))
        x = self.drop(nn.functional.avg_pool2d(nn.functional.elu(x), (1, self.last_pool)))
        scores: torch.Tensor = self.last(x.flatten(1))[:, 0]
        return scores


def _odd(width: int) -> int:
    return width - 1 if width % 2 == 0 else width


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, so that sums come out the same on every machine of a kind, and a live session keeps its cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def trained(network: Network, x: NDArray[np.float32], positive: NDArray[np.bool_], settings: Training) -> None:
    """Train in place and stop early on the last block; the global random state of torch stays as it was."""
    inputs, targets = torch.from_numpy(x), torch.from_numpy(positive.astype(np.float32))
    n_last = int(len(x) * _STOPPING_SHARE)
    judged = n_last >= _MIN_STOPPING and 0 < positive[-n_last:].mean() < 1 and 0 < positive[:-n_last].mean() < 1
    n_train = len(x) - n_last if judged else len(x)
    weights = torch.where(targets > 0, 0.5 / targets[:n_train].mean(), 0.5 / (1 - targets[:n_train].mean()))
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, weight_decay=1e-3)
    lowest, waited, best = np.inf, 0, None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        for _ in range(settings.max_epochs):
            _pass_over(network, optimiser, inputs[:n_train], targets[:n_train], weights[:n_train], settings.channel_dropout)
            if not judged:
                continue
            loss = _loss_of(network, inputs[n_train:], targets[n_train:], weights[n_train:])
            waited += 1
            if loss < lowest:
                lowest, waited, best = loss, 0, {name: value.clone() for name, value in network.state_dict().items()}
            if waited >= settings.patience:
                break
    if best is not None:
        network.load_state_dict(best)
    network.eval()


def _pass_over(
    network: Network, optimiser: torch.optim.Optimizer, inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, channel_dropout: float
) -> None:
    network.train()
    order = torch.randperm(len(inputs))
    for start in range(0, len(order), _BATCH):
        picked = order[start : start + _BATCH]
        if len(picked) == 1 and len(order) > 1:
            continue  # batch normalisation needs two
        x = inputs[picked]
        heard = (torch.rand(len(x), 1, x.shape[2], 1) >= channel_dropout).float() if x.shape[2] > 1 else torch.ones(1)
        optimiser.zero_grad()
        scores = network(x * heard / (1 - channel_dropout if x.shape[2] > 1 else 1.0))
        nn.functional.binary_cross_entropy_with_logits(scores, targets[picked], weight=weights[picked]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _loss_of(network: Network, inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> float:
    network.eval()
    with torch.no_grad():
        return float(nn.functional.binary_cross_entropy_with_logits(network(inputs), targets, weight=weights))


def _norm(layer: nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and offset of a fitted batch normalisation."""
    assert layer.running_var is not None
    assert layer.running_mean is not None
    slope = layer.weight.detach().double() / torch.sqrt(layer.running_var.double() + layer.eps)
    offset = layer.bias.detach().double() - layer.running_mean.double() * slope
    return slope.numpy(), offset.numpy()


def _numbers(parameter: torch.Tensor) -> NDArray[np.float64]:
    return parameter.detach().double().numpy()


def folded(network: Network, scale: NDArray[np.float64], base_log_odds: float) -> EEGNetScorer:
    """Take the trained layers together; `scale` (n_channels,) is what inputs were divided by.

    Filtering in time and mixing channels commute, and batch normalisation is a slope and an offset per map: mix, filter, add.
    """
    slope_time, offset_time = _norm(network.norm_time)
    slope, offset = _norm(network.norm_channels)
    filters, mixtures = _numbers(network.in_time.weight)[:, 0, 0], _numbers(network.over_channels.weight)[:, 0, :, 0]
    of_filter = np.arange(len(mixtures)) // (len(mixtures) // len(filters))
    spatial = (mixtures / scale).T
    temporal = filters[of_filter] * (slope_time[of_filter] * slope)[:, np.newaxis]
    first_bias = offset_time[of_filter] * mixtures.sum(axis=1) * slope + offset
    slope_2, offset_2 = _norm(network.norm_separable)
    pointwise = _numbers(network.pointwise.weight)[:, :, 0, 0] * slope_2[:, np.newaxis]
    last = _numbers(network.last.weight)[0].reshape(len(pointwise), -1)
    return EEGNetScorer(
        spatial,
        temporal,
        first_bias,
        _numbers(network.depthwise.weight)[:, 0, 0],
        pointwise,
        offset_2,
        last,
        float(_numbers(network.last.bias)[0]) + base_log_odds,
        (network.pool, network.last_pool),
        network.n_windows,
    )
