"""From a table of numbers to a recording: sample numbers, gaps, markers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.recording import RecordedEvent, Recording, content_sha256
from recordings.sample_numbers import Counting, sample_numbers, segments_of


@dataclass(frozen=True, slots=True)
class TextSamples:
    """Columns of a text recording, one row per sample."""

    uv: NDArray[np.float64]
    """(n_rows, n_channels); microvolt for EEG and EOG."""
    stamps_s: NDArray[np.float64]
    """(n_rows,) host stamps."""
    counters: NDArray[np.float64] | None = None
    """(n_rows,) packet numbers."""
    counting: Counting | None = None
    markers: NDArray[np.float64] | None = None
    """(n_rows,); 0 is none."""


def text_recording(
    path: Path, rate_hz: float, names: tuple[str, ...], kinds: tuple[str, ...], table: TextSamples, remarks: Sequence[str] = (), sidecars: Sequence[Path] = ()
) -> Recording:
    """Number the samples, find the gaps, place the markers.

    Rows in which a channel is no number were not recorded: they become a gap, with a remark.

    Raises
    ------
    RecordingError
        Stamps are no numbers, or no row is left.
    """
    if not np.isfinite(table.stamps_s).all():
        raise RecordingError(f"Text recording {path} is damaged: a time stamp is no number. Copy it again from where it was recorded.")
    if table.counters is not None and not np.isfinite(table.counters).all():
        raise RecordingError(f"Text recording {path} is damaged: a packet number is no number. Copy it again from where it was recorded.")
    if not len(table.stamps_s):
        raise RecordingError(f"Text recording {path} holds no samples. Choose another file.")
    numbers, said = sample_numbers(table.counters, table.stamps_s, rate_hz, table.counting)
    there = np.isfinite(table.uv).all(axis=1)
    if not there.any():
        raise RecordingError(f"Text recording {path} holds no row in which every channel is a number. Check what recorded it.")
    all_remarks = [*remarks, *said]
    if not there.all():
        all_remarks.append(f"{int((~there).sum())} rows hold a channel that is no number; they were taken for lost samples.")
    numbers = numbers - numbers[there][0]
    samples = table.uv[there].astype(np.float32)
    samples.flags.writeable = False
    return Recording(
        path=path,
        sha256=content_sha256([path, *sidecars]),
        sampling_rate_hz=rate_hz,
        channel_names=names,
        channel_kinds=kinds,
        samples=samples,
        segments=segments_of(numbers[there]),
        events=_marked(table.markers, numbers),
        remarks=tuple(all_remarks),
    )


def _marked(markers: NDArray[np.float64] | None, numbers: NDArray[np.int64]) -> tuple[RecordedEvent, ...]:
    """Rows whose marker is not 0, as ``marker/VALUE``."""
    if markers is None:
        return ()
    rows = np.flatnonzero(np.isfinite(markers) & (markers != 0))
    return tuple(RecordedEvent(int(numbers[row]), f"marker/{markers[row]:g}", 0.0) for row in rows)
