"""Electrode impedance by the lead-off current of the ADS1299: what to send to the board, and what to make of its samples. No I/O.

A current of 6 nA at 31.25 Hz flows through one electrode; the voltage at that frequency is current times impedance.

References
----------
OpenBCI, Cyton Board SDK, "LeadOff Impedance Commands": https://docs.openbci.com/Cyton/CytonSDK/
OpenBCI GUI, ``BoardCyton.setCheckingImpedanceCyton`` (which settings are sent) and ``processNewData`` (the equation, 2.2 kohm).
Texas Instruments, ADS1299 data sheet (SBAS499), section "Lead-Off Detection".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.board import AcquisitionError, BoardChunk
from hardware_profiles import HardwareProfile
from messaging.lab import ChannelImpedance, LabImpedance

LEAD_OFF_A = 6e-9
LEAD_OFF_HZ = 31.25
SERIES_OHM = 2200.0
"""Resistor before every input of OpenBCI's boards; it is no part of the electrode."""
CHANNEL_LETTERS = "12345678QWERTYUI"
SETTLE_S = 0.5
"""The amplifier's offset jumps when a channel's settings change."""
WINDOW_S = 1.0


def lead_off_command(position: int) -> str:
    """Command that lets the test current flow through the N input of one EEG input (0 ... 15).

    Gain 1, normal input, in the bias, SRB2 and SRB1 disconnected; then the current on N: what OpenBCI's own program sends.
    """
    letter = CHANNEL_LETTERS[position]
    return f"x{letter}000100Xz{letter}01Z"


def ordinary_command(position: int) -> str:
    """Command that gives one EEG input its settings back: gain 24, normal, in the bias, on SRB2, no current."""
    letter = CHANNEL_LETTERS[position]
    return f"x{letter}060110Xz{letter}00Z"


def impedance_kohm(amplitude_uv: float) -> float:
    """Impedance of an electrode from the amplitude at 31.25 Hz.

    Notes
    -----
    ``Z = U / I - 2.2 kohm`` with ``U`` the amplitude, which is sqrt(2) times the RMS, and ``I`` = 6 nA; never below 0.
    """
    return max(0.0, amplitude_uv * 1e-6 / LEAD_OFF_A - SERIES_OHM) / 1e3


class LeadOffEstimator:
    """Amplitude at 31.25 Hz of one channel over the last second.

    Parameters
    ----------
    sampling_rate_hz : float
    mains_hz : float

    Notes
    -----
    A constant, a slope, the mains and the test frequency are fitted by least squares, weighted by a Hann window. OpenBCI's program takes
    the RMS of everything from 5 to 50 Hz instead, which counts the EEG as impedance: 10 microvolt RMS of alpha rhythm are 2.4 kohm.
    Samples are placed by their number, so that lost ones neither shift the phase nor count.
    """

    def __init__(self, sampling_rate_hz: float, mains_hz: float) -> None:
        self._rate_hz = sampling_rate_hz
        self._mains_hz = mains_hz
        self._settle = round(SETTLE_S * sampling_rate_hz)
        self._window = round(WINDOW_S * sampling_rate_hz)
        self.restart()

    def restart(self) -> None:
        """Begin again, with another channel: its first half second is left out."""
        self._begin: int | None = None
        self._values = np.full(self._window, np.nan)

    def add(self, first_index: int, samples_uv: NDArray[np.floating]) -> float | None:
        """Take samples of the channel that carries the current.

        Parameters
        ----------
        first_index : int
            Number of the first sample.
        samples_uv : (n_samples,)

        Returns
        -------
        float or None
            Impedance in kohm, once a second; None in between, and when more than half of the second is missing.
        """
        found = None
        if self._begin is None:
            self._begin = first_index + self._settle
        for index, value in enumerate(np.asarray(samples_uv, dtype=np.float64).tolist(), first_index):
            if index >= self._begin + self._window:
                found = self._fit()
                self._values[:] = np.nan
                self._begin += (index - self._begin) // self._window * self._window
            if index >= self._begin:
                self._values[index - self._begin] = value
        return found

    def _fit(self) -> float | None:
        there = np.flatnonzero(np.isfinite(self._values))
        if len(there) < self._window / 2:
            return None
        turn = 2 * np.pi * there / self._rate_hz
        columns = [np.ones(len(there)), there / self._window, np.cos(LEAD_OFF_HZ * turn), np.sin(LEAD_OFF_HZ * turn)]
        if self._mains_hz < self._rate_hz / 2:
            columns += [np.cos(self._mains_hz * turn), np.sin(self._mains_hz * turn)]
        weight = np.sin(np.pi * (there + 0.5) / self._window)
        fitted = np.linalg.lstsq(np.stack(columns, axis=1) * weight[:, None], self._values[there] * weight, rcond=None)[0]
        return impedance_kohm(float(np.hypot(fitted[2], fitted[3])))


@dataclass(frozen=True, slots=True)
class SweepStep:
    """What a second of measuring gave."""

    message: LabImpedance
    next_channel: str | None
    """Not None: the test current is to move to this channel now."""


class ImpedanceSweep:
    """Measures one electrode after the other, over and over.

    Parameters
    ----------
    profile : HardwareProfile
    channels : tuple of str
        In this order; empty: all EEG channels.
    limit_kohm : float or None
        From where on an electrode is bad; None: the profile's.

    Raises
    ------
    AcquisitionError
        A channel that the profile does not have, or a board that measures no impedance.
    """

    def __init__(self, profile: HardwareProfile, channels: tuple[str, ...] = (), limit_kohm: float | None = None) -> None:
        if profile.driver.impedance is None:
            raise AcquisitionError(f"Board {profile.title} offers no measurement of electrode impedance. Check the electrodes by the signal quality.")
        self._channels = channels or profile.eeg_names
        unknown = [c for c in self._channels if c not in profile.channel_names]
        if unknown:
            raise AcquisitionError(f"Board {profile.title} has no channel {', '.join(unknown)}. It has {', '.join(profile.channel_names)}.")
        self._column = {name: k for k, name in enumerate(profile.channel_names)}
        self._limit_kohm = limit_kohm if limit_kohm is not None else profile.quality.impedance_kohm
        self._estimator = LeadOffEstimator(profile.sampling_rate_hz, profile.mains_hz)
        self._found: dict[str, float] = {}
        self._at = 0

    @property
    def measuring(self) -> str:
        """Channel that is to carry the test current."""
        return self._channels[self._at]

    def add(self, chunk: BoardChunk) -> SweepStep | None:
        """Take samples; returns a step when a second of the present channel is complete."""
        kohm = self._estimator.add(chunk.first_index, chunk.samples[:, self._column[self.measuring]])
        if kohm is None:
            return None
        self._found[self.measuring] = round(kohm, 2)
        message = self._message(self.measuring)
        if len(self._channels) == 1:
            return SweepStep(message, None)
        self._at = (self._at + 1) % len(self._channels)
        self._estimator.restart()
        return SweepStep(message, self.measuring)

    def ended(self) -> LabImpedance:
        """Last message: nothing is being measured any more."""
        return self._message(None)

    def _message(self, measuring: str | None) -> LabImpedance:
        found = (ChannelImpedance(name=c, impedance_kohm=self._found.get(c), bad=self._found.get(c, 0.0) > self._limit_kohm) for c in self._channels)
        return LabImpedance(measuring=measuring, channels=tuple(found))
