"""Trials of recordings under one spec: the features of every onset, which are usable, and which belong together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.alignment import whitenings_at
from decoders.artifacts import judge_window
from decoders.offline import FilteredRecording, filter_recording
from decoders.sessions import TrainingSession
from decoders.spec import DecoderSpec, FitError, Preprocessing
from decoders.windows import window_features, window_layout


@dataclass(frozen=True, slots=True)
class Trials:
    """Onsets of one or several recordings under one spec, in chronological order within each recording."""

    features: NDArray[np.float64]
    """(n_onsets, n_features) microvolt, window slowest; rows that are not `kept` are 0."""
    kept: NDArray[np.bool_]
    """(n_onsets,): the window is complete and clean."""
    reasons: tuple[str | None, ...]
    """(n_onsets,): why a window was rejected."""
    positive: NDArray[np.bool_]
    """(n_onsets,)."""
    recording: NDArray[np.int64]
    """(n_onsets,): which recording, numbered from 0."""
    block: NDArray[np.int64]
    """(n_onsets,): blocks of all recordings, numbered through."""
    start: NDArray[np.int64]
    """(n_onsets,): sample index of the window's first sample in its recording."""
    stop: NDArray[np.int64]
    """(n_onsets,): index after the window's last sample."""

    def subset(self, mask: NDArray[np.bool_]) -> "Trials":
        """Only the onsets of the mask."""
        reasons = tuple(reason for reason, wanted in zip(self.reasons, mask, strict=True) if wanted)
        arrays = {name: getattr(self, name)[mask] for name in ("features", "kept", "positive", "recording", "block", "start", "stop")}
        return replace(self, reasons=reasons, **arrays)

    def overlapping(self, tested: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mask (n_onsets,) of trials that share samples with a tested trial, or lie between tested ones of a recording.

        These must not be trained on: with an SOA of 176 ms and windows of 800 ms, four neighbours hold parts of a test window.
        """
        near = tested.copy()
        for recording in np.unique(self.recording[tested]):
            inside = self.recording == recording
            for block in np.unique(self.block[tested & inside]):
                part = tested & inside & (self.block == block)
                near |= inside & (self.stop > self.start[part].min()) & (self.start < self.stop[part].max())
        return near

    def rejections(self) -> dict[str, int]:
        """Count rejected windows by the rule they broke."""
        return dict(Counter(reason.split(":")[0] for reason in self.reasons if reason))


class FilteredSessions:
    """Recordings, filtered once per preprocessing however many windows are tried on them."""

    def __init__(self, sessions: Sequence[TrainingSession]) -> None:
        self.sessions = tuple(sessions)
        self._filtered: dict[tuple[int, Preprocessing], FilteredRecording] = {}

    def filtered(self, recording: int, preprocessing: Preprocessing) -> FilteredRecording:
        """Filter a recording, or return it as filtered before."""
        key = (recording, preprocessing)
        if key not in self._filtered:
            session = self.sessions[recording]
            self._filtered[key] = filter_recording(preprocessing, session.samples, session.sampling_rate_hz, session.channel_names, session.segments)
        return self._filtered[key]

    def trials(self, spec: DecoderSpec, *, aligned: bool = False) -> Trials:
        """Cut the trials of all recordings.

        Parameters
        ----------
        spec : DecoderSpec
        aligned : bool
            Whiten every window with the covariance of its own recording up to the window's end (`decoders.alignment`).

        Raises
        ------
        MismatchError
            A recording lacks a channel or has another rate.
        """
        parts, first_block = [], 0
        for number in range(len(self.sessions)):
            part = self._trials_of(number, spec, aligned)
            parts.append(replace(part, block=part.block + first_block))
            first_block = int(parts[-1].block.max()) + 1
        return _joined(parts)

    def _trials_of(self, number: int, spec: DecoderSpec, aligned: bool) -> Trials:
        session, filtered = self.sessions[number], self.filtered(number, spec.preprocessing)
        layout = window_layout(spec.window, spec.preprocessing.sampling_rate_hz)
        names = spec.preprocessing.channel_names
        features = np.zeros((len(session.onset_samples), layout.n_windows * len(names)))
        reasons: list[str | None] = []
        start, stop = session.onset_samples + layout.start, session.onset_samples + layout.stop
        for i in range(len(start)):
            if not filtered.holds(int(start[i]), int(stop[i])):
                reasons.append("edge: the window runs past the recording")
                continue
            window, marks = filtered.read(int(start[i]), int(stop[i]))
            reasons.append(judge_window(window, marks, spec.artifacts, names).rejected)
            if reasons[-1] is None:
                features[i] = window_features(window, layout)
        kept = np.array([reason is None for reason in reasons])
        if aligned:
            whitenings = whitenings_at(filtered, stop[kept], session.sampling_rate_hz)
            features[kept] = np.einsum("twc,tcd->twd", features[kept].reshape(-1, layout.n_windows, len(names)), whitenings).reshape(-1, features.shape[1])
        recording = np.full(len(start), number, dtype=np.int64)
        return Trials(features, kept, tuple(reasons), session.positive, recording, session.blocks - session.blocks.min(), start, stop)


def _joined(parts: Sequence[Trials]) -> Trials:
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "kept", "positive", "recording", "block", "start", "stop")}
    return Trials(reasons=tuple(reason for part in parts for reason in part.reasons), **arrays)


def check_enough(trials: Trials, minimum: int, what: str) -> None:
    """Refuse trials that are too few or of one class.

    Parameters
    ----------
    trials : Trials
    minimum : int
        Kept trials needed of each class.
    what : str
        What they are for, for the sentence.

    Raises
    ------
    FitError
        Naming counts, limit and, where windows were rejected, the commonest reason.
    """
    kept = trials.kept
    n_positive, n_negative = int((trials.positive & kept).sum()), int((~trials.positive & kept).sum())
    if n_positive >= minimum and n_negative >= minimum:
        return
    if trials.positive.all() or not trials.positive.any():
        raise FitError(
            f"All {len(kept)} trials {what} are of one class; a decoder needs at least {minimum} of each."
            " Check the descriptions given as positive and negative."
        )
    rejected = ""
    if not kept.all():
        commonest = Counter(reason for reason in trials.reasons if reason).most_common(1)[0][0]
        rules = ", ".join(f"{n} {rule}" for rule, n in trials.rejections().items())
        rejected = f" {int((~kept).sum())} of {len(kept)} windows were rejected ({rules}; for example '{commonest}'): check electrodes and unit."
    raise FitError(f"{n_positive} positive and {n_negative} negative usable trials {what}; at least {minimum} of each are needed.{rejected}")
