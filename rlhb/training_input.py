"""From recordings on disk to what a decoder learns from."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decoders.epochs import EpochSet
from decoders.sessions import TrainingSession, Word, training_session
from messaging.words import EventType
from recordings.epochs import Epochs
from recordings.errors import RecordingError
from recordings.recording import RecordedEvent, Recording
from rlhb.items import truth_of

_BIDS_SUBJECT = re.compile(r"(?:^|_)(sub-[A-Za-z0-9]+)(?:_|\.|$)")


def subject_of(recording: Recording) -> str:
    """Pseudonym of whoever was recorded: of our own recordings the session's; else the ``sub-…`` of a BIDS name; else the recording stands for itself."""
    if recording.header is not None:
        return recording.header.subject
    named = _BIDS_SUBJECT.search(recording.path.name)
    return named.group(1) if named else f"recording-{recording.sha256[:12]}"


def described_events(recording: Recording, marks: dict[tuple[str, int], str] | None) -> list[tuple[int, str]]:
    """Onset sample and description of every event; with marks, units of our own recordings are ``unit/wrong`` or ``unit/right``."""
    return [(e.onset_sample, _description(e, marks)) for e in recording.events]


def _description(event: RecordedEvent, marks: dict[tuple[str, int], str] | None) -> str:
    shown = event.event.unit if event.event is not None and event.event.type is EventType.UNIT else None
    truth = truth_of(shown, marks) if marks is not None and shown is not None else None
    return event.description if truth is None else truth


def _word(event: RecordedEvent) -> Word | None:
    """What a shown unit was; None for an event that shows no word."""
    shown = event.event.unit if event.event is not None and event.event.type is EventType.UNIT else None
    return None if shown is None or shown.response_id is None else Word(shown.text, shown.response_id, shown.index)


def as_training(
    recording: Recording, positive: list[str], negative: list[str], marks: dict[tuple[str, int], str] | None = None, subject: str | None = None
) -> TrainingSession:
    """Pick EEG channels and the events of both classes.

    Parameters
    ----------
    recording : Recording
    positive, negative : list of str
        Descriptions of the two classes.
    marks : dict, optional
        Truth of shown units, from an item file (`rlhb.items.marks_of`).
    subject : str, optional
        Pseudonym; None for what the recording says.

    Raises
    ------
    RecordingError
        A description does not occur; the message lists those that do. Or there is no EEG channel.
    FitError
        Onsets outside the recording, or doubled.
    """
    described = described_events(recording, marks)
    _check_descriptions(recording.path, [d for _, d in described], [*positive, *negative])
    wanted = [d in positive or d in negative for _, d in described]
    chosen = [(onset, d in positive) for (onset, d), taken in zip(described, wanted, strict=True) if taken]
    words = [_word(event) for event, taken in zip(recording.events, wanted, strict=True) if taken]
    eeg = [k for k, kind in enumerate(recording.channel_kinds) if kind == "eeg"]
    if not eeg:
        raise RecordingError(f"Recording {recording.path} has no EEG channel (kinds: {', '.join(recording.channel_kinds)}).")
    header = recording.header
    return training_session(
        recording.samples[:, eeg],
        recording.sampling_rate_hz,
        tuple(recording.channel_names[k] for k in eeg),
        np.array([onset for onset, _ in chosen], dtype=np.int64),
        np.array([p for _, p in chosen], dtype=np.bool_),
        sha256=recording.sha256,
        recording_id=header.recording_id if header else recording.path.name,
        subject=subject or subject_of(recording),
        words=words if any(words) else (),
        segments=tuple((s.sample_index, s.row, s.n_samples) for s in recording.segments),
    )


def as_epoch_set(epochs: Epochs, positive: list[str], negative: list[str]) -> EpochSet:
    """Pick the epochs of both classes, in the order of the file.

    Raises
    ------
    RecordingError
        A description does not occur; the message lists those that do.
    """
    _check_descriptions(epochs.path, epochs.descriptions, [*positive, *negative])
    picked = np.flatnonzero([d in positive or d in negative for d in epochs.descriptions])
    return EpochSet(
        uv=epochs.uv[picked],
        positive=np.array([epochs.descriptions[k] in positive for k in picked], dtype=np.bool_),
        times_ms=epochs.times_ms,
        sampling_rate_hz=epochs.sampling_rate_hz,
        channel_names=epochs.channel_names,
        recording_id=epochs.path.name,
        onset_samples=None if epochs.onset_samples is None else epochs.onset_samples[picked],
    )


def _check_descriptions(path: Path, there: Sequence[str], wanted: list[str]) -> None:
    counts = Counter(there)
    missing = sorted({d for d in wanted if d not in counts})
    if missing:
        listing = ", ".join(f"'{d}' ({n})" for d, n in counts.most_common(20)) or "none at all"
        named = ", ".join(f"'{d}'" for d in missing)
        raise RecordingError(f"Recording {path} has no event {named}. Its events: {listing}. Choose among them.")
