"""Frontal midline theta of single trials: causal band-pass, power of a window, normalised by the trials before.

The filter is the stream's own (`decoders.stream`, `decoders.offline`), so live and offline give the same bits; nothing after the
window is used, and no trial after the one that is scored.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from decoders.artifacts import judge_window
from decoders.filters import band_pass_sections
from decoders.spec import ArtifactRules, MismatchError, Preprocessing, WindowSpec
from decoders.windows import Filtered, window_layout

Floats = NDArray[np.float64]
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

BAND_HZ = (4.0, 8.0)
WINDOW_MS = (200.0, 600.0)
SETTLE_S = 2.0
"""A 4 Hz wide filter rings longer than the wide ones."""
PAST_TRIALS = 256
"""Trials that are remembered; older ones give way, so that an hour of fatigue is followed."""
MIN_PAST = 20
_MAD_TO_SD = 1.482602218505602
_FLOOR_UV2 = 1e-12
RULES = ArtifactRules(max_abs_uv=60.0, max_peak_to_peak_uv=110.0, min_peak_to_peak_uv=0.01)
"""In the band: theta of 20 uV is large, a blink leaves more."""


def theta_preprocessing(sampling_rate_hz: float, channel_names: tuple[str, ...] = ("FCz",)) -> Preprocessing:
    """Write out the band-pass of 4-8 Hz."""
    return Preprocessing(sampling_rate_hz, channel_names, *BAND_HZ, settle_s=SETTLE_S)


def filter_delay_ms(sampling_rate_hz: float) -> float:
    """Group delay of the band-pass in the middle of its band (6 Hz): -d phase / d omega."""
    middle_hz, step_hz = sum(BAND_HZ) / 2, 0.01
    sections = band_pass_sections(theta_preprocessing(sampling_rate_hz))
    _, response = signal.sosfreqz(sections, [middle_hz - step_hz, middle_hz + step_hz], fs=sampling_rate_hz)
    return float(-np.angle(response[1] / response[0]) / (2 * np.pi * 2 * step_hz) * 1000)


def theta_window(sampling_rate_hz: float) -> WindowSpec:
    """200-600 ms after the onset, read as much later as the filter delays 6 Hz; so a score comes that much later too."""
    delay_ms = filter_delay_ms(sampling_rate_hz)
    return WindowSpec((WINDOW_MS[0] + delay_ms, WINDOW_MS[1] + delay_ms))


def _compiled(function: _Kernel) -> _Kernel:
    return cast("_Kernel", numba.njit(cache=True, fastmath=False)(function))


@_compiled
def log_power(rows: Floats) -> float:
    """Return log of the mean square of filtered samples (n_samples, n_channels), natural log of uV^2."""
    total = 0.0
    for n in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            total += rows[n, c] * rows[n, c]
    return float(np.log(total / (rows.shape[0] * rows.shape[1]) + _FLOOR_UV2))


class PastTrials:
    """Median and spread of the trials so far in a session.

    Notes
    -----
    z = (x - median) / (1.4826 MAD) over at most `PAST_TRIALS` earlier trials: power is skewed even in its log, and a blink or a
    clenched jaw among the first trials would hold a mean and SD for long.
    """

    __slots__ = ("_next", "_seen", "_values")

    def __init__(self) -> None:
        self._values = np.zeros(PAST_TRIALS)
        self._next = self._seen = 0

    def normalised(self, value: float) -> float | None:
        """Place a trial among the earlier ones; None before `MIN_PAST` of them, or where they do not vary."""
        if self._seen < MIN_PAST:
            return None
        past = self._values[: min(self._seen, PAST_TRIALS)]
        median = float(np.median(past))
        spread = _MAD_TO_SD * float(np.median(np.abs(past - median)))
        return (value - median) / spread if spread > 0 else None

    def learn(self, value: float) -> None:
        """Remember a trial, after it was scored."""
        self._values[self._next] = value
        self._next = (self._next + 1) % PAST_TRIALS
        self._seen += 1

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that later scores depend on."""
        return {"next": self._next, "seen": self._seen}, {"values": self._values.copy()}

    def restore(self, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from what `state` gave.

        Raises
        ------
        MismatchError
            It remembers another number of trials.
        """
        if arrays["values"].shape != (PAST_TRIALS,):
            raise MismatchError(f"The state remembers {len(arrays['values'])} trials, this version {PAST_TRIALS}; start the session's theta anew.")
        self._values[:] = arrays["values"]
        self._next, self._seen = int(numbers["next"]), int(numbers["seen"])


class ThetaReader:
    """Scores of one session's trials, in the order of their onsets.

    Parameters
    ----------
    sampling_rate_hz : float
    channel_names : tuple of str
        Frontal midline; their powers are averaged.
    """

    def __init__(self, sampling_rate_hz: float, channel_names: tuple[str, ...] = ("FCz",)) -> None:
        self.preprocessing = theta_preprocessing(sampling_rate_hz, channel_names)
        self.past = PastTrials()
        self._layout = window_layout(theta_window(sampling_rate_hz), sampling_rate_hz)
        log_power(np.ones((2, 1)))  # compiled before it is needed

    @property
    def samples_after_onset(self) -> int:
        """How many samples from the onset on a score needs."""
        return self._layout.stop

    def score(self, filtered: Filtered, onset_sample: int) -> float | None:
        """Score a trial by those before it, then remember it.

        Parameters
        ----------
        filtered : Filtered
            Stream or recording under `preprocessing`, up to `samples_after_onset` at least.
        onset_sample : int

        Returns
        -------
        float or None
            In robust standard deviations; larger means more control. None for a window with lost, settling or too large samples,
            which is not remembered, and for the first `MIN_PAST` trials.
        """
        window, marks = filtered.read(onset_sample + self._layout.start, onset_sample + self._layout.stop)
        if judge_window(window, marks, RULES, self.preprocessing.channel_names).rejected is not None:
            return None
        power = log_power(window)
        score = self.past.normalised(power)
        self.past.learn(power)
        return score
