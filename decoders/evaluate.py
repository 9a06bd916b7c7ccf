"""How well pipelines decode recordings they were not fitted on: within a recording in time order, or from other recordings."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.adaptation import AdaptiveLDA
from decoders.content import content_sha256, parameter_arrays
from decoders.fitted import FittedDecoder
from decoders.learning import Candidate, GroupsOf, Learned, candidates_of, learn
from decoders.pipelines import Pipeline, Transfer, candidate_specs, pipeline_named, scorer_of
from decoders.sessions import TrainingSession, check_signal, contiguous_blocks
from decoders.spec import FitError
from decoders.trials import FilteredSessions, Trials, check_enough
from messaging.rewards import DecoderStatement
from messaging.words import Signal

INNER_BLOCKS = 5
"""Blocks that training trials of one recording are cut into for the choice of settings."""
_TIMED_WINDOWS = 200

DecodeOnline = Callable[[FittedDecoder, TrainingSession], NDArray[np.float64]]
"""Decodes a recording as the worker would; returns llr (n_onsets,), NaN where a window got no value."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What to evaluate."""

    pipelines: tuple[str, ...] = ("lda",)
    signal: Signal = Signal.ERROR
    split: str = "0.6"
    """``0.6``: fitted on the first 60 % of the onsets, tested on the rest. ``blocks:5``: each of five blocks tested on the others."""
    decode_online: DecodeOnline | None = None
    """Given: test trials are decoded by it instead of offline (no alignment then)."""


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """Test trials of one recording under one pipeline."""

    name: str
    llr: NDArray[np.float64]
    """(n_tested,)."""
    positive: NDArray[np.bool_]
    """(n_tested,)."""
    trial: NDArray[np.int64]
    """(n_tested,) numbers of the trials, from 0: of the recording, or of the epochs in the order in which they were taken."""
    prior: float
    """Base rate of the training trials."""
    cv_auc: float
    """On training trials only."""
    fit_s: float
    decode_ms: float
    """Median of one window, from features to llr."""
    n_rejected: int
    """Test windows without a value."""
    transfer: Transfer
    """What was chosen for a recording of somebody else."""


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """All pipelines on one recording."""

    recording: str
    chosen: str
    """Best cross-validated AUC on the training trials."""
    pipelines: dict[str, PipelineResult]
    remarks: tuple[str, ...] = ()
    """What has to be known of how it was tested."""


def evaluate_within(session: TrainingSession, settings: EvaluationSettings | None = None) -> RecordingResult:
    """Fit on a part of a recording and test on the rest, in chronological order.

    Raises
    ------
    FitError
        The split is none, or too few usable trials are on one side of it.
    """
    settings = settings or EvaluationSettings()
    store = FilteredSessions([session])
    tests = split_masks(settings.split, len(session.onset_samples))
    results = {}
    for name in settings.pipelines:
        candidates = _candidates(store, pipeline_named(name), settings, (Transfer.AS_RECORDED,))
        folds = [tested_on(store, pipeline_named(name), candidates, test, inner_blocks, settings) for test in tests]
        results[name] = pooled(folds)
    return RecordingResult(session.recording_id, best_pipeline(results), results)


def evaluate_transfer(test: TrainingSession, train: Sequence[TrainingSession], settings: EvaluationSettings | None = None) -> RecordingResult:
    """Fit on other recordings and test on this one.

    Settings, alignment and adaptation among them, are chosen by leaving out each of the training recordings in turn, and the
    calibration is fitted on the same scores: a left-out recording is decoded as the test recording will be. From a single training
    recording settings come from left-out blocks; adaptation, which is seen only on whole recordings, is not tried then.

    Where alignment is chosen, a window of the test recording is whitened with that recording's own covariance up to the window's end;
    under adaptation its score comes from weights learnt from windows that ended before it. Nothing later is used, and no test label.

    Raises
    ------
    FitError
        No training recording, recordings that do not fit together, or too few usable trials.
    """
    settings = settings or EvaluationSettings()
    if not train:
        raise FitError("No training recording was given; give at least one, or evaluate within the recording.")
    store = FilteredSessions([*train, test])
    results = {}
    for name in settings.pipelines:
        candidates = _candidates(store, pipeline_named(name), settings, _transfers(pipeline_named(name), settings, len(train)))
        tested = candidates[0].trials.recording == len(train)
        results[name] = tested_on(store, pipeline_named(name), candidates, tested, recordings_of if len(train) > 1 else inner_blocks, settings)
    return RecordingResult(test.recording_id, best_pipeline(results), results)


def best_pipeline(results: dict[str, PipelineResult]) -> str:
    """Name of the pipeline that decoded left-out training trials best."""
    return max(results, key=lambda name: results[name].cv_auc)


def recordings_of(trials: Trials) -> NDArray[np.int64]:
    """Groups for leaving out whole recordings."""
    return trials.recording


def inner_blocks(trials: Trials) -> NDArray[np.int64]:
    """Blocks of equal count of what is trained on, per recording."""
    blocks = np.empty(len(trials.positive), dtype=np.int64)
    for recording in np.unique(trials.recording):
        inside = trials.recording == recording
        blocks[inside] = INNER_BLOCKS * recording + contiguous_blocks(int(inside.sum()), INNER_BLOCKS)
    return blocks


def split_masks(split: str, n_onsets: int) -> list[NDArray[np.bool_]]:
    """Masks of test trials, one for each part that is tested.

    Raises
    ------
    FitError
        The split is neither a fraction nor blocks.
    """
    try:
        if split.startswith("blocks:"):
            n_blocks = int(split.removeprefix("blocks:"))
            if 2 <= n_blocks <= n_onsets:
                blocks = contiguous_blocks(n_onsets, n_blocks)
                return [blocks == block for block in range(n_blocks)]
        elif 0 < float(split) < 1:
            return [np.arange(n_onsets) >= round(float(split) * n_onsets)]
    except ValueError:
        pass
    raise FitError(f"A split of '{split}' is none for {n_onsets} trials; give a fraction between 0 and 1 (0.6), or blocks:5.")


def _transfers(pipeline: Pipeline, settings: EvaluationSettings, n_train: int) -> tuple[Transfer, ...]:
    if settings.decode_online:
        return (Transfer.AS_RECORDED,)
    return tuple(transfer for transfer in pipeline.transfers if n_train > 1 or transfer is not Transfer.ADAPTIVE)


def _candidates(store: FilteredSessions, pipeline: Pipeline, settings: EvaluationSettings, transfers: Sequence[Transfer]) -> list[Candidate]:
    sessions = store.sessions
    rates = sorted({session.sampling_rate_hz for session in sessions})
    if len(rates) > 1:
        raise FitError(f"The recordings have different rates ({', '.join(f'{rate:g} Hz' for rate in rates)}); give recordings of one rate.")
    common = [name for name in sessions[0].channel_names if all(name in session.channel_names for session in sessions)]
    if not common:
        raise FitError("The recordings have no channel name in common; give recordings of one montage.")
    soa_ms = float(np.median([np.median(np.diff(session.onset_samples)) for session in sessions])) * 1e3 / rates[0]
    specs = {transfer: candidate_specs(pipeline.under(transfer, soa_ms), settings.signal, "evaluation", None, rates[0], common) for transfer in transfers}
    for session in sessions:
        check_signal(session, specs[transfers[0]][0].preprocessing.channel_names)
    return [candidate for transfer in transfers for candidate in candidates_of(store, specs[transfer], transfer)]


def tested_on(
    store: FilteredSessions | None,
    pipeline: Pipeline,
    candidates: Sequence[Candidate],
    test: NDArray[np.bool_],
    groups_of: GroupsOf,
    settings: EvaluationSettings,
) -> PipelineResult:
    """Learn from the trials that share no sample with the test trials, and decode those.

    Parameters
    ----------
    store : FilteredSessions or None
        Needed for decoding online.
    pipeline : Pipeline
    candidates : sequence of Candidate
    test : (n_trials,) bool
    groups_of : callable
        Groups of training trials that are left out in turn.
    settings : EvaluationSettings

    Raises
    ------
    FitError
        Too few usable trials on one side.
    """
    near = np.logical_or.reduce([candidate.trials.overlapping(test) for candidate in candidates])
    learned = learn(pipeline, candidates, ~near, groups_of)
    trials = learned.candidate.trials
    check_enough(trials.subset(test), 2, "for testing")
    rows = test & trials.kept
    decode_ms = _decode_ms(learned, trials.features[rows][:_TIMED_WINDOWS])
    llr = learned.llr(trials.features[rows])
    positive, n_rejected = trials.positive[rows], int((test & ~trials.kept).sum())
    number = np.arange(len(test)) - np.searchsorted(trials.recording, trials.recording)
    trial = number[rows]
    if settings.decode_online and store is not None:
        session = store.sessions[-1]
        mine = test[trials.recording == len(store.sessions) - 1]
        everything = settings.decode_online(_as_decoder(learned), session)[mine]
        valued = np.isfinite(everything)
        llr, positive, n_rejected = everything[valued], session.positive[mine][valued], int((~valued).sum())
        trial = number[test][valued]
    return PipelineResult(
        name=pipeline.name,
        llr=llr,
        positive=positive,
        trial=trial,
        prior=learned.calibration.prior_removed,
        cv_auc=learned.cv_auc,
        fit_s=learned.fit_s,
        decode_ms=decode_ms,
        n_rejected=n_rejected,
        transfer=learned.candidate.transfer,
    )


def _decode_ms(learned: Learned, features: NDArray[np.float64]) -> float:
    """Median of single windows; under adaptation one in thirty takes longer, as weights are renewed after it."""
    following = learned.classifier.follow() if isinstance(learned.classifier, AdaptiveLDA) else None
    times = []
    for row in features:
        started = time.perf_counter()
        if following:
            following.decode(row)
        else:
            learned.llr(row[np.newaxis, :])
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))


def _as_decoder(learned: Learned) -> FittedDecoder:
    spec, scorer = learned.candidate.spec, scorer_of(learned.classifier)
    content = content_sha256(spec, parameter_arrays(scorer, learned.calibration), scorer.kind)
    statement = DecoderStatement(
        name="evaluation", version=0, sha256=content, task=spec.task, soa_ms=spec.soa_ms, calibration_id=content[:32], auc=None, auc_ci95=None, trained_on=()
    )
    return FittedDecoder(spec, scorer, learned.calibration, (), released=False, statement=statement)


def pooled(folds: Sequence[PipelineResult]) -> PipelineResult:
    """One result of all folds of a recording."""
    if len(folds) == 1:
        return folds[0]
    return PipelineResult(
        name=folds[0].name,
        llr=np.concatenate([fold.llr for fold in folds]),
        positive=np.concatenate([fold.positive for fold in folds]),
        trial=np.concatenate([fold.trial for fold in folds]),
        prior=statistics.fmean(fold.prior for fold in folds),
        cv_auc=statistics.fmean(fold.cv_auc for fold in folds),
        fit_s=sum(fold.fit_s for fold in folds),
        decode_ms=statistics.median(fold.decode_ms for fold in folds),
        n_rejected=sum(fold.n_rejected for fold in folds),
        transfer=folds[0].transfer,
    )
