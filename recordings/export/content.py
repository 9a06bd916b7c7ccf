"""What every export says of a recording: events without private text, samples on an even grid, where nothing was recorded, who and with what."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from messaging.words import EventType
from recordings.errors import RecordingError
from recordings.recording import RecordedEvent, Recording

NOT_RECORDED = "BAD_ACQ_SKIP"
"""Annotation of samples that were filled in; MNE's name, which its readers and ours leave out."""
_UNKNOWN = "unknown"
_LONGEST_H = 48


@dataclass(frozen=True, slots=True)
class ExportedEvent:
    """An event as other programs see it."""

    onset_sample: int
    duration_s: float
    description: str


@dataclass(frozen=True, slots=True)
class Setup:
    """Who was recorded, with what; words that the recording does not know are ``unknown``."""

    recording_id: str
    session_id: str
    subject: str
    """Pseudonym."""
    task: str
    board: str
    board_name: str
    reference: str
    ground: str
    mains_hz: int | None
    units: tuple[str, ...]
    """Of each channel: ``uV``, ``V`` or ``a.u.``."""
    started: datetime | None
    """UTC."""
    software: str


def setup_of(recording: Recording) -> Setup:
    """Collect what the log's header says; of other programs' files little is known."""
    header = recording.header
    if header is None:
        eegs = ("eeg", "eog", "ecg", "emg")
        units = tuple("uV" if kind in eegs else "a.u." for kind in recording.channel_kinds)
        name = recording.path.stem
        return Setup(name, name, f"recording-{recording.sha256[:12]}", "replay", _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, None, units, None, _UNKNOWN)
    profile = header.profile
    return Setup(
        recording_id=header.recording_id,
        session_id=header.session_id,
        subject=header.subject,
        task=header.task,
        board=profile.title,
        board_name=profile.name,
        reference=profile.reference,
        ground=profile.ground,
        mains_hz=profile.mains_hz,
        units=tuple(c.unit for c in profile.channels),
        started=_instant(header.created_at),
        software="rlhb " + header.versions.get("rlhb", _UNKNOWN),
    )


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def exported_events(recording: Recording, *, with_text: bool) -> tuple[ExportedEvent, ...]:
    """Events under names that hold no text of an item: ``unit/3``, ``trial_start``; with text ``unit/3/word``.

    What other programs' files call their events stays.
    """
    return tuple(ExportedEvent(e.onset_sample, e.duration_s, _description(e, with_text)) for e in recording.events)


def _description(event: RecordedEvent, with_text: bool) -> str:
    said = event.event
    if said is None:
        return event.description
    name = f"{said.type.value}/{said.unit.index}" if said.unit is not None else said.type.value
    text = said.unit.text if said.unit is not None else said.text if said.type is EventType.ANNOTATION else None
    # control characters end an annotation in EDF+ and a row in BIDS
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split()) if with_text and text else ""
    return f"{name}/{plain}" if plain else name


def not_recorded(recording: Recording) -> tuple[tuple[int, int], ...]:
    """Gaps as (first sample, sample after the last), in the order of time."""
    gaps, position = [], 0
    for segment in recording.segments:
        if segment.sample_index > position:
            gaps.append((position, segment.sample_index))
        position = segment.sample_index + segment.n_samples
    return tuple(gaps)


def even_samples(recording: Recording, end_index: int | None = None) -> NDArray[np.float32]:
    """Samples in real time: a gap holds the last value before it (the first one after it where there is none).

    A held value needs no larger range and makes no step for a filter to ring on; `not_recorded` says where it stands.

    Parameters
    ----------
    recording : Recording
    end_index : int, optional
        Go on to this sample.

    Returns
    -------
    (n_samples, n_channels) float32

    Raises
    ------
    RecordingError
        With its gaps the recording is longer than two days.
    """
    n_samples = max(recording.end_index, end_index or 0)
    hours = n_samples / recording.sampling_rate_hz / 3600
    if hours > _LONGEST_H:
        raise RecordingError(f"{recording.path} spans {hours:.0f} hours with its gaps; the limit for a format without gaps is {_LONGEST_H}. Export XDF.")
    row_of = np.zeros(n_samples, dtype=np.int64)
    for segment in recording.segments:
        row_of[segment.sample_index : segment.sample_index + segment.n_samples] = np.arange(segment.row, segment.row + segment.n_samples)
        row_of[segment.sample_index + segment.n_samples :] = segment.row + segment.n_samples - 1
    return recording.samples[row_of]
