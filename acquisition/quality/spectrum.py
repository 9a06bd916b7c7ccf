"""Band powers of one second of samples, and how alike its channels are; buffers are made once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ = 1.0
EMG_FROM_HZ = 30.0
ALIKE_UP_TO_HZ = 40.0
"""Likeness is judged from 1 Hz up to here, mains left out: mains and muscle are alike, or unlike, for reasons of their own."""


@dataclass(frozen=True, slots=True)
class SecondSpectrum:
    """Figures of one second; arrays belong to the `Spectrometer` and hold until its next call."""

    rms: NDArray[np.float64]
    """(n_channels,) root mean square from 1 Hz on, in the samples' unit."""
    rms_without_mains: NDArray[np.float64]
    """(n_channels,) the same, mains and its harmonics left out."""
    mains_ratio: NDArray[np.float64]
    """(n_channels,) share of the power from 1 Hz on that lies at the mains frequency; NaN without power."""
    emg_ratio: NDArray[np.float64]
    """(n_channels,) share of the power from 1 Hz on, mains left out, that lies above 30 Hz; NaN without power."""
    unlikeness: NDArray[np.float64]
    """(n_channels, n_channels) power of the difference over the mean power, 1 to 40 Hz; infinite on the diagonal and without power."""


class Spectrometer:
    """Measures seconds of one board.

    Parameters
    ----------
    sampling_rate_hz : float
    n_channels : int
    mains_hz : float

    Notes
    -----
    A straight line is taken off each channel (electrodes drift), then a Hann window is applied; with window ``w`` and spectrum ``F`` the
    power of a bin is ``2 |F|^2 / (n sum w^2)``. The line leaves no trace of a constant offset, however large. A sine of whole frequency
    fills three bins of the window, hence "at the mains frequency" is within 1.5 Hz.

    The unlikeness of two channels is the "electrical distance" of Tenke and Kayser over their mean power, so that it has no unit.

    References
    ----------
    Tenke CE, Kayser J (2001). A convenient method for detecting electrolyte bridges in multichannel electroencephalogram and
    event-related potential recordings. Clinical Neurophysiology 112:545-550. doi:10.1016/S1388-2457(00)00553-8
    """

    def __init__(self, sampling_rate_hz: float, n_channels: int, mains_hz: float) -> None:
        self.n_samples = max(4, round(sampling_rate_hz))
        n = self.n_samples
        self._time = np.arange(n) - (n - 1) / 2
        window = np.hanning(n + 1)[:n]
        self._window = window[:, None]
        self._scale = 2.0 / (n * float(window @ window))
        hz = np.fft.rfftfreq(n, 1 / sampling_rate_hz)
        from_lowest = hz >= LOWEST_HZ
        harmonics = np.abs(hz - np.maximum(1, np.round(hz / mains_hz)) * mains_hz) <= 1.5
        self._bands = np.stack(
            [
                from_lowest,
                from_lowest & (np.abs(hz - mains_hz) <= 1.5),
                from_lowest & ~harmonics,
                ~harmonics & (hz > EMG_FROM_HZ),
            ]
        ).astype(np.float64)
        self._alike = from_lowest & ~harmonics & (hz <= ALIKE_UP_TO_HZ)
        self._flat = np.empty((n, n_channels))
        self._spectrum = np.empty((len(hz), n_channels), dtype=np.complex128)
        self._power = np.empty((len(hz), n_channels))

    def measure(self, samples: NDArray[np.float32]) -> SecondSpectrum:
        """Measure a second.

        Parameters
        ----------
        samples : (n_samples, n_channels)
            Finite.
        """
        x = self._flat
        np.subtract(samples, samples.mean(axis=0, dtype=np.float64), out=x)
        slope = self._time @ x / (self._time @ self._time)
        x -= np.multiply.outer(self._time, slope)
        x *= self._window
        np.fft.rfft(x, axis=0, out=self._spectrum)
        np.square(self._spectrum.real, out=self._power)
        self._power += np.square(self._spectrum.imag)
        total, mains, clean, emg = self._bands @ self._power
        with np.errstate(invalid="ignore", divide="ignore"):
            return SecondSpectrum(
                rms=np.sqrt(total * self._scale),
                rms_without_mains=np.sqrt(clean * self._scale),
                mains_ratio=np.where(total > 0, mains / total, np.nan),
                emg_ratio=np.where(clean > 0, emg / clean, np.nan),
                unlikeness=self._unlikeness(),
            )

    def _unlikeness(self) -> NDArray[np.float64]:
        band = self._spectrum[self._alike]
        rows = np.concatenate((band.real, band.imag))
        products = rows.T @ rows
        own = np.diagonal(products)
        mean = (own[:, None] + own[None, :]) / 2
        apart = np.where((own[:, None] > 0) & (own[None, :] > 0), np.maximum(2 * (mean - products), 0) / mean, np.inf)
        np.fill_diagonal(apart, np.inf)
        return apart
