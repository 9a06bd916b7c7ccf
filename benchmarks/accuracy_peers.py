"""What pyriemann and scikit-learn reach on the same trials: epochs of zero-phase filtered EEG, pipelines as their users write them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyriemann.classification import MDM
from pyriemann.estimation import ERPCovariances, XdawnCovariances
from pyriemann.tangentspace import TangentSpace
from scipy import signal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from decoders.sessions import TrainingSession

EPOCH_S = 0.8
ORDER = 4


@dataclass(frozen=True, slots=True)
class Peer:
    """A pipeline of others."""

    name: str
    make: Callable[[int], Any]
    """Called with the samples in a mean of 50 ms."""
    highpass_hz: float
    lowpass_hz: float


def _means(step: int) -> FunctionTransformer:
    def means(epochs: NDArray[np.float64]) -> NDArray[np.float64]:
        n = max(1, epochs.shape[2] // step)
        return epochs[:, :, : n * step].reshape(*epochs.shape[:2], n, -1).mean(axis=3).reshape(len(epochs), -1)

    return FunctionTransformer(means)


PEERS = (
    Peer("scikit-learn LDA (lsqr, auto) on means of 50 ms", lambda n: make_pipeline(_means(n), LinearDiscriminantAnalysis("lsqr", shrinkage="auto")), 0.5, 15),
    Peer(
        "pyriemann XdawnCovariances(4, oas), TangentSpace, LogisticRegression",
        lambda _: make_pipeline(XdawnCovariances(4, estimator="oas"), TangentSpace(), LogisticRegression(max_iter=1000)),
        1,
        20,
    ),
    Peer("pyriemann ERPCovariances(oas), MDM", lambda _: make_pipeline(ERPCovariances(classes=[1], estimator="oas"), MDM()), 1, 20),
)


def epochs_of(session: TrainingSession, peer: Peer) -> NDArray[np.float64]:
    """Epochs (n_onsets, n_channels, n_samples) from the onset on, filtered forward and backward: no delay, and not possible live."""
    rate_hz = session.sampling_rate_hz
    sections = signal.butter(ORDER, (peer.highpass_hz, peer.lowpass_hz), "bandpass", fs=rate_hz, output="sos")
    filtered = signal.sosfiltfilt(sections, np.nan_to_num(session.samples.astype(np.float64)), axis=0)
    n = round(EPOCH_S * rate_hz)
    padded = np.vstack([filtered, np.zeros((n, filtered.shape[1]))])
    return np.stack([padded[row : row + n].T for row in _rows(session)])


def _rows(session: TrainingSession) -> list[int]:
    """Row of each onset; an onset in a gap gets the row after it."""
    if not session.segments:
        return [int(onset) for onset in session.onset_samples]
    starts = np.array([start for start, _, _ in session.segments])
    rows = []
    for onset in session.onset_samples:
        start, row, n = session.segments[max(0, int(np.searchsorted(starts, onset, side="right")) - 1)]
        rows.append(int(row + min(max(0, onset - start), n)))
    return rows


def peer_scores(
    peer: Peer, epochs: NDArray[np.float64], positive: NDArray[np.bool_], train: NDArray[np.bool_], test: NDArray[np.int64], rate_hz: float
) -> NDArray[np.float64]:
    """Scores (n_tested,) of a peer fitted on some epochs, for others."""
    fitted = peer.make(max(1, round(0.05 * rate_hz))).fit(epochs[train], positive[train].astype(int))
    if hasattr(fitted, "decision_function"):
        return np.asarray(fitted.decision_function(epochs[test]), dtype=np.float64)
    p = np.clip(fitted.predict_proba(epochs[test])[:, 1], 1e-300, 1 - 1e-16)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


def paired_interval(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], positive: NDArray[np.bool_], blocks: Sequence[NDArray[np.int64]], draws: int = 2000
) -> tuple[float, float]:
    """95 % interval of the difference of two AUCs on the same trials: blocks of consecutive trials are drawn with replacement, for both alike."""
    from decoders.metrics import area_under_curve

    random, differences = np.random.default_rng(0), []
    while len(differences) < draws:
        drawn = np.concatenate([blocks[k] for k in random.integers(len(blocks), size=len(blocks))])
        marks = positive[drawn]
        if marks.any() and not marks.all():
            differences.append(area_under_curve(ours[drawn], marks) - area_under_curve(theirs[drawn], marks))
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)
