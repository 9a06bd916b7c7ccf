"""A second of every channel: collected by sample number, measured, judged."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from acquisition.quality.spectrum import SecondSpectrum, Spectrometer
from acquisition.quality.verdict import BODY_KINDS, ChannelFigures, reasons
from hardware_profiles import HardwareProfile
from messaging.lab import ChannelQuality

BRIDGED_AFTER_S = 3
"""Two channels must be alike for this many seconds running: a blink, too, is nearly the same on both sides of the forehead."""
IDENTICAL_RATIO = 1e-6
"""Two amplifiers' own noise alone (0.3 microvolt each, under EEG of 100 microvolt) differs by 2e-5 of the power: less than this is one
signal recorded twice, and needs no second look."""
MOST_MISSING = 0.5
"""A channel that lacks more of a second than this is not measured in it."""


class QualityWindow:
    """Collects a second of samples and judges each channel.

    Parameters
    ----------
    profile : HardwareProfile
        Its rate, channels, mains and `quality` limits.
    """

    def __init__(self, profile: HardwareProfile) -> None:
        self._channels = profile.channels
        self._limits = profile.quality
        self._spectrometer = Spectrometer(profile.sampling_rate_hz, len(profile.channels), profile.mains_hz)
        self._n = self._spectrometer.n_samples
        self._rows: NDArray[np.float32] = np.full((self._n, len(profile.channels)), np.nan, dtype=np.float32)
        self._starts_at: int | None = None
        self._next = 0
        self._electrodes = np.array([c.kind in BODY_KINDS for c in profile.channels], dtype=np.bool_)
        self._alike_s = np.zeros((len(profile.channels), len(profile.channels)), dtype=np.int32)

    def add(self, samples: NDArray[np.float32], first_index: int | None = None) -> tuple[ChannelQuality, ...] | None:
        """Take samples; returns the verdict of the newest second that is over, None when none is.

        Parameters
        ----------
        samples : (n_samples, n_channels)
            Consecutive, in the channels' units; not finite where a value is missing.
        first_index : int, optional
            Number of the first one; what lies between two calls was lost and counts as missing. None: nothing was lost.
        """
        index = self._next if first_index is None else first_index
        if self._starts_at is None or index < self._next:
            self._begin(index)
        verdict = None
        done = 0
        while done < len(samples):
            assert self._starts_at is not None
            row = index + done - self._starts_at
            if row >= self._n:  # the second is over, or a gap leads past its end
                verdict = self._finish()
                self._begin(self._starts_at + row // self._n * self._n)
                continue
            n = min(len(samples) - done, self._n - row)
            self._rows[row : row + n] = samples[done : done + n]
            done += n
            if row + n == self._n:
                verdict = self._finish()
                self._begin(index + done)
        self._next = index + len(samples)
        return verdict

    def _begin(self, index: int) -> None:
        self._starts_at = index
        self._rows.fill(np.nan)

    def _finish(self) -> tuple[ChannelQuality, ...]:
        figures = measure_second(self._spectrometer, self._rows)
        unlikeness = self._only_electrodes(figures[1], figures[0])
        self._alike_s += 1
        self._alike_s[unlikeness >= self._limits.bridged_ratio] = 0
        bridged = np.where((self._alike_s >= BRIDGED_AFTER_S) | (unlikeness < IDENTICAL_RATIO), unlikeness, np.inf)
        return tuple(self._verdict(k, of_channel, bridged[k]) for k, of_channel in enumerate(figures[0]))

    def _only_electrodes(self, unlikeness: NDArray[np.float64], figures: list[ChannelFigures]) -> NDArray[np.float64]:
        """Leave out whatever carries no signal of its own: two flat channels are alike, but no gel joins them."""
        live = self._electrodes & [not (f.is_flat(self._limits) or f.is_railed(self._limits) or f.missing > MOST_MISSING) for f in figures]
        return np.where(live[:, None] & live[None, :], unlikeness, np.inf)

    def _verdict(self, k: int, figures: ChannelFigures, bridged: NDArray[np.float64]) -> ChannelQuality:
        channel = self._channels[k]
        partner = int(np.argmin(bridged))
        if np.isfinite(bridged[partner]):
            figures = replace(figures, bridged_with=self._channels[partner].name, bridged_ratio=float(bridged[partner]))
        why = reasons(channel, figures, self._limits)
        electrode = bool(self._electrodes[k])
        return ChannelQuality(
            name=channel.name,
            rms_uv=figures.rms_uv,
            mains_ratio=figures.mains_ratio,
            emg_ratio=figures.emg_ratio,
            flat=electrode and figures.is_flat(self._limits),
            railed=electrode and figures.is_railed(self._limits),
            bridged_with=figures.bridged_with,
            missing=figures.missing,
            bad=bool(why),
            reasons=why,
        )


def measure_second(spectrometer: Spectrometer, rows: NDArray[np.float32]) -> tuple[list[ChannelFigures], NDArray[np.float64]]:
    """Measure a second that may lack samples.

    Parameters
    ----------
    spectrometer : Spectrometer
    rows : (n_samples, n_channels)
        Not finite where a value is missing; up to half of a second is bridged by straight lines.

    Returns
    -------
    figures : list of ChannelFigures
        One for each channel.
    unlikeness : (n_channels, n_channels)
        Belongs to the spectrometer's call.
    """
    finite = np.isfinite(rows)
    if finite.all():
        missing = np.zeros(rows.shape[1])
        highest, lowest = rows.max(axis=0), rows.min(axis=0)
    else:
        missing = 1 - finite.mean(axis=0)
        rows = _filled(rows, finite)
        highest = np.where(finite, rows, -np.inf).max(axis=0)
        lowest = np.where(finite, rows, np.inf).min(axis=0)
    spectrum = spectrometer.measure(rows)
    return [_figures(spectrum, k, float(highest[k]), float(lowest[k]), float(missing[k])) for k in range(rows.shape[1])], spectrum.unlikeness


def _figures(spectrum: SecondSpectrum, k: int, highest: float, lowest: float, missing: float) -> ChannelFigures:
    measured = missing <= MOST_MISSING
    return ChannelFigures(
        rms_uv=float(spectrum.rms[k]) if measured else 0.0,
        rms_without_mains_uv=float(spectrum.rms_without_mains[k]) if measured else 0.0,
        mains_ratio=float(spectrum.mains_ratio[k]) if measured and spectrum.mains_ratio[k] >= 0 else None,
        emg_ratio=float(spectrum.emg_ratio[k]) if measured and spectrum.emg_ratio[k] >= 0 else None,
        peak_to_peak_uv=highest - lowest if missing < 1 else 0.0,
        largest_uv=max(abs(highest), abs(lowest)) if missing < 1 else 0.0,
        missing=missing,
    )


def _filled(rows: NDArray[np.float32], finite: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Lead straight lines over what is missing, channel by channel; a channel without any sample becomes zero."""
    whole = rows.copy()
    at = np.arange(len(rows))
    for k in np.flatnonzero(~finite.all(axis=0)):
        there = finite[:, k]
        whole[:, k] = np.interp(at, at[there], rows[there, k]) if there.any() else 0.0
    return whole
