"""Blinks per minute, from an EOG channel or the electrodes above the eyes."""

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import HardwareProfile

OVER_THE_EYES = ("FP1", "FP2", "FPZ", "AF7", "AF8", "AF3", "AF4")
THINNED_HZ = 50.0
KEEP_S = 60
LEAST_S = 20
"""A rate from less than this is chance: people blink 4 to 25 times a minute."""
LEAST_UV = 40.0
"""Blinks are 50 to 300 microvolt at Fp1 and Fp2."""
TIMES_THE_SPREAD = 4.0
APART_S = 0.25
LONGEST_S = 0.6
"""Longer excursions are eye movements, drifts, or eyes that stay closed."""


class BlinkCounter:
    """Counts blinks in the last minute of a stream.

    Parameters
    ----------
    profile : HardwareProfile
        EOG channels go first; without one the mean of the electrodes above the eyes is taken, which adds up what blinks do to both sides
        and cancels sideways glances.

    Notes
    -----
    The signal is averaged down to about 50 Hz, its running median over three seconds is taken off, and an excursion counts that rises over
    40 microvolt and over four times the spread (1.48 times the median absolute deviation), lasts at most 0.6 s and comes 0.25 s after
    the last one. The polarity is that of the larger excursions: it depends on the reference.
    """

    def __init__(self, profile: HardwareProfile) -> None:
        eog = [k for k, c in enumerate(profile.channels) if c.kind == "eog"][:1]
        over = [k for k, c in enumerate(profile.channels) if c.kind == "eeg" and c.name.upper() in OVER_THE_EYES]
        self._picks = np.array(eog or over[:2], dtype=np.intp)
        self._group = max(1, round(profile.sampling_rate_hz / THINNED_HZ))
        self._rate_hz = profile.sampling_rate_hz / self._group if profile.sampling_rate_hz else THINNED_HZ
        self._ring = np.zeros(round(KEEP_S * self._rate_hz))
        self._n = 0
        self._rest: NDArray[np.float64] = np.empty(0)

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take samples, (n_samples, n_channels); where a value is missing the last one is held."""
        if not self._picks.size:
            return
        mean = np.concatenate((self._rest, samples[:, self._picks].mean(axis=1, dtype=np.float64)))
        whole = len(mean) // self._group * self._group
        self._rest = mean[whole:]
        thinned = mean[:whole].reshape(-1, self._group).mean(axis=1)[-len(self._ring) :]
        last = self._ring[(self._n - 1) % len(self._ring)] if self._n else 0.0
        at = (self._n + np.arange(len(thinned))) % len(self._ring)
        self._ring[at] = np.where(np.isfinite(thinned), thinned, last)
        self._n += len(thinned)

    def per_minute(self) -> float | None:
        """Blinks per minute over the last minute; None without such a channel, or in the first 20 seconds."""
        n = min(self._n, len(self._ring))
        if not self._picks.size or n < LEAST_S * self._rate_hz:
            return None
        x = np.roll(self._ring, -(self._n % len(self._ring)))[-n:] if self._n > len(self._ring) else self._ring[:n]
        return count_blinks(x, self._rate_hz) * 60 * self._rate_hz / n


def count_blinks(signal_uv: NDArray[np.float64], rate_hz: float) -> int:
    """Count the blinks in a thinned signal, (n_samples,) microvolt."""
    centred = signal_uv - _running_median(signal_uv, round(1.5 * rate_hz))
    spread = 1.4826 * float(np.median(np.abs(centred)))
    over = max(LEAST_UV, TIMES_THE_SPREAD * spread)
    rising, falling = np.maximum(centred, 0), np.maximum(-centred, 0)
    upward = rising if np.square(rising[rising > over]).sum() >= np.square(falling[falling > over]).sum() else falling
    edges = np.diff(np.concatenate(([0], (upward > over).astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    count, last = 0, -round(rate_hz)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin <= LONGEST_S * rate_hz and begin - last >= APART_S * rate_hz:
            count += 1
        last = end
    return count


def _running_median(x: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Median of `width` samples to each side, every half `width`; straight lines between."""
    half = max(1, width // 2)
    centres = np.arange(0, len(x) + half, half)
    medians = np.array([np.median(x[max(0, c - width) : c + width]) if len(x[max(0, c - width) : c + width]) else 0.0 for c in centres])
    return np.interp(np.arange(len(x)), centres, medians)
