"""Time courses of the answers to one unit: error-related potential, N400 and the blink that may follow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.simulated_subject.artifacts import BLINK_LOG_SD, BLINK_UV, blink_course
from acquisition.simulated_subject.draws import generator
from acquisition.simulated_subject.mind import P_BLINK, Showing


@dataclass(frozen=True, slots=True)
class Lobe:
    """A raised cosine: support is finite, so an answer starts and ends."""

    peak_uv: float
    latency_ms: float
    half_width_ms: float

    def course(self, since_onset_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Microvolt at each time after the onset (seconds)."""
        place = np.clip((since_onset_s * 1000 - self.latency_ms) / self.half_width_ms, -1.0, 1.0)
        return self.peak_uv * (0.5 + 0.5 * np.cos(np.pi * place))


ERRP_AT_FCZ = (Lobe(-3.0, 180.0, 80.0), Lobe(9.0, 400.0, 90.0), Lobe(-9.0, 640.0, 100.0))
N400_AT_CPZ = Lobe(-0.33, 400.0, 150.0)
"""Per bit of surprisal."""
AMPLITUDE_CV = 0.4
JITTER_MS = 25.0
MAX_JITTER_MS = 60.0
STARTS_S = (180.0 - 80.0 - MAX_JITTER_MS) / 1000
"""No answer starts earlier after the onset: a unit may be told up to then without loss."""
ENDS_S = 1.0
BLINK_STARTS_S = (0.35, 0.60)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one showing adds to the EEG."""

    order: tuple[float, str, int]
    first_sample: int
    courses_uv: NDArray[np.float64]
    """(n_samples, 3): ErrP at FCz, N400 at CPz, blink at Fp1/Fp2."""

    @property
    def end_sample(self) -> int:
        """Sample after the last one."""
        return self.first_sample + len(self.courses_uv)


def answer_to(showing: Showing, strength: float, effect_scale: float, sampling_rate_hz: float, seeds: tuple[int, int]) -> Answer:
    """Time courses of the answer to one showing.

    Parameters
    ----------
    showing : Showing
    strength : float
        From `Mind.strength`.
    effect_scale : float
        The subject's; also scales how often a blink follows (never more than `P_BLINK`), so that a subject without effect has none.
    sampling_rate_hz : float
    seeds : (int, int)
        Subject and run.

    Returns
    -------
    Answer
    """
    rng = generator(*seeds, "answer", showing.presentation, showing.response_id, showing.index)
    gain_errp, gain_n400 = np.maximum(0.0, 1.0 + AMPLITUDE_CV * rng.standard_normal(2)) * strength * (effect_scale, np.sqrt(effect_scale))
    shift_errp_s, shift_n400_s = np.clip(JITTER_MS * rng.standard_normal(2), -MAX_JITTER_MS, MAX_JITTER_MS) / 1000
    blink_chance, blink_place = rng.random(2)
    blink_uv = BLINK_UV * np.exp(BLINK_LOG_SD * rng.standard_normal())
    first = int(np.ceil((showing.onset_s + STARTS_S) * sampling_rate_hz))
    end = int(np.floor((showing.onset_s + ENDS_S) * sampling_rate_hz)) + 1
    since_s = np.arange(first, end) / sampling_rate_hz - showing.onset_s
    courses_uv = np.zeros((len(since_s), 3))
    courses_uv[:, 1] = gain_n400 * showing.surprisal_bits * N400_AT_CPZ.course(since_s - shift_n400_s)
    if showing.noticed:
        courses_uv[:, 0] = gain_errp * sum(lobe.course(since_s - shift_errp_s) for lobe in ERRP_AT_FCZ)
        if blink_chance < P_BLINK * min(1.0, effect_scale):
            lid_s = BLINK_STARTS_S[0] + (BLINK_STARTS_S[1] - BLINK_STARTS_S[0]) * blink_place
            courses_uv[:, 2] = blink_uv * blink_course(since_s - lid_s)
    return Answer(showing.order, first, courses_uv)
