"""A whole recording in memory, from our own files or the field's formats."""

import bisect
import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import HardwareProfile
from messaging.records import Chunk, Event, Header
from messaging.words import EventType
from recordings.errors import RecordingError
from recordings.log import LogReader, is_own

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples without a gap."""

    sample_index: int
    """Number of the first sample, in real time from the recording's start."""
    row: int
    """Its row in `Recording.samples`."""
    n_samples: int


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """Something that happened at a sample."""

    onset_sample: int
    """`sample_index` of the onset: counts real time, also across gaps; it may lie in a gap."""
    description: str
    """What the file calls it; for a unit of our own recordings its text."""
    duration_s: float
    event: Event | None = None
    """The log's event; None for other programs' files."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples and events of one recording."""

    path: Path
    sha256: str
    """Of the file's content; where a recording is several files, of all contents one after the other (the named file first)."""
    sampling_rate_hz: float
    channel_names: tuple[str, ...]
    channel_kinds: tuple[str, ...]
    """``eeg``, ``eog``, ... for each channel: the words of `hardware_profiles.Channel.kind`."""
    samples: NDArray[np.float32]
    """(n_samples, n_channels), microvolt for EEG and EOG, read-only. Gaps take no rows."""
    segments: tuple[Segment, ...]
    """Ascending and apart: between two of them lies a gap."""
    events: tuple[RecordedEvent, ...]
    """In the order of their onsets. Of our own recordings only events with a place in time; `read_log` gives all."""
    header: Header | None = None
    """Of our own recordings."""
    remarks: tuple[str, ...] = ()
    """What the reader had to assume or leave out, one sentence each."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.samples.shape[0])

    @property
    def end_index(self) -> int:
        """Number of the sample after the last one, in real time."""
        return self.segments[-1].sample_index + self.segments[-1].n_samples if self.segments else 0

    def row(self, sample_index: int) -> int | None:
        """Row of a sample; None in a gap, before the first or after the last one."""
        at = bisect.bisect_right(self.segments, sample_index, key=lambda s: s.sample_index) - 1
        if at < 0:
            return None
        segment = self.segments[at]
        inside = sample_index - segment.sample_index
        return segment.row + inside if inside < segment.n_samples else None

    def events_named(self, descriptions: Collection[str]) -> tuple[RecordedEvent, ...]:
        """Events with one of these descriptions.

        Raises
        ------
        RecordingError
            One of them does not occur; the message lists what does.
        """
        counts = Counter(e.description for e in self.events)
        missing = sorted(d for d in descriptions if d not in counts)
        if missing:
            there = ", ".join(f"'{d}' ({n})" for d, n in counts.most_common(20)) or "none at all"
            raise RecordingError(f"Recording {self.path} has no event {', '.join(repr(d) for d in missing)}. Its events: {there}. Choose among them.")
        return tuple(e for e in self.events if e.description in descriptions)


def read_recording(path: Path | str, profile: HardwareProfile | None = None) -> Recording:
    """Read a recording into memory.

    Parameters
    ----------
    path : Path
        Own XDF; other XDF; FIF, EDF/EDF+, BDF, BrainVision ``.vhdr``, EEGLAB ``.set``; text of BrainFlow, the OpenBCI GUI, Mind Monitor.
    profile : HardwareProfile, optional
        Board that was recorded, where the file does not say it (`recordings.text_formats`).

    Returns
    -------
    Recording
        An own recording exactly as it was written.

    Raises
    ------
    RecordingError
        The file is missing, a folder, empty, cut, damaged, of an unknown format, or holds no EEG. An own recording that was cut by
        a crash opens up to its last whole record, with a remark.
    """
    path = Path(path)
    if is_own(path):
        return _read_own(path)
    from recordings.readers import read_foreign  # loads MNE or pyxdf, about a second

    return read_foreign(path, profile)


def _read_own(path: Path) -> Recording:
    blocks: list[NDArray[np.float32]] = []
    segments: list[Segment] = []
    events: list[RecordedEvent] = []
    remarks: list[str] = []
    row = 0
    with LogReader(path, pass_damage=True) as reader:
        for record in reader.records():
            if isinstance(record, Chunk):
                _extend(segments, record.sample_index, row, record.n_samples)
                blocks.append(record.samples)
                row += record.n_samples
            elif isinstance(record, Event) and record.onset_sample_index is not None:
                events.append(_recorded_event(record, record.onset_sample_index))
        header = reader.header
        remarks.extend(f"{damage.sentence} Its samples are a gap." for damage in reader.damaged)
        surplus = reader.file_bytes - reader.offset
        if surplus:
            remarks.append(f"The last {surplus} bytes are no whole record ({reader.damage or 'cut short'}) and were left out.")
            _logger.warning("Recording %s: %s", path, remarks[-1])
        if not reader.ended:
            remarks.append("The log has no end: it is still being written, or its daemon crashed.")
    channels = header.profile.channels
    samples = np.concatenate(blocks) if blocks else np.empty((0, len(channels)), dtype=np.float32)
    samples.flags.writeable = False
    return Recording(
        path=path,
        sha256=content_sha256([path]),
        sampling_rate_hz=header.profile.sampling_rate_hz,
        channel_names=header.profile.channel_names,
        channel_kinds=tuple(c.kind for c in channels),
        samples=samples,
        segments=tuple(segments),
        events=tuple(sorted(events, key=lambda e: e.onset_sample)),
        header=header,
        remarks=tuple(remarks),
    )


def _extend(segments: list[Segment], sample_index: int, row: int, n_samples: int) -> None:
    """Append samples to the last segment, or start a new one after a gap."""
    last = segments[-1] if segments else None
    if last is not None and last.sample_index + last.n_samples == sample_index:
        segments[-1] = Segment(last.sample_index, last.row, last.n_samples + n_samples)
    else:
        segments.append(Segment(sample_index, row, n_samples))


def _recorded_event(event: Event, onset_sample: int) -> RecordedEvent:
    description = event.text if event.type is EventType.ANNOTATION and event.text else event.type.value
    if event.unit is not None:
        description = event.unit.text
    onset = event.onset
    duration_s = onset.offset_lsl_s - onset.onset_lsl_s if onset is not None and onset.offset_lsl_s is not None else 0.0
    return RecordedEvent(onset_sample, description, duration_s, event)


def content_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 of files' contents one after the other, hexadecimal.

    Raises
    ------
    RecordingError
        A file cannot be read.
    """
    total = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error.strerror or error}. It belongs to the recording: put it back beside it.") from error
    return total.hexdigest()
