"""What the electrodes record when nothing is shown: brain noise and alpha, as a function of the sample index.

Noise is synthesised in overlapping segments whose spectrum is drawn from counter-based random numbers, so any stretch can be
computed without the stretch before it.
"""

import numpy as np
from numpy.typing import NDArray

from acquisition.simulated_subject.draws import block_generator, generator, stream_key
from acquisition.simulated_subject.head import Head

BLOCK_S = 4.0
"""Length of a block; a segment spans two, so the lowest frequency is 1/8 Hz."""
KNEE_HZ = 0.5
"""Below, the spectrum is flat; slower changes are drifts (`artifacts`)."""
HIGHEST_HZ = 70.0
"""The amplifier passes no more of the brain than this."""
ALPHA_SD_HZ = 0.9
LEVEL_UV = (11.0, 13.0)
"""Range over subjects of the geometric mean over channels of the SD at 1-10 Hz."""
CHANNEL_UV = (8.5, 16.8)
"""Limits of that SD of a single channel."""
ALPHA_OVER_NOISE = (13.0, 28.0)
"""Range over subjects of alpha's peak power over the 1/f power there, at the channel where it is largest."""


class BrainNoise:
    """Sum of 1/f^beta sources and alpha at every channel.

    Parameters
    ----------
    head : Head
    sampling_rate_hz : float
    subject_seed, run_seed : int
        Level and spectrum belong to the subject, the noise to the run.

    Notes
    -----
    Overlap-add of Gaussian segments: x = w(t) s_k(t) + w(t - T/2) s_{k+1}(t) with w = sin(pi t / T). Segments are independent and
    w^2 sums to one, so the variance is constant.
    """

    def __init__(self, head: Head, sampling_rate_hz: float, subject_seed: int, run_seed: int) -> None:
        self.block_samples = round(BLOCK_S * sampling_rate_hz)
        n = 2 * self.block_samples
        frequencies_hz = np.linspace(0.0, sampling_rate_hz / 2, self.block_samples + 1)
        n_bins = 1 + int(np.sum((frequencies_hz > 0) & (frequencies_hz < min(HIGHEST_HZ, sampling_rate_hz / 2))))
        bin_hz = float(frequencies_hz[1])
        power, leads = _sources(head, frequencies_hz[1:n_bins], bin_hz, subject_seed)
        self._n_bins = n_bins
        self._amplitude = np.sqrt(power * bin_hz).astype(np.float32) * np.float32(n / 2)
        self._leads = leads.astype(np.float32)
        self._window = np.sin(np.pi * (np.arange(n) + 0.5) / n)[:, None]
        self._key = stream_key(subject_seed, run_seed, "brain noise")
        self._kept: tuple[int, NDArray[np.float64]] | None = None

    def block(self, number: int) -> NDArray[np.float64]:
        """Samples of one block.

        Parameters
        ----------
        number : int
            Block `number` starts at sample ``number * block_samples``; 0 or more.

        Returns
        -------
        ndarray, shape (block_samples, n_channels), microvolt
        """
        before = self._kept[1] if self._kept is not None and self._kept[0] == number - 1 else self._segment(number - 1)
        segment = self._segment(number)
        self._kept = (number, segment)
        return before[self.block_samples :] + segment[: self.block_samples]

    def _segment(self, number: int) -> NDArray[np.float64]:
        n_sources, n_channels = self._leads.shape
        rng = block_generator(self._key, number)
        normals = rng.standard_normal((self._n_bins - 1, 2, n_sources), dtype=np.float32)
        normals *= self._amplitude[:, None, :]
        mixed = normals.reshape(-1, n_sources) @ self._leads
        spectrum = np.zeros((self._n_bins, n_channels), dtype=np.complex128)
        spectrum[1:] = mixed[0::2] + 1j * mixed[1::2]
        return np.fft.irfft(spectrum, 2 * self.block_samples, axis=0) * self._window


def _sources(head: Head, frequencies_hz: NDArray[np.float64], bin_hz: float, subject_seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power spectra (n_bins, n_sources) and leads (n_sources, n_channels), scaled to the subject's level and alpha.

    1/f sources get power 1 at 1-10 Hz; then the leads are scaled so that the SD at 1-10 Hz is the subject's level, and alpha so
    that its peak stands the subject's factor above the 1/f power at the same frequency.
    """
    rng = generator(subject_seed, "background")
    level_uv = rng.uniform(*LEVEL_UV)
    ratio = np.exp(rng.uniform(*np.log(ALPHA_OVER_NOISE)))
    noise = np.maximum(frequencies_hz[:, None], KNEE_HZ) ** -head.exponents
    in_band = (frequencies_hz >= 1.0) & (frequencies_hz <= 10.0)
    noise /= noise[in_band].sum(axis=0) * bin_hz
    alpha = np.exp(-0.5 * ((frequencies_hz[:, None] - head.alpha_peak_hz) / ALPHA_SD_HZ) ** 2)
    alpha = np.repeat(alpha, len(head.alpha), axis=1)
    electrodes = np.abs(head.background).sum(axis=0) > 0
    peak = int(np.argmin(np.abs(frequencies_hz - head.alpha_peak_hz)))
    noise_at_peak = noise[peak] @ head.background**2
    alpha_at_peak = alpha[peak] @ head.alpha**2
    gain = np.sqrt(ratio / np.max(alpha_at_peak[electrodes] / noise_at_peak[electrodes]))
    power = np.concatenate([noise, alpha], axis=1)
    leads = np.concatenate([head.background, head.alpha * gain])
    sd_uv = np.sqrt(power[in_band].sum(axis=0) * bin_hz @ leads**2)[electrodes]
    scale = max(level_uv / np.exp(np.mean(np.log(sd_uv))), CHANNEL_UV[0] / sd_uv.min())
    return power, leads * min(scale, CHANNEL_UV[1] / sd_uv.max())
