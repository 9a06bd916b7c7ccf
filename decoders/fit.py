"""From recordings with known truth to a decoder with its calibration, its verdict and its report."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.calibration import fit_calibration
from decoders.choice import AUTO, automatic_specs, screen
from decoders.content import content_sha256, parameter_arrays
from decoders.crossvalidation import HeldOut, checked_blocks, fitted, nested, simplest_best
from decoders.fitted import Calibration, FittedDecoder
from decoders.gate import RELEASE_LINES, GateVerdict, Line, further_lines, judge
from decoders.gate.coarse import Judged
from decoders.metrics import area_under_curve, auc_interval
from decoders.pipelines import Classifier, Pipeline, candidate_specs, pipeline_named, scorer_of
from decoders.report import validity_report
from decoders.sessions import TrainingSession, Word, check_signal
from decoders.spec import DecoderSpec, FitError
from decoders.trials import FilteredSessions, Trials, check_enough
from messaging.identity import digest
from messaging.rewards import DecoderStatement
from messaging.words import Signal

MIN_TRIALS_PER_CLASS = 20
"""Five blocks with four of the rarer class each; below that neither covariance nor calibration can be held out."""

Progress = Callable[[str, float], None]
"""Told what is being done, and the finished fraction of the whole."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What to fit, beside the recordings."""

    name: str
    """Name of the decoder in the registry."""
    pipeline: str = "lda"
    """A name, or ``auto``: all that are tried by default, with their settings, within the budget."""
    spec: DecoderSpec | None = None
    """Given: no settings are tried but these."""
    budget_s: float = math.inf
    """About how long to try; judging and the report come on top. The best so far is taken and the report lists what was not tried."""
    signal: Signal = Signal.ERROR
    task: str = "replay"
    """What a stream's task must be for this decoder."""
    soa_ms: float | None = None
    needed: tuple[str, ...] | None = None
    """Lines of the gate that must pass; None: the release lines, and J where the task is ``phrase_verdict``."""
    seed: int = 0


def fit_decoder(sessions: Sequence[TrainingSession], settings: FitSettings, progress: Progress | None = None) -> FittedDecoder:
    """Fit, calibrate and judge a decoder.

    Parameters
    ----------
    sessions : sequence of TrainingSession
        Recordings of one rate; blocks are numbered per recording.
    settings : FitSettings
    progress : callable, optional

    Returns
    -------
    FittedDecoder
        Its statement has version 0 until the registry gives it one.

    Raises
    ------
    FitError
        Too few trials, one class, no clean window, copied channels, impossible amplitudes, recordings that do not fit together,
        or no such pipeline. The message names the cause, the limit and the remedy.
    """
    started, tell = time.perf_counter(), progress or (lambda _what, _fraction: None)
    specs = settings_to_try(sessions, settings)
    tell("filtering the recordings", 0.05)
    store = FilteredSessions(sessions)
    candidates = [store.trials(spec) for spec in specs]
    common = common_trials(candidates)
    checked_blocks(common[0])
    makes = [classifier_of(pipeline_named(spec.pipeline), spec) for spec in specs]
    budget_s = settings.budget_s - (time.perf_counter() - started)
    screened = screen(common, makes, specs, budget_s, lambda what, fraction: tell(what, 0.1 + 0.2 * fraction))
    tried = screened.tried
    advance = _advance(tell, "cross-validating the choice over blocks", 0.3, 0.5)
    held_out = nested([common[k] for k in tried], [makes[k] for k in tried], advance)
    scores, cv_aucs, place = screened.scores, screened.aucs, simplest_best(screened.aucs)
    pick = tried[place]
    tell("calibrating and judging", 0.85)
    calibration = fit_calibration(scores[place], common[pick].positive, common[pick].block, held_out.llr, seed=settings.seed)
    rejected = float((~candidates[pick].kept).mean())
    words = words_of(sessions, np.logical_and.reduce([trials.kept for trials in candidates]))
    further = further_lines(store, specs[pick], common[pick], held_out.llr, rejected_fraction=rejected, words=words, seed=settings.seed)
    verdict = judge(held_out.llr, common[0].positive, common[0].block, needed=_needed(settings, specs[pick]), seed=settings.seed, further=further)
    decoder = _assembled(sessions, settings, specs[pick], candidates[pick], calibration, verdict, held_out, common[0])
    judged = Judged(store, specs[pick], common[pick], held_out.llr)
    report = validity_report([specs[k] for k in tried], cv_aucs, place, candidates[pick], judged, held_out, decoder, time.perf_counter() - started)
    report["not_tried"] = [{"pipeline": specs[k].pipeline, "n_channels": len(specs[k].preprocessing.channel_names)} for k in screened.left_out]
    tell("fitted", 1.0)
    return replace(decoder, report=report)


def settings_to_try(sessions: Sequence[TrainingSession], settings: FitSettings) -> tuple[DecoderSpec, ...]:
    """Specs of a pipeline, or of all of them, for recordings that must fit together; also refuses recordings of unusable signal.

    Raises
    ------
    FitError
        No recording, different rates, no common channels, copied channels or impossible amplitudes.
    """
    if not sessions:
        raise FitError("No recording was given; give at least one.")
    rates = sorted({session.sampling_rate_hz for session in sessions})
    if len(rates) > 1:
        raise FitError(f"The recordings have different rates ({', '.join(f'{rate:g} Hz' for rate in rates)}); give recordings of one rate.")
    common = [name for name in sessions[0].channel_names if all(name in session.channel_names for session in sessions)]
    if not common:
        raise FitError("The recordings have no channel name in common; give recordings of one montage.")
    asked = (settings.signal, settings.task, settings.soa_ms, rates[0], common)
    if settings.spec:
        specs: tuple[DecoderSpec, ...] = (settings.spec,)
    elif settings.pipeline == AUTO:
        specs = automatic_specs(*asked)
    else:
        specs = candidate_specs(pipeline_named(settings.pipeline), *asked)
    missing = [name for name in specs[0].preprocessing.channel_names if name not in common]
    if missing:
        raise FitError(f"The settings ask for channels {', '.join(missing)}, which not all recordings have.")
    for session in sessions:
        check_signal(session, specs[0].preprocessing.channel_names)
    return specs


def _advance(tell: Progress, what: str, start: float, part: float) -> Callable[[float], None]:
    return lambda fraction: tell(what, start + part * fraction)


def common_trials(candidates: Sequence[Trials], minimum: int = MIN_TRIALS_PER_CLASS) -> list[Trials]:
    """Keep the trials that are clean under all settings, so that settings are compared on the same ones.

    Raises
    ------
    FitError
        Too few are left.
    """
    kept = np.logical_and.reduce([trials.kept for trials in candidates])
    worst = min(candidates, key=lambda trials: int(trials.kept.sum()))
    check_enough(replace(worst, kept=kept), minimum, "for fitting")
    return [trials.subset(kept) for trials in candidates]


def words_of(sessions: Sequence[TrainingSession], kept: NDArray[np.bool_]) -> tuple[Word | None, ...]:
    """Return what each kept unit was, in the order of the trials; empty where no recording says it."""
    every = [word for session in sessions for word in (session.words or (None,) * len(session.onset_samples))]
    words = tuple(word for word, wanted in zip(every, kept, strict=True) if wanted)
    return words if any(word is not None for word in words) else ()


def classifier_of(pipeline: Pipeline, spec: DecoderSpec) -> Callable[[], Classifier]:
    """Maker of unfitted classifiers for the spec's channels."""
    return lambda: pipeline.classifier(len(spec.preprocessing.channel_names))


def _needed(settings: FitSettings, spec: DecoderSpec) -> tuple[str, ...]:
    if settings.needed is not None:
        return settings.needed
    return (*RELEASE_LINES, Line.DETECTION_J) if spec.task == "phrase_verdict" else RELEASE_LINES


def _assembled(
    sessions: Sequence[TrainingSession],
    settings: FitSettings,
    spec: DecoderSpec,
    trials: Trials,
    calibration: Calibration,
    verdict: GateVerdict,
    held_out: HeldOut,
    common: Trials,
) -> FittedDecoder:
    classifier = fitted(trials, trials.kept, classifier_of(pipeline_named(spec.pipeline), spec))
    scorer = scorer_of(classifier)
    trained_on = training_identities(sessions)
    content = content_sha256(spec, parameter_arrays(scorer, calibration), scorer.kind)
    statement = DecoderStatement(
        name=settings.name,
        version=0,
        sha256=content,
        task=spec.task,
        soa_ms=spec.soa_ms,
        calibration_id=digest("calibration", content, *trained_on),
        auc=area_under_curve(held_out.llr, common.positive),
        auc_ci95=auc_interval(held_out.llr, common.positive),
        trained_on=trained_on,
        subjects=tuple(dict.fromkeys(session.subject for session in sessions)) if all(session.subject for session in sessions) else (),
    )
    return FittedDecoder(spec, scorer, calibration, verdict.lines, verdict.released, statement)


def training_identities(sessions: Sequence[TrainingSession]) -> tuple[str, ...]:
    """Content hashes of the recordings, then their ids: a live recording's hash is known only when it has ended."""
    hashes = [session.sha256 for session in sessions if session.sha256]
    ids = [session.recording_id for session in sessions if session.recording_id]
    return tuple(dict.fromkeys([*hashes, *ids]))
