"""Evidence of several signals about one reasoning step, and why some of it stays held."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.spec import ArtifactRules, DecoderSpec, Preprocessing, WindowSpec
from messaging.words import ReleaseState, Signal, Source, TimeLock

STEP_SIGNALS = (Signal.ERROR, Signal.CONTROL, Signal.CONFIDENCE)
"""Columns of a step's evidence for `fit_log_odds`."""
UNPROVEN = frozenset({Signal.CONTROL, Signal.CONFIDENCE})
"""Signals that no recording shipped or cited with this project has shown."""
NO_EVIDENCE_HERE = "no evidence here"
CONFIDENCE_EDGES_MS = (50.0, 100.0, 200.0, 300.0, 400.0)
"""After the own response: ERN 50-100 ms, Pe 200-400 ms in halves; 100-200 ms lies between."""
CONFIDENCE_TIME_LOCK = TimeLock.RESPONSE
"""Onsets of a confidence decoder are the subject's own responses."""


class Release(NamedTuple):
    """Whether a label may be learnt from, and why not."""

    state: ReleaseState
    reason: str | None


def confidence_spec(task: str, sampling_rate_hz: float, channel_names: tuple[str, ...]) -> DecoderSpec:
    """Write out the LDA that reads ERN and Pe at the subject's own responses; the positive class is an own slip."""
    return DecoderSpec(
        pipeline="lda",
        signal=Signal.CONFIDENCE,
        task=task,
        soa_ms=None,
        preprocessing=Preprocessing(sampling_rate_hz, channel_names, 0.5, 15.0),
        window=WindowSpec(CONFIDENCE_EDGES_MS),
        artifacts=ArtifactRules(),
    )


def release_of(signal: Signal, gate_passed: bool, calibrated_on: Source) -> Release:
    """Say whether labels of a decoder may be learnt from, as far as its signal goes.

    Parameters
    ----------
    signal : Signal
    gate_passed : bool
        The gate on the decoder's own held-out blocks.
    calibrated_on : Source
        What the calibration was recorded from. For unproven signals only a lab's own recording counts: a simulation shows what was
        put into it.
    """
    if signal in UNPROVEN and not (gate_passed and calibrated_on is not Source.SIMULATED):
        return Release(ReleaseState.HELD, NO_EVIDENCE_HERE)
    return Release(ReleaseState.OK, None) if gate_passed else Release(ReleaseState.HELD, "gate")


def released_terms(terms: NDArray[np.float64], released: tuple[bool, ...]) -> NDArray[np.float64]:
    """Blank the columns of signals that are held, so that a step's evidence never rests on them.

    Parameters
    ----------
    terms : (n_steps, n_signals) float64
        llr in the order of `STEP_SIGNALS`; NaN where missing.
    released : tuple of bool
        One per column.
    """
    return np.where(np.array(released), terms, np.nan)
