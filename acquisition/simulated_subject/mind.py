"""The subject's mind: which units it notices as errors, and how strongly its brain answers.

Whether a unit is noticed depends on seeds and identities alone, never on the order or the time at which units are told.
How strong the answer is also depends on what was shown before (repetition, refractoriness) and on the time (fatigue).
"""

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np

from acquisition.simulated_subject.draws import generator, uniform
from acquisition.simulated_subject.key import SubjectKey, UnitKey
from messaging.records import UnitShown
from messaging.words import Polarity

P_NOTICE = 0.8
P_NOTICE_SUBTLE = 0.5
P_FALSE_ALARM = 0.05
P_PRIVATELY_FINE = 0.04
"""Part of the wrong units that this subject finds right, in every showing."""
P_PRIVATELY_DISLIKED = 0.02
"""Part of the right units that this subject finds wrong; noticed as subtle errors are."""
P_BLINK = 0.3
SIGN_FACTOR = 1.75
"""Answer to a sign that stands for an outcome, against that to a wrong word: attended outcomes are told apart better, AUC .70-.80 against .55-.65."""
REFRACTORY_S = 0.5
REFRACTORY_FACTOR = 0.5
REPETITION_FACTORS = (1.0, 0.6, 0.4)
"""First, second, third and later showing of a response in this run."""
KEPT_PER_HOUR = 0.8
"""What an hour on task leaves of the answers: -20 %."""
EFFECT_LOG_SD = 0.52
"""One and two SD below the median effect of 1 lie .6 and .35."""
P_NO_EFFECT = 2 / 16


def draw_effect_scale(subject_seed: int) -> float:
    """Effect scale of a subject of the population: log-normal around 1, and nothing in two of sixteen.

    Parameters
    ----------
    subject_seed : int

    Returns
    -------
    float
        0 or more; 1 gives a single-word AUC near .73, .6 near .64, .35 near .59.
    """
    if uniform(subject_seed, "has no effect") < P_NO_EFFECT:
        return 0.0
    return float(np.exp(EFFECT_LOG_SD * generator(subject_seed, "effect scale").standard_normal()))


@dataclass(frozen=True, slots=True)
class Showing:
    """One unit that the subject saw."""

    onset_s: float
    presentation: str
    index: int
    response_id: str | None
    surprisal_bits: float
    noticed: bool
    sign: bool = False
    """A verdict, not a word."""

    @property
    def order(self) -> tuple[float, str, int]:
        """Showings are added up in this order, whatever order they were told in."""
        return self.onset_s, self.presentation, self.index


class Mind:
    """What one subject perceives in one run.

    Parameters
    ----------
    key : SubjectKey
    subject_seed, run_seed : int
        Private preferences belong to the subject, noticing to the run.
    """

    def __init__(self, key: SubjectKey, subject_seed: int, run_seed: int) -> None:
        self._key = key
        self._subject_seed = subject_seed
        self._run_seed = run_seed
        self._first_onset_s: dict[str, dict[str, float]] = {}
        self._noticed_s: list[float] = []

    def judge(self, presentation: str, unit: UnitShown) -> tuple[bool, float]:
        """Whether a unit is noticed as an error in this showing, and its surprisal in bits.

        What is noticed of a sign is that it contradicts what the subject thinks of the unit.
        """
        key = self._key.look_up(unit)
        p_notice = P_FALSE_ALARM if key is None else self._p_notice(unit, key)
        found_wrong = uniform(self._subject_seed, self._run_seed, "notice", presentation, unit.response_id, unit.index) < p_notice
        rejected = unit.marker is not None and unit.marker.polarity is Polarity.REJECT
        return found_wrong != rejected, 0.0 if key is None else key.surprisal_bits

    def _p_notice(self, unit: UnitShown, key: UnitKey) -> float:
        taste = uniform(self._subject_seed, "taste", unit.response_id, unit.index)
        if not key.wrong:
            return P_NOTICE_SUBTLE if taste < P_PRIVATELY_DISLIKED else P_FALSE_ALARM
        if taste < P_PRIVATELY_FINE:
            return P_FALSE_ALARM
        return P_NOTICE_SUBTLE if key.subtle else P_NOTICE

    def see(self, presentation: str, unit: UnitShown, onset_s: float) -> Showing:
        """Judge a unit and remember that it was shown."""
        noticed, surprisal_bits = self.judge(presentation, unit)
        showing = Showing(onset_s, presentation, unit.index, unit.response_id, surprisal_bits, noticed, unit.marker is not None)
        if unit.response_id is not None:
            onsets_s = self._first_onset_s.setdefault(unit.response_id, {})
            onsets_s[presentation] = min(onset_s, onsets_s.get(presentation, onset_s))
        if noticed:
            insort(self._noticed_s, onset_s)
        return showing

    def strength(self, showing: Showing) -> float:
        """Factor on the answer to one showing, from what was seen up to now: repetition, refractoriness, fatigue."""
        factor = KEPT_PER_HOUR ** (max(showing.onset_s, 0.0) / 3600) * (SIGN_FACTOR if showing.sign else 1.0)
        if showing.response_id is not None:
            onsets_s = self._first_onset_s[showing.response_id]
            own = (onsets_s[showing.presentation], showing.presentation)
            earlier = sum((onset_s, presentation) < own for presentation, onset_s in onsets_s.items())
            factor *= REPETITION_FACTORS[min(earlier, len(REPETITION_FACTORS) - 1)]
        before = bisect_left(self._noticed_s, showing.onset_s)
        if before and self._noticed_s[before - 1] > showing.onset_s - REFRACTORY_S:
            factor *= REFRACTORY_FACTOR
        return factor

    def fresh(self) -> "Mind":
        """Same subject and run, nothing seen yet."""
        return Mind(self._key, self._subject_seed, self._run_seed)
