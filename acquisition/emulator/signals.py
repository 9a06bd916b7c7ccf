"""What lies at the inputs of an emulated board: a recording or a made-up signal, and the lead-off current through the electrodes."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from acquisition.emulator.cyton_protocol import ChannelSettings

LEAD_OFF_A = 6e-9
LEAD_OFF_HZ = 31.25
SERIES_OHM = 2200.0
"""Resistor between the electrode's pin and the ADS1299 on OpenBCI's boards."""


class Signal(Protocol):
    """Microvolts at the inputs, by sample number."""

    def at(self, sample: int) -> NDArray[np.float64]:
        """(n_channels,) microvolt at one sample."""
        ...


class PlayedSignal:
    """Samples of a recording, again from the start when they are over.

    Parameters
    ----------
    samples_uv : (n_samples, n_channels)
    """

    def __init__(self, samples_uv: NDArray[np.floating]) -> None:
        if samples_uv.ndim != 2 or not len(samples_uv):
            raise ValueError(f"A signal to play has the shape (n_samples, n_channels); this one has {samples_uv.shape}. Give at least one sample.")
        self._samples_uv = np.asarray(samples_uv, dtype=np.float64)

    def at(self, sample: int) -> NDArray[np.float64]:
        """(n_channels,) microvolt at one sample."""
        found: NDArray[np.float64] = self._samples_uv[sample % len(self._samples_uv)]
        return found


class NumberedSignal:
    """Sines, and in the last channel the number of the sample, so that continuity can be asserted.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
    """

    STEP_UV = 0.5
    MODULUS = 100_000

    def __init__(self, n_channels: int = 8, rate_hz: float = 250.0) -> None:
        self._hz = 3.0 + 2.0 * np.arange(n_channels)
        self._rate_hz = rate_hz

    def at(self, sample: int) -> NDArray[np.float64]:
        """(n_channels,) microvolt at one sample."""
        values: NDArray[np.float64] = 20.0 * np.sin(2 * np.pi * self._hz * sample / self._rate_hz)
        values[-1] = self.STEP_UV * (sample % self.MODULUS)
        return values

    def number(self, value_uv: NDArray[np.floating]) -> NDArray[np.int64]:
        """Read sample numbers back off the last channel's values."""
        return np.rint(np.asarray(value_uv, dtype=np.float64) / self.STEP_UV).astype(np.int64)


class Electrodes:
    """Resistance of each electrode; adds what the lead-off current makes of it.

    Parameters
    ----------
    resistance_ohm : (n_channels,)
    waveform : {"sine", "square"}
        The ADS1299 switches its current source: a square wave, whose part at 31.25 Hz is 4/pi times as large as that of a sine of the
        same amplitude. OpenBCI's own figures take it for a sine.
    """

    def __init__(self, resistance_ohm: NDArray[np.float64], waveform: Literal["sine", "square"] = "sine") -> None:
        self.resistance_ohm = np.asarray(resistance_ohm, dtype=np.float64)
        self._square = waveform == "square"

    def add(self, sample_uv: NDArray[np.float64], sample: int, rate_hz: float, settings: list[ChannelSettings]) -> NDArray[np.float64]:
        """Add the test current's voltage, U = I (R + 2.2 kohm), to the channels that carry it."""
        carried = np.array([s.lead_off_p or s.lead_off_n for s in settings])
        if not carried.any():
            return sample_uv
        wave = float(np.sin(2 * np.pi * LEAD_OFF_HZ * (sample + 0.25) / rate_hz))
        if self._square:
            wave = 1.0 if wave >= 0 else -1.0
        added: NDArray[np.float64] = sample_uv + carried * wave * LEAD_OFF_A * (self.resistance_ohm + SERIES_OHM) * 1e6
        return added
