"""What the gate asks: its lines, their limits, and the verdict over all of them."""

from dataclasses import dataclass
from enum import StrEnum

from decoders.fitted import GateLine


class Verdict(StrEnum):
    """What a line of the gate says."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ASSESSABLE = "not assessable"


class Line(StrEnum):
    """Lines of the gate."""

    INFORMATION_GAIN = "information_gain"
    CALIBRATION_SLOPE = "calibration_slope"
    PERMUTATION = "permutation"
    DETECTION_J = "detection_j"
    OCULAR = "ocular"
    LEXICAL = "lexical"
    STATE = "state"
    PATTERN = "pattern"
    CONTROLS = "controls"
    REJECTED = "rejected"


RELEASE_LINES = (Line.INFORMATION_GAIN, Line.CALIBRATION_SLOPE, Line.PERMUTATION)
"""Needed by every decoder."""

FURTHER_LINES = (Line.OCULAR, Line.LEXICAL, Line.STATE, Line.PATTERN, Line.CONTROLS, Line.REJECTED)
"""Each holds when it fails; one that cannot be assessed does not, but somebody has to accept it."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Limits of the lines that are needed."""

    slope_range: tuple[float, float] = (0.8, 1.25)
    permutation_p: float = 0.01
    detection_j: float = 0.20
    n_permutations: int = 10_000
    confidence: float = 0.95
    """One-sided."""


@dataclass(frozen=True, slots=True)
class FurtherLimits:
    """Limits of the further lines."""

    ocular_auc: float = 0.55
    """The lower bound (one-sided 95 %) of an AUC from ocular channels alone must not be above it ..."""
    ocular_fall: float = 0.05
    """... while the decoder's AUC falls by more than this once those channels are regressed out."""
    increment_p: float = 0.01
    """Likelihood ratio of llr over lexical or state covariates: p must be below."""
    thirds_p: float = 0.01
    """First against last third of the session: differences less probable than this are taken for real."""
    controls_p: float = 0.005
    """A control's AUC must not be above the null's quantile of one minus this."""
    max_rejected: float = 0.20
    min_blocks: int = 3


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """All lines, and whether labels may be learnt from."""

    lines: tuple[GateLine, ...]
    released: bool


def passed_or_failed(passed: bool) -> Verdict:
    """Turn a comparison into a verdict."""
    return Verdict.PASSED if passed else Verdict.FAILED


def not_assessable(line: Line, why: str) -> GateLine:
    """Return a line that says why it could not be assessed."""
    return GateLine(line, Verdict.NOT_ASSESSABLE, None, None, why)
