"""Choosing settings, fitting and calibrating on training trials alone: what an evaluation does before it meets test trials."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from decoders.adaptation import AdaptiveLDA
from decoders.calibration import fit_calibration
from decoders.crossvalidation import SIMPLER_WITHIN, fitted, held_out_scores, simplest_best
from decoders.fitted import Calibration
from decoders.metrics import area_under_curve
from decoders.pipelines import Classifier, Pipeline, Transfer
from decoders.spec import DecoderSpec
from decoders.trials import FilteredSessions, Trials, check_enough

GroupsOf = Callable[[Trials], NDArray[np.int64]]

MIN_TRAINING_PER_CLASS = 10
_EVALUATION_BOOTSTRAP = 20
"""Evaluation reports no llr_sd."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings to try: a spec, and what is done for a recording of somebody else."""

    spec: DecoderSpec
    transfer: Transfer
    trials: Trials
    """All onsets of all recordings at hand."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What training trials gave."""

    candidate: Candidate
    classifier: Classifier
    calibration: Calibration
    cv_auc: float
    """AUC over left-out blocks or recordings of the training trials; pipelines are chosen by it."""
    fit_s: float

    def llr(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated llr (n_trials,) of (n_trials, n_features); under adaptation: the successive windows of one recording."""
        prior = self.calibration.prior_removed
        scores = self.classifier.decision_function(features)
        return np.asarray(self.calibration.slope * scores + self.calibration.intercept - np.log(prior / (1 - prior)), dtype=np.float64)


def candidates_of(store: FilteredSessions, specs: Sequence[DecoderSpec], transfer: Transfer = Transfer.AS_RECORDED) -> list[Candidate]:
    """Cut the trials of all recordings under every spec."""
    return [Candidate(spec, transfer, store.trials(spec, aligned=transfer is not Transfer.AS_RECORDED)) for spec in specs]


def learn(pipeline: Pipeline, candidates: Sequence[Candidate], train: NDArray[np.bool_], groups_of: GroupsOf) -> Learned:
    """Choose settings by cross-validation over groups of the training trials, calibrate on their scores, then fit on all of them.

    Parameters
    ----------
    pipeline : Pipeline
    candidates : sequence of Candidate
        Those of a transfer together, fewest features first.
    train : (n_onsets,) bool
        The trials that may be looked at.
    groups_of : callable
        Group of each trial, left out in turn. Whole recordings, where a candidate adapts.

    Raises
    ------
    FitError
        Too few usable training trials.
    """
    started = time.perf_counter()
    kept = train & np.logical_and.reduce([candidate.trials.kept for candidate in candidates])
    check_enough(candidates[0].trials.subset(train), MIN_TRAINING_PER_CLASS, "for training")
    parts = [candidate.trials.subset(kept) for candidate in candidates]
    makers = [partial(_classifier, pipeline, candidate) for candidate in candidates]
    scores = [held_out_scores(part, groups_of(part), make) for part, make in zip(parts, makers, strict=True)]
    aucs = [_mean_auc(s, part) for s, part in zip(scores, parts, strict=True)]
    pick = _best(candidates, aucs)
    part, held_out = parts[pick], scores[pick]
    classifier = fitted(part, np.ones(len(part.positive), dtype=bool), makers[pick])
    calibration = fit_calibration(held_out, part.positive, part.block, held_out, n_bootstrap=_EVALUATION_BOOTSTRAP)
    return Learned(candidates[pick], classifier, calibration, aucs[pick], time.perf_counter() - started)


def _classifier(pipeline: Pipeline, candidate: Candidate) -> Classifier:
    if candidate.transfer is Transfer.ADAPTIVE:
        return AdaptiveLDA()
    return pipeline.classifier(len(candidate.spec.preprocessing.channel_names))


def _mean_auc(scores: NDArray[np.float64], trials: Trials) -> float:
    """Mean of the recordings' areas, as a decoder meets one at a time; recordings of one class have none."""
    inside = [trials.recording == recording for recording in np.unique(trials.recording)]
    return float(np.mean([area_under_curve(scores[i], trials.positive[i]) for i in inside if 0 < trials.positive[i].mean() < 1]))


def _best(candidates: Sequence[Candidate], aucs: Sequence[float]) -> int:
    """Index of the settings: the `simplest_best` ones of each transfer, and of these transfers the last that none beats clearly.

    The order goes from least to most adaptation, which on the whole helps with a new subject; two or three left-out recordings
    tell no difference below `SIMPLER_WITHIN`, and only a larger one speaks against it.
    """
    picks = []
    for _, members in groupby(range(len(candidates)), key=lambda i: candidates[i].transfer):
        indices = list(members)
        picks.append(indices[simplest_best([aucs[i] for i in indices])])
    best = max(aucs[i] for i in picks)
    return next(i for i in reversed(picks) if aucs[i] >= best - SIMPLER_WITHIN)
