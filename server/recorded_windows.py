"""Windows of a recording around onsets, for looking at: binned, without a filter, read in one pass that keeps nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from messaging.records import Chunk
from recordings.log import LogReader
from server.errors import NotFound, TooLarge

BEFORE_MS = 200.0
AFTER_MS = 1000.0
BIN_MS = 20.0
"""One period of 50 Hz mains, so that most of it goes; 60 Hz is damped to a fifth."""
REJECTED_UV = 150.0
"""A window in which a channel goes this far from its baseline (a blink, a loose electrode) is left out of that channel's average."""
LARGEST_FILE_BYTES = 2 << 30
MOST_WINDOWS = 4000


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows around onsets."""

    channel_names: tuple[str, ...]
    """EEG channels."""
    times_ms: NDArray[np.float64]
    """(n_bins,) middle of each bin after the onset."""
    values_uv: NDArray[np.float32]
    """(n_windows, n_channels, n_bins) means of bins minus the mean before the onset; NaN where samples are missing."""


def read_windows(path: Path, onset_samples: Sequence[int]) -> Windows:
    """Read the windows around onsets.

    Parameters
    ----------
    path : Path
        An own recording; it may still be written.
    onset_samples : sequence of int
        `sample_index` of every onset, in any order.

    Returns
    -------
    Windows
        In the order of `onset_samples`.

    Raises
    ------
    NotFound
        There is no such file here.
    TooLarge
        Reading it would take minutes.
    """
    if not path.is_file():
        raise NotFound(
            f"The recording {path.stem[:128]} is not on the server's machine.",
            "Look at it on the machine of the lab: `rlhb export` and `rlhb evaluate` read it there.",
        )
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise TooLarge(
            f"The recording {path.stem[:128]} has {size / 1e9:.1f} GB; up to {LARGEST_FILE_BYTES / 1e9:.1f} GB are read for the page.", "Use `rlhb export`."
        )
    order = sorted(range(len(onset_samples)), key=lambda k: onset_samples[k])
    with LogReader(path, pass_damage=True) as reader:
        profile = reader.header.profile
        eeg = [k for k, channel in enumerate(profile.channels) if channel.kind == "eeg"]
        names = tuple(profile.channels[k].name for k in eeg)
        bins = _Bins(profile.sampling_rate_hz, len(eeg))
        values = np.full((len(onset_samples), len(eeg), bins.n_bins), np.nan, dtype=np.float32)
        _collect(reader, eeg, bins, [(k, onset_samples[k]) for k in order], values)
    return Windows(names, bins.times_ms, values)


class _Bins:
    """How a window is cut into bins.

    Parameters
    ----------
    sampling_rate_hz : float
    n_channels : int
    """

    def __init__(self, sampling_rate_hz: float, n_channels: int) -> None:
        self.width = max(1, round(BIN_MS * sampling_rate_hz / 1e3))
        self.n_before = max(1, round(BEFORE_MS / BIN_MS))
        self.n_bins = self.n_before + max(1, round(AFTER_MS / BIN_MS))
        self.first = -self.n_before * self.width
        """First sample of a window, from the onset."""
        self.n_samples = self.n_bins * self.width
        self.n_channels = n_channels
        step_ms = 1e3 * self.width / sampling_rate_hz
        self.times_ms: NDArray[np.float64] = (np.arange(self.n_bins, dtype=np.float64) - self.n_before + 0.5) * step_ms

    def scratch(self) -> NDArray[np.float32]:
        """Make an empty window, (n_samples, n_channels)."""
        return np.full((self.n_samples, self.n_channels), np.nan, dtype=np.float32)

    def binned(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Average a window's bins and take the mean before the onset away; (n_channels, n_bins)."""
        means = window.reshape(self.n_bins, self.width, self.n_channels).mean(axis=1, dtype=np.float64).T
        baseline = means[:, : self.n_before].mean(axis=1, keepdims=True)
        return np.asarray(means - baseline, dtype=np.float32)


def _collect(reader: LogReader, eeg: list[int], bins: _Bins, wanted: list[tuple[int, int]], values: NDArray[np.float32]) -> None:
    """Fill `values` from the chunks of a recording; a window ends when a chunk behind it comes, or the recording does."""
    waiting = wanted[::-1]
    going: list[tuple[int, int, NDArray[np.float32]]] = []
    for record in reader.records():
        if not isinstance(record, Chunk):
            continue
        start, end = record.sample_index, record.sample_index + record.n_samples
        while waiting and waiting[-1][1] + bins.first < end:
            k, onset = waiting.pop()
            going.append((k, onset + bins.first, bins.scratch()))
        if going:
            samples = record.samples[:, eeg]
            for _, first, window in going:
                low, high = max(start, first), min(end, first + bins.n_samples)
                if low < high:
                    window[low - first : high - first] = samples[low - start : high - start]
            _settle(going, bins, end, values)
        elif not waiting:
            return
    _settle(going, bins, None, values)


def _settle(going: list[tuple[int, int, NDArray[np.float32]]], bins: _Bins, end: int | None, values: NDArray[np.float32]) -> None:
    """Put away the windows that are complete at sample `end`; None: all of them."""
    done = [w for w in going if end is None or w[1] + bins.n_samples <= end]
    for k, _, window in done:
        values[k] = bins.binned(window)
    if done:
        going[:] = [w for w in going if not (end is None or w[1] + bins.n_samples <= end)]


@dataclass(frozen=True, slots=True)
class Average:
    """Mean of the windows of a class."""

    n_windows: int
    mean_uv: NDArray[np.float32]
    """(n_channels, n_bins); NaN where no window counts."""
    sem_uv: NDArray[np.float32]
    """Standard error of the mean, (n_channels, n_bins)."""


def average_of(values_uv: NDArray[np.float32]) -> Average:
    """Average windows; per channel, those with gaps or beyond `REJECTED_UV` are left out.

    Parameters
    ----------
    values_uv : ndarray, shape (n_windows, n_channels, n_bins)
    """
    largest = np.max(np.abs(values_uv), axis=2, initial=0.0)
    counts = np.isfinite(values_uv).all(axis=2) & ~(largest > REJECTED_UV)
    n = counts.sum(axis=0)[:, None]
    kept = np.where(counts[:, :, None], values_uv, 0.0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = kept.sum(axis=0) / n
        variance = (np.where(counts[:, :, None], (kept - mean) ** 2, 0.0)).sum(axis=0) / (n - 1)
        sem = np.sqrt(variance / n)
    return Average(len(values_uv), np.where(n > 0, mean, np.nan).astype(np.float32), np.where(n > 1, sem, np.nan).astype(np.float32))
