"""CSV of the Mind Monitor app: Muse headbands, one row per sample (or per second, as the app was set), events as rows of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.recording import RecordedEvent, Recording, content_sha256
from recordings.sample_numbers import sample_numbers, segments_of
from recordings.text_table import open_text, whole_lines

_MUSE_RATES_HZ = (256.0, 220.0)
"""Muse 2016 and later; Muse 2014."""
_NEAR = 0.15
_SLOW_FROM_S = 0.02
"""Rows this far apart are no longer every sample: the app was set to write at an interval of its own."""


@dataclass(slots=True)
class _Rows:
    stamps_s: list[float] = field(default_factory=list)
    uv: list[list[float]] = field(default_factory=list)
    events: list[tuple[float, int, str]] = field(default_factory=list)
    """Stamp, number of sample rows before, what it says."""


def is_mind_monitor(first_line: str) -> bool:
    """Whether a file's first line is Mind Monitor's."""
    return first_line.startswith("TimeStamp,") and "RAW_" in first_line


def read_mind_monitor(path: Path) -> Recording:
    """Read the raw channels (``RAW_TP9`` ...) and the elements (``/muse/elements/blink``, ``/Marker/1`` ...).

    Values stay as recorded: microvolt on the Muse's offset of about 800. Rows stay in their order, none is made up: where stamps leave
    a pause, sample numbers jump. The rate is the headband's where rows come that fast, else that of the rows, with a remark.

    Raises
    ------
    RecordingError
        The file is cut or damaged, or holds no raw channel.
    """
    with open_text(path) as file:
        lines = whole_lines(path, file)
        header = next(lines, (1, ""))[1].split(",")
        raw = [k for k, name in enumerate(header) if name.strip().startswith("RAW_")]
        if not is_mind_monitor(",".join(header)) or not raw:
            raise RecordingError(f"Mind Monitor file {path} has no column RAW_...: let the app record raw data, or give the whole file.")
        rows = _Rows()
        for number, line in lines:
            _take(path, number, line.split(","), len(header), raw, rows)
    if not rows.stamps_s:
        raise RecordingError(f"Mind Monitor file {path} holds no samples: nothing follows its header. Choose another file.")
    stamps_s = np.array(rows.stamps_s)
    rate_hz, remarks = _rate(stamps_s)
    numbers, said = sample_numbers(None, stamps_s, rate_hz, None)
    samples = np.array(rows.uv, dtype=np.float64).astype(np.float32)
    samples.flags.writeable = False
    names = tuple(header[k].strip().removeprefix("RAW_") for k in raw)
    return Recording(
        path=path,
        sha256=content_sha256([path]),
        sampling_rate_hz=rate_hz,
        channel_names=names,
        channel_kinds=("eeg",) * len(names),
        samples=samples,
        segments=segments_of(numbers),
        events=_events(rows, stamps_s, numbers, rate_hz),
        remarks=(*remarks, *said, "Values keep the Muse's offset of about 800 microvolt; the AUX input is left out."),
    )


def _take(path: Path, number: int, cells: Sequence[str], n_columns: int, raw: Sequence[int], rows: _Rows) -> None:
    """Sort a line into samples or events."""
    damage = f"Mind Monitor file {path} is damaged: line {number}"
    remedy = "Copy it again from the phone, or delete the damaged line."
    # The last column, Elements, is left out of sample rows together with its comma.
    if not n_columns - 1 <= len(cells) <= n_columns:
        raise RecordingError(f"{damage} has {len(cells)} columns, not {n_columns}. {remedy}")
    try:
        stamp_s = datetime.fromisoformat(cells[0].strip()).replace(tzinfo=UTC).timestamp()
        if any(cells[k].strip() for k in raw):
            uv = [float(cells[k]) for k in raw]
            if not np.isfinite(uv).all():
                return  # a row without signal is a lost sample
            rows.stamps_s.append(stamp_s)
            rows.uv.append(uv)
    except ValueError:
        raise RecordingError(f"{damage} holds a time or a value that is none ('{cells[0][:40]}', ...). {remedy}") from None
    if len(cells) == n_columns and cells[-1].strip():
        rows.events.append((stamp_s, len(rows.uv), cells[-1].strip()))


def _rate(stamps_s: NDArray[np.float64]) -> tuple[float, tuple[str, ...]]:
    """Rate of the rows, and what has to be said about it."""
    steps_s = np.diff(stamps_s)
    span_s = float(stamps_s[-1] - stamps_s[0])
    if span_s <= 0:
        return _MUSE_RATES_HZ[0], ("The file is too short to tell its rate; 256 Hz is assumed.",)
    median_s = float(np.median(steps_s))
    if median_s >= _SLOW_FROM_S:
        said = f"The app wrote a row every {median_s:g} s, not every sample: the rate is {1 / median_s:.3g} Hz, too slow for EEG windows."
        return 1 / median_s, (said,)
    pauses_s = float(steps_s[steps_s > 1.0].sum())
    measured_hz = (len(stamps_s) - 1) / max(span_s - pauses_s, 1e-9)
    nearest = min(_MUSE_RATES_HZ, key=lambda rate: abs(measured_hz - rate))
    if abs(measured_hz / nearest - 1) <= _NEAR:
        return nearest, ()
    return measured_hz, (f"Rows come at {measured_hz:.1f} Hz, at no rate of a Muse; that is taken for the rate.",)


def _events(rows: _Rows, stamps_s: NDArray[np.float64], numbers: NDArray[np.int64], rate_hz: float) -> tuple[RecordedEvent, ...]:
    """Place events by their stamp, between the sample rows they stand between."""
    found = []
    for stamp_s, n_before, text in rows.events:
        last = max(n_before - 1, 0)
        onset = int(numbers[last]) + max(0, round((stamp_s - float(stamps_s[last])) * rate_hz))
        if n_before < len(numbers):
            onset = min(onset, int(numbers[n_before]))
        found.append(RecordedEvent(onset, text, 0.0))
    return tuple(sorted(found, key=lambda e: e.onset_sample))
