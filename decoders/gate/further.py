"""All further lines of a decoder, from its held-out llr and the recordings it was fitted on."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from decoders.fitted import GateLine
from decoders.gate.coarse import Judged
from decoders.gate.controls import controls_line
from decoders.gate.lexical import lexical_line
from decoders.gate.lines import FURTHER_LINES, FurtherLimits, Line, not_assessable, passed_or_failed
from decoders.gate.ocular import ocular_line
from decoders.gate.pattern import pattern_line
from decoders.gate.state import state_line
from decoders.sessions import Word
from decoders.spec import DecoderError, DecoderSpec
from decoders.trials import FilteredSessions, Trials


def further_lines(
    store: FilteredSessions,
    spec: DecoderSpec,
    trials: Trials,
    llr: NDArray[np.float64],
    *,
    rejected_fraction: float,
    words: Sequence[Word | None] = (),
    limits: FurtherLimits | None = None,
    seed: int = 0,
) -> tuple[GateLine, ...]:
    """Ask whether something else than the brain's answer could have made the score.

    Parameters
    ----------
    store : FilteredSessions
        The recordings of the calibration.
    spec : DecoderSpec
        Under which `trials` were cut.
    trials : Trials
        The judged ones, all kept.
    llr : (n_trials,) float64
        Of blocks that decoder and calibration never saw.
    rejected_fraction : float
        Of all windows of the calibration, 0 to 1.
    words : sequence of Word or None
        (n_trials,) what each unit was; empty: not known.
    limits : FurtherLimits, optional
    seed : int
        Of permutations and noise.

    Returns
    -------
    tuple of GateLine
        One for each of `FURTHER_LINES`, in that order. A line that breaks down on unusual recordings is not assessable and says why.
    """
    limits = limits or FurtherLimits()
    judged = Judged(store, spec, trials, llr)
    n_blocks = len(np.unique(trials.block))
    asked: dict[Line, Callable[[], GateLine]] = {
        Line.OCULAR: lambda: ocular_line(judged, limits),
        Line.LEXICAL: lambda: lexical_line(words, llr, trials.positive, limits),
        Line.STATE: lambda: state_line(judged, limits),
        Line.PATTERN: lambda: pattern_line(judged, limits, seed),
        Line.CONTROLS: lambda: controls_line(judged, limits, seed),
        Line.REJECTED: lambda: _rejected(rejected_fraction, limits),
    }
    if n_blocks < limits.min_blocks:
        why = f"{n_blocks} blocks are too few; at least {limits.min_blocks} are needed."
        return tuple(asked[line]() if line is Line.REJECTED else not_assessable(line, f"{line.capitalize()}: {why}") for line in FURTHER_LINES)
    return tuple(_answered(line, asked[line]) for line in FURTHER_LINES)


def _answered(line: Line, ask: Callable[[], GateLine]) -> GateLine:
    try:
        return ask()
    except (DecoderError, np.linalg.LinAlgError) as error:
        return not_assessable(line, f"{line.capitalize()}: could not be computed on these recordings ({error}).")


def _rejected(fraction: float, limits: FurtherLimits) -> GateLine:
    sentence = f"{fraction:.0%} of the windows were rejected; at most {limits.max_rejected:.0%} may be."
    return GateLine(Line.REJECTED, passed_or_failed(fraction <= limits.max_rejected), fraction, limits.max_rejected, sentence)
