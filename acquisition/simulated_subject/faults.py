"""Faults on demand: lost samples, gaps, stalls, dead and bridged electrodes, a clock that runs fast or slow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.simulated_subject.draws import block_generator, stream_key
from acquisition.simulated_subject.errors import SubjectError, SubjectProfileError

Span = tuple[float, float]
"""Start and length in seconds of stream time."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with the set-up; the default is nothing.

    Raises
    ------
    SubjectError
        A number is outside its range.
    """

    loss_fraction: float = 0.0
    """Part of the samples that is lost on the way, 0 to .9."""
    loss_burst_samples: int = 1
    """Samples lost in a row."""
    gaps_s: tuple[Span, ...] = ()
    """Stretches without samples."""
    stalls_s: tuple[Span, ...] = ()
    """Stretches in which nothing is delivered; all of it comes at their end."""
    dead: tuple[str, ...] = ()
    """Channels that are flat."""
    bridged: tuple[tuple[str, str], ...] = ()
    """Pairs of channels joined by gel: both record the mean of the two."""
    clock_drift_ppm: float = 0.0
    """How much faster than the profile's rate the board samples."""

    def __post_init__(self) -> None:
        if not 0 <= self.loss_fraction <= 0.9:
            raise SubjectError(f"loss_fraction is {self.loss_fraction}; it must lie between 0 and 0.9.")
        if not 1 <= self.loss_burst_samples <= 10_000:
            raise SubjectError(f"loss_burst_samples is {self.loss_burst_samples}; it must lie between 1 and 10000.")
        if abs(self.clock_drift_ppm) > 10_000:
            raise SubjectError(f"clock_drift_ppm is {self.clock_drift_ppm}; it must lie between -10000 and 10000.")
        for start_s, length_s in (*self.gaps_s, *self.stalls_s):
            if start_s < 0 or length_s <= 0:
                raise SubjectError(f"A gap or stall starts at {start_s} s and lasts {length_s} s; give a start of 0 or more and a length above 0.")

    def deliverable_until_s(self, stream_s: float) -> float:
        """Time up to which samples have been delivered at `stream_s`: inside a stall that is its start."""
        return min((start_s for start_s, length_s in self.stalls_s if start_s <= stream_s < start_s + length_s), default=stream_s)


class FaultyWires:
    """Applies faults to samples.

    Parameters
    ----------
    faults : Faults
    channel_names : tuple of str
    sampling_rate_hz : float
        Of the board, drift included.
    subject_seed, run_seed : int

    Raises
    ------
    SubjectProfileError
        A dead or bridged channel is not in the profile.
    """

    def __init__(self, faults: Faults, channel_names: tuple[str, ...], sampling_rate_hz: float, subject_seed: int, run_seed: int) -> None:
        missing = {*faults.dead, *(name for pair in faults.bridged for name in pair)} - set(channel_names)
        if missing:
            raise SubjectProfileError(f"Faults name {', '.join(sorted(missing))}, which is no channel of the profile ({', '.join(channel_names)}).")
        self._faults = faults
        self._rate_hz = sampling_rate_hz
        self._dead = [channel_names.index(name) for name in faults.dead]
        self._bridged = [[channel_names.index(a), channel_names.index(b)] for a, b in faults.bridged]
        self._key = stream_key(subject_seed, run_seed, "loss")
        self._block = max(1, round(sampling_rate_hz))

    def apply(self, eeg_uv: NDArray[np.float64]) -> None:
        """Join and flatten channels of (n_samples, n_channels) in place."""
        for pair in self._bridged:
            eeg_uv[:, pair] = eeg_uv[:, pair].mean(axis=1, keepdims=True)
        eeg_uv[:, self._dead] = 0.0

    def dropped(self, first_sample: int, n_samples: int) -> NDArray[np.int64]:
        """Indices of samples that never arrive, ascending.

        Notes
        -----
        A burst of m samples starts at each sample with probability q; P(lost) = 1 - (1 - q)^m is the loss fraction.
        """
        index = np.arange(first_sample, first_sample + n_samples, dtype=np.int64)
        lost = np.zeros(n_samples, dtype=bool)
        for start_s, length_s in self._faults.gaps_s:
            lost |= (index >= start_s * self._rate_hz) & (index < (start_s + length_s) * self._rate_hz)
        if self._faults.loss_fraction > 0 and n_samples:
            burst = self._faults.loss_burst_samples
            starts = self._starts(first_sample - burst + 1, first_sample + n_samples)
            before = np.concatenate([[0], np.cumsum(starts)])
            lost |= before[burst:] > before[:-burst]
        return index[lost]

    def _starts(self, first: int, end: int) -> NDArray[np.int64]:
        """1 where a burst starts, for samples first to end; drawn in whole blocks of a second."""
        chance = 1.0 - (1.0 - self._faults.loss_fraction) ** (1.0 / self._faults.loss_burst_samples)
        blocks = range(first // self._block, (end - 1) // self._block + 1)
        drawn = np.concatenate([block_generator(self._key, b).random(self._block) < chance for b in blocks])
        offset = blocks.start * self._block
        return drawn[first - offset : end - offset].astype(np.int64)
