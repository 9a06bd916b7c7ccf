"""From recordings on disk to what a decoder learns from."""

import numpy as np

from decoders.sessions import TrainingSession, training_session
from messaging.words import EventType
from recordings.errors import RecordingError
from recordings.recording import RecordedEvent, Recording


def described_events(recording: Recording, marks: dict[tuple[str, int], str] | None) -> list[tuple[int, str]]:
    """Onset sample and description of every event; with marks, units of our own recordings are ``unit/wrong`` or ``unit/right``."""
    return [(e.onset_sample, _description(e, marks)) for e in recording.events]


def _description(event: RecordedEvent, marks: dict[tuple[str, int], str] | None) -> str:
    shown = event.event.unit if event.event is not None and event.event.type is EventType.UNIT else None
    if marks is not None and shown is not None and shown.response_id is not None:
        return marks.get((shown.response_id, shown.index), event.description)
    return event.description


def as_training(recording: Recording, positive: list[str], negative: list[str], marks: dict[tuple[str, int], str] | None = None) -> TrainingSession:
    """Pick EEG channels and the events of both classes.

    Parameters
    ----------
    recording : Recording
    positive, negative : list of str
        Descriptions of the two classes.
    marks : dict, optional
        Truth of shown units, from an item file (`rlhb.items.marks_of`).

    Raises
    ------
    RecordingError
        A description does not occur; the message lists those that do. Or there is no EEG channel.
    FitError
        Onsets outside the recording, or doubled.
    """
    events = described_events(recording, marks)
    _check_descriptions(recording, {d for _, d in events}, [*positive, *negative], events)
    chosen = [(onset, d in positive) for onset, d in events if d in positive or d in negative]
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
        segments=tuple((s.sample_index, s.row, s.n_samples) for s in recording.segments),
    )


def _check_descriptions(recording: Recording, there: set[str], wanted: list[str], events: list[tuple[int, str]]) -> None:
    missing = sorted({d for d in wanted if d not in there})
    if missing:
        counts = {d: sum(1 for _, e in events if e == d) for d in sorted(there)}
        listing = ", ".join(f"'{d}' ({n})" for d, n in sorted(counts.items(), key=lambda row: -row[1])[:20]) or "none at all"
        named = ", ".join(f"'{d}'" for d in missing)
        raise RecordingError(f"Recording {recording.path} has no event {named}. Its events: {listing}. Choose among them.")
