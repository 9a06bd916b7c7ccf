"""Cross-validation that leaves out blocks or recordings, never shuffles, and keeps every fitted step inside the fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.adaptation import AdaptiveLDA
from decoders.calibration import calibrated_llr
from decoders.metrics import area_under_curve
from decoders.pipelines import Classifier
from decoders.spec import FitError
from decoders.trials import Trials

MakeClassifier = Callable[[], Classifier]
Advance = Callable[[float], None]

SIMPLER_WITHIN = 0.01
"""Settings of more features must beat those of fewer by more than this AUC; less is within what cross-validation can tell."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Nested result: settings, decoder and calibration of each block were all found on the other blocks."""

    llr: NDArray[np.float64]
    """(n_trials,)."""
    chosen: dict[int, int]
    """Which settings were chosen without a block, by block."""


def held_out_scores(trials: Trials, groups: NDArray[np.int64], make: MakeClassifier, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Scores of every trial by a classifier that was not fitted on its group.

    Parameters
    ----------
    trials : Trials
        All kept.
    groups : (n_trials,) int64
        Blocks or recordings.
    make : callable
        Makes an unfitted classifier.
    allowed : (n_trials,) bool, optional
        Only these are trained on and scored.

    Returns
    -------
    (n_trials,) float64
        NaN where not allowed.

    Raises
    ------
    FitError
        Without some group only one class is left.
    """
    scores = np.full(len(groups), np.nan)
    usable = np.ones(len(groups), dtype=bool) if allowed is None else allowed
    for group in np.unique(groups[usable]):
        tested = groups == group
        train = usable & ~trials.overlapping(tested)
        tested &= usable
        scores[tested] = fitted(trials, train, make).decision_function(trials.features[tested])
    return scores


def fitted(trials: Trials, train: NDArray[np.bool_], make: MakeClassifier) -> Classifier:
    """Fit a classifier on some trials.

    Raises
    ------
    FitError
        They are of one class.
    """
    positive = trials.positive[train]
    if positive.all() or not positive.any():
        raise FitError(
            f"Leaving out a block leaves {int(positive.sum())} positive and {int((~positive).sum())} negative trials to learn from;"
            " spread both classes over all blocks, or use fewer blocks."
        )
    classifier = make()
    if isinstance(classifier, AdaptiveLDA):
        classifier.fit(trials.features[train], positive, trials.recording[train])
    else:
        classifier.fit(trials.features[train], positive)
    return classifier


def simplest_best(aucs: Sequence[float]) -> int:
    """Index of the first of the settings (fewest features first) that none of the later ones beats by more than `SIMPLER_WITHIN`."""
    best = max(aucs)
    return next(i for i, auc in enumerate(aucs) if auc >= best - SIMPLER_WITHIN)


def checked_blocks(trials: Trials) -> NDArray[np.int64]:
    """Return the blocks that trials lie in.

    Raises
    ------
    FitError
        Fewer than three.
    """
    blocks = np.unique(trials.block)
    if len(blocks) < 3:
        raise FitError(f"The trials lie in {len(blocks)} blocks; at least 3 are needed to fit, calibrate and test on different ones.")
    return blocks


def nested(candidates: Sequence[Trials], makes: Sequence[MakeClassifier], advance: Advance | None = None) -> HeldOut:
    """Decode every block as if it were new.

    For block b: each of the settings is cross-validated on the other blocks; the best is chosen; its scores of those other
    blocks give the calibration; a classifier fitted on them scores b. So b's llr depends on nothing in b, nor on trials that
    share samples with b.

    Parameters
    ----------
    candidates : sequence of Trials
        The same trials under each of the settings, all kept, the simplest first.
    makes : sequence of callable
        Makes the unfitted classifier of each of the settings.
    advance : callable, optional
        Told the finished fraction.

    Raises
    ------
    FitError
        Fewer than three blocks, or one class only without some block.
    """
    first = candidates[0]
    blocks = checked_blocks(first)
    llr, chosen = np.empty(len(first.positive)), {}
    for n, block in enumerate(blocks):
        tested = first.block == block
        outside = [trials.overlapping(tested) for trials in candidates]
        allowed = ~np.logical_or.reduce(outside)
        inner = [held_out_scores(trials, trials.block, make, allowed) for trials, make in zip(candidates, makes, strict=True)]
        pick = simplest_best([area_under_curve(scores[allowed], first.positive[allowed]) for scores in inner])
        classifier = fitted(candidates[pick], allowed, makes[pick])
        scores = classifier.decision_function(candidates[pick].features[tested])
        llr[tested] = calibrated_llr(scores, inner[pick][allowed], first.positive[allowed])
        chosen[int(block)] = pick
        if advance:
            advance((n + 1) / len(blocks))
    return HeldOut(llr, chosen)
