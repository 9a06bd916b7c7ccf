"""A fitted decoder: the spec and the learnt scorer, ready for one-window decoding."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.scorers import Scorer
from decoders.spec import DecoderSpec
from messaging.rewards import DecoderStatement


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt calibration of held-out scores: logit p(positive) = slope * score + intercept at the calibration's base rate."""

    slope: float
    intercept: float
    prior_removed: float
    """Base rate of the positive class in the calibration."""
    bootstrap: NDArray[np.float64]
    """(n_bootstrap, 3): slope, intercept and prior of each block-bootstrap refit; spread of llr over them is `llr_sd`."""
    e0: float
    """P(decided error | ok) on held-out calibration blocks at llr > 0."""
    e1: float
    """P(decided ok | error)."""


@dataclass(frozen=True, slots=True)
class GateLine:
    """One line of the gate."""

    name: str
    verdict: str
    """``passed``, ``failed`` or ``not assessable``."""
    value: float | None
    bound: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class FittedDecoder:
    """A decoder of windowed means with its calibration and the gate's verdict."""

    spec: DecoderSpec
    scorer: Scorer
    """What was learnt: features of one window in, score out."""
    calibration: Calibration
    gate: tuple[GateLine, ...]
    released: bool
    """All needed lines passed: labels may be `ok`."""
    statement: DecoderStatement
    report: dict[str, Any] = field(default_factory=dict)
    """The validity report as JSON values."""
