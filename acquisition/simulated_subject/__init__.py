"""A simulated subject: it gets rendered units and their onsets, as a subject does, and gives EEG."""

from acquisition.simulated_subject.errors import SubjectError, SubjectKeyError, SubjectProfileError
from acquisition.simulated_subject.faults import Faults
from acquisition.simulated_subject.key import ResponseKey, SubjectKey, UnitKey, load_subject_key
from acquisition.simulated_subject.mind import draw_effect_scale
from acquisition.simulated_subject.subject import SimulatedSubject

__all__ = [
    "Faults",
    "ResponseKey",
    "SimulatedSubject",
    "SubjectError",
    "SubjectKey",
    "SubjectKeyError",
    "SubjectProfileError",
    "UnitKey",
    "draw_effect_scale",
    "load_subject_key",
]
