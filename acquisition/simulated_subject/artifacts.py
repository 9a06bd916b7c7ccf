"""What is not brain: blinks, mains, drifts, electrode pops and the amplifier's own noise, as a function of the sample index."""

import numpy as np
from numpy.typing import NDArray

from acquisition.simulated_subject.draws import block_generator, generator, stream_key

BLINKS_PER_MINUTE = 12.0
BLINK_UV = 85.0
"""Median height at Fp1/Fp2."""
BLINK_LOG_SD = 0.25
BLINK_CLOSING_S = 0.10
BLINK_OPENING_S = 0.25
POPS_PER_MINUTE = 0.5
POP_UV = (40.0, 120.0)
POP_DECAY_S = 0.4
_POP_S = 10 * POP_DECAY_S
"""Here a pop is under 0.01 microvolt and is cut."""
DRIFT_UV = 15.0
"""SD of a channel's slow drift, a sum of `N_DRIFTS` sines."""
N_DRIFTS = 3
DRIFT_PERIOD_S = (15.0, 120.0)
MAINS_UV = (0.5, 3.0)
AMPLIFIER_UV = 0.7


def blink_course(since_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Time course of a blink of height 1: the lid closes faster than it opens.

    Parameters
    ----------
    since_s : ndarray
        Time since the lid started to move, seconds.

    Returns
    -------
    ndarray, same shape, 0 to 1
    """
    closing = 0.5 - 0.5 * np.cos(np.pi * np.clip(since_s / BLINK_CLOSING_S, 0.0, 1.0))
    opening = 0.5 + 0.5 * np.cos(np.pi * np.clip((since_s - BLINK_CLOSING_S) / BLINK_OPENING_S, 0.0, 1.0))
    return np.minimum(closing, opening)


class Artifacts:
    """Adds everything that is not brain to a block.

    Parameters
    ----------
    blink_topography : ndarray, shape (n_channels,)
        1 on average of Fp1 and Fp2.
    sampling_rate_hz, mains_hz : float
    subject_seed, run_seed : int
    """

    def __init__(self, blink_topography: NDArray[np.float64], sampling_rate_hz: float, mains_hz: float, subject_seed: int, run_seed: int) -> None:
        self._blink = blink_topography
        self._rate_hz = sampling_rate_hz
        n_channels = len(blink_topography)
        rng = generator(subject_seed, run_seed, "set-up")
        drift_hz = 1.0 / rng.uniform(*DRIFT_PERIOD_S, N_DRIFTS)
        self._hz = np.append(drift_hz, mains_hz + rng.normal(0.0, 0.01))
        drift_uv = rng.normal(0.0, DRIFT_UV * np.sqrt(2 / N_DRIFTS), (N_DRIFTS, n_channels))
        self._uv = np.concatenate([drift_uv, rng.uniform(*MAINS_UV, (1, n_channels))])
        self._phase = np.concatenate([rng.uniform(0.0, 2 * np.pi, (N_DRIFTS, n_channels)), rng.normal(0.0, 0.3, (1, n_channels))])
        self._seconds_key = stream_key(subject_seed, run_seed, "blinks and pops")
        self._noise_key = stream_key(subject_seed, run_seed, "amplifier")

    def block(self, number: int, block_samples: int) -> NDArray[np.float64]:
        """Artifacts of one block.

        Parameters
        ----------
        number, block_samples : int
            The block starts at sample ``number * block_samples``.

        Returns
        -------
        ndarray, shape (block_samples, n_channels), microvolt
        """
        time_s = (np.arange(block_samples) + number * block_samples) / self._rate_hz
        noise = block_generator(self._noise_key, number).standard_normal((block_samples, len(self._blink)), dtype=np.float32)
        out = AMPLIFIER_UV * noise.astype(np.float64)
        for hz, uv, phase in zip(self._hz, self._uv, self._phase, strict=True):
            # sin(a + b) = sin a cos b + cos a sin b: one sine per sample instead of one per sample and channel.
            turn = 2 * np.pi * hz * time_s[:, None]
            out += np.sin(turn) * (uv * np.cos(phase)) + np.cos(turn) * (uv * np.sin(phase))
        for second in range(int(time_s[0] - _POP_S), int(time_s[-1]) + 1):
            if second >= 0:
                self._add_second(out, time_s, second)
        return out

    def _add_second(self, out: NDArray[np.float64], time_s: NDArray[np.float64], second: int) -> None:
        rng = block_generator(self._seconds_key, second)
        chance, place, pop_chance, pop_place, pop_channel, pop_size = rng.random(6)
        if chance < BLINKS_PER_MINUTE / 60:
            height_uv = BLINK_UV * np.exp(BLINK_LOG_SD * rng.standard_normal())
            start_s = second + place
            span = _span(time_s, start_s, BLINK_CLOSING_S + BLINK_OPENING_S)
            out[span] += height_uv * blink_course(time_s[span] - start_s)[:, None] * self._blink
        if pop_chance < POPS_PER_MINUTE / 60:
            channel = int(pop_channel * out.shape[1])
            height_uv = (POP_UV[0] + (POP_UV[1] - POP_UV[0]) * pop_size) * (1 if rng.random() < 0.5 else -1)
            start_s = second + pop_place
            span = _span(time_s, start_s, _POP_S)
            out[span, channel] += height_uv * np.exp((start_s - time_s[span]) / POP_DECAY_S)


def _span(time_s: NDArray[np.float64], start_s: float, length_s: float) -> slice:
    """Samples of a block that an artifact from `start_s` on touches."""
    first, end = np.searchsorted(time_s, (start_s, start_s + length_s))
    return slice(int(first), int(end))
