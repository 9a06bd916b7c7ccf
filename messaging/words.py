"""Closed sets of words that travel between processes."""

from enum import StrEnum


class Source(StrEnum):
    """Where the EEG of a recording comes from."""

    LIVE = "live"
    REPLAY = "replay"
    SIMULATED = "simulated"


class ClockKind(StrEnum):
    """Whether stream time is the host's LSL clock or start + index / rate."""

    REAL = "real"
    VIRTUAL = "virtual"


class EventType(StrEnum):
    """What an event of the ordered log says."""

    SESSION_START = "session_start"
    SESSION_END = "session_end"
    TRIAL_START = "trial_start"
    UNIT = "unit"
    TRIAL_END = "trial_end"
    TRIAL_ABORTED = "trial_aborted"
    PAUSE = "pause"
    RESUME = "resume"
    DECODER = "decoder"
    HOLD = "hold"
    RELEASE = "release"
    RESPONSE = "response"
    RATING = "rating"
    COMMENT = "comment"
    ANNOTATION = "annotation"


class OnsetSource(StrEnum):
    """What an onset was measured with, best first."""

    PHOTODIODE = "photodiode"
    TRIGGER = "trigger"
    FRAME = "frame"
    SERVER = "server"


class LabelKind(StrEnum):
    """What a label is about."""

    UNIT = "unit"
    RESPONSE = "response"
    STEP = "step"
    PAIR = "pair"
    RATING = "rating"


class Signal(StrEnum):
    """The brain signal that a label was decoded from (docs/science)."""

    ERROR = "error"
    SURPRISE = "surprise"
    RELEVANCE = "relevance"
    VALUE = "value"
    CONTROL = "control"
    CONFIDENCE = "confidence"


class ReleaseState(StrEnum):
    """Whether a label may be learnt from."""

    OK = "ok"
    HELD = "held"
    REVOKED = "revoked"


class RatingScale(StrEnum):
    """What a person rates with."""

    SLIDER = "slider"
    """0 to 100."""
    THUMBS = "thumbs"
    """0 (down) or 1 (up)."""


class Polarity(StrEnum):
    """What a verdict marker says of the unit before it."""

    ACCEPT = "accept"
    REJECT = "reject"


class TimeLock(StrEnum):
    """What a window is cut around."""

    UNIT = "unit"
    MARKER = "marker"
    RESPONSE = "response"
