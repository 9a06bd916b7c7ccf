"""How well pipelines decode epochs that somebody else cut: no stream, so no filter and no onset, only windows and folds."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.artifacts import broken_rule
from decoders.evaluate import EvaluationSettings, RecordingResult, best_pipeline, inner_blocks, pooled, recordings_of, split_masks, tested_on
from decoders.learning import Candidate
from decoders.pipelines import Band, Pipeline, Transfer, chosen_channels, pipeline_named
from decoders.sessions import N_BLOCKS, contiguous_blocks
from decoders.spec import ArtifactRules, DecoderSpec, FitError, Preprocessing, WindowSpec
from decoders.trials import Trials

_SLACK_MS = 1e-3


@dataclass(frozen=True, slots=True)
class EpochSet:
    """Epochs of one subject with their class."""

    uv: NDArray[np.float32]
    """(n_epochs, n_channels, n_samples), microvolt."""
    positive: NDArray[np.bool_]
    """(n_epochs,)."""
    times_ms: NDArray[np.float64]
    """(n_samples,) relative to the onset."""
    sampling_rate_hz: float
    channel_names: tuple[str, ...]
    recording_id: str
    onset_samples: NDArray[np.int64] | None = None
    """(n_epochs,); None: epochs are taken to share no samples."""


@dataclass(frozen=True, slots=True)
class Folds:
    """In which order epochs are taken, and which belong together."""

    order: NDArray[np.int64]
    """(n_epochs,) epochs as they are taken; those of a fold follow each other."""
    fold: NDArray[np.int64]
    """(n_epochs,) of the epochs in that order."""
    strided: bool


def folds_of(positive: NDArray[np.bool_], n_folds: int) -> Folds:
    """Cut epochs into folds: contiguous blocks, or every n-th epoch where a contiguous block would hold one class only.

    The rule looks at which class a row has, never at a score.

    Parameters
    ----------
    positive : (n_epochs,) bool
        In the order of the file.
    n_folds : int
    """
    n = len(positive)
    fold = contiguous_blocks(n, n_folds)
    single = any(positive[fold == k].all() or not positive[fold == k].any() for k in range(n_folds))
    if not single:
        return Folds(np.arange(n), fold, strided=False)
    fold = np.arange(n, dtype=np.int64) % n_folds
    order = np.argsort(fold, kind="stable")
    return Folds(order, fold[order], strided=True)


def evaluate_epochs(test: EpochSet, settings: EvaluationSettings, train: Sequence[EpochSet] = ()) -> RecordingResult:
    """Test pipelines on epochs: in folds of one file, or fitted on other files.

    Epochs are decoded as they are: filters and baselines are those of whoever cut them. Settings are chosen and calibrated on
    training epochs only, as for recordings.

    Raises
    ------
    FitError
        Classes, channels or times do not allow it, or the split is none for these epochs.
    """
    if settings.decode_online is not None:
        raise FitError(f"{test.recording_id} holds epochs, which no stream can be made of. Leave --online out, or give the continuous recording.")
    sets = [*train, test]
    _check(sets)
    folds = [folds_of(s.positive, _n_folds(settings.split)) for s in sets]
    remarks = ["Epochs are decoded as they were cut: no filter, no baseline of our own."]
    if train:
        masks = [np.concatenate([np.full(len(s.positive), k == len(train)) for k, s in enumerate(sets)])]
    else:
        masks = _masks(test, folds[0], settings.split, remarks)
    by_fold = folds[-1].strided and not train
    groups_of = recordings_of if len(train) > 1 else (lambda trials: trials.block) if by_fold else inner_blocks
    results = {}
    for name in settings.pipelines:
        pipeline = pipeline_named(name)
        candidates = _candidates(sets, folds, pipeline, settings)
        results[name] = pooled([tested_on(None, pipeline, candidates, mask, groups_of, settings) for mask in masks])
    return RecordingResult(test.recording_id, best_pipeline(results), results, tuple(remarks))


def _n_folds(split: str) -> int:
    text = split.removeprefix("blocks:")
    return int(text) if split.startswith("blocks:") and text.isdigit() and int(text) > 1 else N_BLOCKS


def _masks(test: EpochSet, folds: Folds, split: str, remarks: list[str]) -> list[NDArray[np.bool_]]:
    n_folds = int(folds.fold.max()) + 1
    if not folds.strided:
        return split_masks(split, len(test.positive))
    if not split.startswith("blocks:"):
        raise FitError(
            f"The epochs of {test.recording_id} are sorted by class, so a part in the order of the file holds one class. Give --split blocks:{N_BLOCKS}."
        )
    split_masks(split, len(test.positive))  # says what is wrong with it
    remarks.append(f"Epochs are sorted by class: each of {n_folds} folds takes every {n_folds}th epoch, so it is not chronological, and drift may help.")
    return [folds.fold == k for k in range(n_folds)]


def _check(sets: Sequence[EpochSet]) -> None:
    rates = sorted({s.sampling_rate_hz for s in sets})
    if len(rates) > 1:
        raise FitError(f"The epochs have different rates ({', '.join(f'{rate:g} Hz' for rate in rates)}); give files of one rate.")
    for s in sets:
        if s.positive.all() or not s.positive.any():
            raise FitError(f"All {len(s.positive)} epochs of {s.recording_id} are of one class; check the descriptions given as positive and negative.")


def _candidates(sets: Sequence[EpochSet], folds: Sequence[Folds], pipeline: Pipeline, settings: EvaluationSettings) -> list[Candidate]:
    if settings.signal not in pipeline.bands:
        raise FitError(f"Pipeline '{pipeline.name}' has no settings for signal '{settings.signal}'; it decodes {', '.join(pipeline.bands)}.")
    common = [name for name in sets[0].channel_names if all(name in s.channel_names for s in sets)]
    if not common:
        raise FitError("The epochs have no channel name in common; give files of one montage.")
    channels = chosen_channels(common)
    first_ms, last_ms = max(s.times_ms[0] for s in sets), min(s.times_ms[-1] for s in sets)
    found = []
    for band in pipeline.bands[settings.signal]:
        edges_ms = _edges_ms(band, first_ms, last_ms, 1e3 / sets[0].sampling_rate_hz)
        preprocessing = Preprocessing(sets[0].sampling_rate_hz, channels, float(band.highpass_hz), float(band.lowpass_hz))
        spec = DecoderSpec(pipeline.name, settings.signal, "epochs", None, preprocessing, WindowSpec(edges_ms), ArtifactRules())
        found.append(Candidate(spec, Transfer.AS_RECORDED, _trials(sets, folds, spec)))
    return found


def _edges_ms(band: Band, first_ms: float, last_ms: float, sample_ms: float) -> tuple[float, ...]:
    """Edges of the band's windows inside the epoch; where a window would be one or two samples, every sample is one."""
    start, end = max(band.start_ms, first_ms), min(band.end_ms, last_ms + sample_ms)
    step = band.step_ms if band.step_ms >= 2 * sample_ms else sample_ms
    n_windows = int((end - start) / step + 1e-6)
    if n_windows < 1:
        raise FitError(f"Epochs from {first_ms:g} to {last_ms:g} ms hold no window of {band.start_ms:g} to {band.end_ms:g} ms. Cut longer ones.")
    return tuple(start + step * k for k in range(n_windows + 1))


def _trials(sets: Sequence[EpochSet], folds: Sequence[Folds], spec: DecoderSpec) -> Trials:
    parts, first_block = [], 0
    for number, (epochs, cut) in enumerate(zip(sets, folds, strict=True)):
        part = _trials_of(epochs, cut, spec, number)
        parts.append(replace(part, block=part.block + first_block))
        first_block = int(parts[-1].block.max()) + 1
    arrays = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("features", "kept", "positive", "recording", "block", "start", "stop")}
    return Trials(reasons=tuple(r for p in parts for r in p.reasons), **arrays)


def _trials_of(epochs: EpochSet, cut: Folds, spec: DecoderSpec, number: int) -> Trials:
    names = spec.preprocessing.channel_names
    rows = np.searchsorted(epochs.times_ms, np.array(spec.window.edges_ms) - _SLACK_MS)
    picked = epochs.uv[cut.order][:, [epochs.channel_names.index(name) for name in names]].astype(np.float64)
    windows = np.ascontiguousarray(picked[:, :, rows[0] : rows[-1]].transpose(0, 2, 1))
    reasons = [broken_rule(window, spec.artifacts, names) for window in windows]
    kept = np.array([reason is None for reason in reasons])
    means = np.stack([picked[:, :, a:b].mean(axis=2) for a, b in itertools.pairwise(rows)], axis=1)
    features = np.where(kept[:, np.newaxis], means.reshape(len(means), -1), 0.0)
    start, n = _starts(epochs, cut), len(epochs.times_ms)
    recording = np.full(len(kept), number, dtype=np.int64)
    return Trials(features, kept, tuple(reasons), epochs.positive[cut.order], recording, cut.fold, start, start + n)


def _starts(epochs: EpochSet, cut: Folds) -> NDArray[np.int64]:
    """Where each epoch begins: in its recording where that is known, else one behind the other."""
    n_epochs, n = len(epochs.positive), len(epochs.times_ms)
    onsets = epochs.onset_samples
    if onsets is None or cut.strided or (np.diff(onsets) <= 0).any():
        return np.arange(n_epochs, dtype=np.int64) * n
    return onsets + round(float(epochs.times_ms[0]) * epochs.sampling_rate_hz / 1e3)
