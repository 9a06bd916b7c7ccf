"""Coarse windows of the judged trials: other channels, other times, the same onsets and the same filter."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.crossvalidation import held_out_scores
from decoders.lda import ShrinkageLDA
from decoders.spec import DecoderSpec, Preprocessing, WindowSpec
from decoders.trials import FilteredSessions, Trials
from decoders.windows import window_features, window_layout

COARSE_MS = 100.0
"""Means over a tenth of a second: a handful of numbers per channel, whatever the decoder's own steps are."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the further lines look at: trials with their held-out llr, and the recordings they were cut from."""

    store: FilteredSessions
    spec: DecoderSpec
    """Under which `trials` were cut."""
    trials: Trials
    """All kept."""
    llr: NDArray[np.float64]
    """(n_trials,), of blocks that decoder and calibration never saw."""

    @property
    def onsets(self) -> NDArray[np.int64]:
        """(n_trials,) sample index of each onset in its recording."""
        return self.trials.start - window_layout(self.spec.window, self.spec.preprocessing.sampling_rate_hz).start

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Channels that every recording has."""
        first, *others = self.store.sessions
        return tuple(name for name in first.channel_names if all(name in other.channel_names for other in others))


def coarse_edges_ms(spec: DecoderSpec, step_ms: float = COARSE_MS, before_ms: float = 0.0) -> tuple[float, ...]:
    """Edges from the decoder's first window (or `before_ms` before the onset) to its last, `step_ms` apart."""
    start = -before_ms if before_ms else spec.window.edges_ms[0]
    n = max(1, round((spec.window.edges_ms[-1] - start) / step_ms))
    return tuple(float(edge) for edge in np.linspace(start, spec.window.edges_ms[-1], n + 1))


def window_means(
    judged: Judged, preprocessing: Preprocessing, edges_ms: tuple[float, ...], shift_ms: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Average windows at the trials' onsets.

    Parameters
    ----------
    judged : Judged
    preprocessing : Preprocessing
        Which channels, and their filter.
    edges_ms : tuple of float
    shift_ms : float
        The windows are moved by this; negative is earlier.

    Returns
    -------
    means : (n_trials, n_windows, n_channels) float64
        0 where the window runs past the recording.
    inside : (n_trials,) bool
    """
    rate_hz = preprocessing.sampling_rate_hz
    layout = window_layout(WindowSpec(edges_ms), rate_hz)
    onsets = judged.onsets + round(shift_ms * rate_hz / 1000)
    n_channels = judged.store.filtered(0, preprocessing).rows.shape[1]
    means, inside = np.zeros((len(onsets), layout.n_windows, n_channels)), np.zeros(len(onsets), dtype=np.bool_)
    for i, (onset, recording) in enumerate(zip(onsets, judged.trials.recording, strict=True)):
        filtered = judged.store.filtered(int(recording), preprocessing)
        start, stop = int(onset) + layout.start, int(onset) + layout.stop
        if filtered.holds(start, stop):
            means[i] = window_features(filtered.read(start, stop)[0], layout).reshape(layout.n_windows, n_channels)
            inside[i] = True
    return means, inside


def blocked_scores(judged: Judged, means: NDArray[np.float64], positive: NDArray[np.bool_] | None = None, shift_samples: int = 0) -> NDArray[np.float64]:
    """Scores (n_trials,) of a shrinkage LDA on coarse windows, each block decoded from the others."""
    trials = judged.trials
    moved = replace(
        trials,
        features=np.ascontiguousarray(means.reshape(len(means), -1)),
        positive=trials.positive if positive is None else positive,
        start=trials.start + shift_samples,
        stop=trials.stop + shift_samples,
    )
    return held_out_scores(moved, moved.block, ShrinkageLDA)


def plain(judged: Judged, channel_names: tuple[str, ...], highpass_hz: float | None = None, lowpass_hz: float | None = None) -> Preprocessing:
    """Other channels as they were recorded, through the decoder's band or another."""
    own = judged.spec.preprocessing
    return Preprocessing(own.sampling_rate_hz, channel_names, highpass_hz or own.highpass_hz, lowpass_hz or own.lowpass_hz, own.order)
