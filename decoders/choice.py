"""Which pipeline, band, windows and channels: tried on training blocks alone, cheapest first, as long as there is time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.crossvalidation import MakeClassifier, held_out_scores
from decoders.metrics import area_under_curve
from decoders.pipelines import MAX_CHANNELS, PIPELINES, candidate_specs
from decoders.spec import DecoderSpec, FitError
from decoders.trials import Trials
from messaging.words import Signal

AUTO = "auto"
NESTED_COST = 5.0
"""The nested cross-validation over five blocks repeats, for every block, the plain one without it: about five times its time."""
MANY_CHANNELS = 32
"""With more than `MAX_CHANNELS` up to so many, all of them are tried too, beside the midline ones."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Screened:
    """What was tried within the budget."""

    tried: tuple[int, ...]
    """Candidates that take part in the choice, in their order."""
    scores: tuple[NDArray[np.float64], ...]
    """Plain cross-validated scores of each of them."""
    aucs: tuple[float, ...]
    left_out: tuple[int, ...]
    """Candidates that the budget did not allow."""


def automatic_specs(signal: Signal, task: str, soa_ms: float | None, sampling_rate_hz: float, channel_names: Sequence[str]) -> tuple[DecoderSpec, ...]:
    """Write out everything that ``auto`` tries, cheapest first.

    Raises
    ------
    FitError
        No pipeline decodes the signal at this rate.
    """
    found: list[DecoderSpec] = []
    why: FitError | None = None
    for pipeline in (p for p in PIPELINES.values() if p.by_default):
        try:
            found += candidate_specs(pipeline, signal, task, soa_ms, sampling_rate_hz, channel_names)
            if MAX_CHANNELS < len(channel_names) <= MANY_CHANNELS:
                found += candidate_specs(pipeline, signal, task, soa_ms, sampling_rate_hz, channel_names, all_channels=True)
        except FitError as error:
            why = error
    if not found:
        raise why or FitError("There is no pipeline to choose from.")
    return tuple(sorted(found, key=_cost))


def _cost(spec: DecoderSpec) -> tuple[int, int]:
    """Order of trying: linear decoders, then those of covariances, then the ensemble; fewest features first."""
    order = {"lda": 0, "toeplitz": 1, "mdm": 2, "xdawn": 3, "ensemble": 4}
    return order.get(spec.pipeline, 5), (len(spec.window.edges_ms) - 1) * len(spec.preprocessing.channel_names)


def screen(trials: Sequence[Trials], makes: Sequence[MakeClassifier], specs: Sequence[DecoderSpec], budget_s: float, tell: Progress) -> Screened:
    """Cross-validate candidates one after the other until the budget would not hold the nested one of all of them.

    The first candidate is always tried. With an unlimited budget the outcome depends on the data alone.

    Parameters
    ----------
    trials : sequence of Trials
        The same trials under each candidate, all kept.
    makes : sequence of callable
        Makes each candidate's unfitted classifier.
    specs : sequence of DecoderSpec
    budget_s : float
        For this and the nested cross-validation that follows; may be infinite.
    tell : callable
    """
    began, spent_s = time.perf_counter(), 0.0
    tried: list[int] = []
    scores: list[NDArray[np.float64]] = []
    aucs: list[float] = []
    left_out: list[int] = []
    for k, (own, make, spec) in enumerate(zip(trials, makes, specs, strict=True)):
        elapsed_s = time.perf_counter() - began
        if tried and elapsed_s + NESTED_COST * spent_s > budget_s:
            left_out.append(k)
            continue
        best = f", best so far {max(aucs):.3f}" if aucs else ""
        left = "" if np.isinf(budget_s) else f", {max(0.0, budget_s - elapsed_s - NESTED_COST * spent_s):.0f} s left"
        tell(f"trying {spec.pipeline} ({k + 1} of {len(specs)}{best}{left})", k / len(specs))
        since = time.perf_counter()
        found = held_out_scores(own, own.block, make)
        took_s = time.perf_counter() - since
        if tried and time.perf_counter() - began + NESTED_COST * (spent_s + took_s) > budget_s:
            left_out.append(k)
            continue
        spent_s += took_s
        tried.append(k)
        scores.append(found)
        aucs.append(area_under_curve(found, own.positive))
    return Screened(tuple(tried), tuple(scores), tuple(aucs), tuple(left_out))
