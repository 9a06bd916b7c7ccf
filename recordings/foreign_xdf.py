"""XDF recordings of other programs (LabRecorder and the like), through pyxdf."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.recording import RecordedEvent, Recording, Segment, content_sha256
from recordings.sample_numbers import segments_of

_TO_UV = {
    "": 1.0,
    "microvolts": 1.0,
    "microvolt": 1.0,
    "uv": 1.0,
    "µv": 1.0,
    "μv": 1.0,
    "millivolts": 1e3,
    "millivolt": 1e3,
    "mv": 1e3,
    "volts": 1e6,
    "volt": 1e6,
    "v": 1e6,
}
_KINDS = frozenset({"eeg", "eog", "ecg", "emg"})
_MAX_RATE_ERROR = 0.01
_FILLED = re.compile(r"BAD_ACQ_SKIP/(\d{1,9})")


def read_foreign_xdf(path: Path) -> Recording:
    """Read the EEG stream of an XDF file and the markers of its string streams.

    Times are synchronised and dejittered by pyxdf; where it finds a break, samples are counted on in real time. The rate is the
    nominal one. Of several EEG streams the one with most channels is taken, with a remark.

    Raises
    ------
    RecordingError
        The file is cut or damaged, or has no regularly sampled EEG stream.
    """
    streams, remarks = _load(path)
    eeg = _eeg_stream(path, streams, remarks)
    rate_hz = float(_text(eeg["info"], "nominal_srate"))
    measured_hz = float(eeg["info"]["effective_srate"])
    if measured_hz and abs(measured_hz / rate_hz - 1) > _MAX_RATE_ERROR:
        remarks.append(f"The stream's rate is {measured_hz:.2f} Hz by its time stamps, {rate_hz:g} Hz by its header; the header's is used.")
    stamps_s: NDArray[np.float64] = np.asarray(eeg["time_stamps"], dtype=np.float64)
    segments = _segments(eeg["info"]["segments"], stamps_s, rate_hz)
    names, kinds, scale, picks = _channels(path, eeg, remarks)
    samples = (np.asarray(eeg["time_series"], dtype=np.float64)[:, picks] * scale).astype(np.float32)
    events = [_event(text, stamp_s, stamps_s, segments, rate_hz) for stream in streams if _is_marker(stream) for text, stamp_s in _markers(stream)]
    samples, segments, events = _without_filled(samples, segments, events)
    samples.flags.writeable = False
    return Recording(
        path=path,
        sha256=content_sha256([path]),
        sampling_rate_hz=rate_hz,
        channel_names=names,
        channel_kinds=kinds,
        samples=samples,
        segments=segments,
        events=tuple(sorted(events, key=lambda e: e.onset_sample)),
        remarks=tuple(remarks),
    )


def _without_filled(
    samples: NDArray[np.float32], segments: tuple[Segment, ...], events: list[RecordedEvent]
) -> tuple[NDArray[np.float32], tuple[Segment, ...], list[RecordedEvent]]:
    """Take out what an export filled in: a marker ``BAD_ACQ_SKIP/N`` at its first sample says how many."""
    filled = [(e.onset_sample, int(match.group(1))) for e in events if (match := _FILLED.fullmatch(e.description))]
    if not filled:
        return samples, segments, events
    numbers = np.concatenate([np.arange(s.sample_index, s.sample_index + s.n_samples) for s in segments])
    there = np.ones(len(numbers), dtype=bool)
    for first, n in filled:
        there &= (numbers < first) | (numbers >= first + n)
    return samples[there], segments_of(numbers[there]), [e for e in events if not _FILLED.fullmatch(e.description)]


class _Remarks(logging.Handler):
    """Collects what pyxdf logs: it reports corruption there and goes on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message."""
        said = record.getMessage()
        if "clock-segments differ" not in said:  # always said of streams without clock offsets, which need none
            (self.errors if record.levelno >= logging.ERROR else self.warnings).append(said)


def _load(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    import pyxdf  # only needed here

    said = _Remarks()
    logger = logging.getLogger("pyxdf")
    logger.addHandler(said)
    propagated, logger.propagate = logger.propagate, False  # what it reports becomes remarks; a terminal gets none of its lines
    try:
        streams, _ = pyxdf.load_xdf(path)
    except Exception as error:  # pyxdf raises anything on damaged files; this is the border
        raise _damaged(path, " ".join(str(error).split())[:300] or type(error).__name__) from error
    finally:
        logger.removeHandler(said)
        logger.propagate = propagated
    if said.errors:
        raise _damaged(path, said.errors[0].rstrip("."))
    return list(streams), list(dict.fromkeys(said.warnings))


def _damaged(path: Path, how: str) -> RecordingError:
    return RecordingError(f"XDF file {path} is cut or damaged: {how}. Copy it again from where it was recorded.")


def _text(info: Any, key: str, default: str = "") -> str:
    """First text of an element of pyxdf's nested lists."""
    found = info.get(key) if isinstance(info, dict) else None
    return str(found[0]) if found and found[0] is not None else default


def _eeg_stream(path: Path, streams: list[dict[str, Any]], remarks: list[str]) -> dict[str, Any]:
    found = [s for s in streams if _is_eeg(s)]
    if not found:
        there = ", ".join(f"{_text(s['info'], 'name')} ({_text(s['info'], 'type')}, {len(s['time_stamps'])} samples)" for s in streams) or "none"
        raise RecordingError(f"XDF file {path} has no EEG stream with a rate and samples; its streams: {there}. Record the board's stream with type 'EEG'.")
    chosen = max(found, key=lambda s: int(_text(s["info"], "channel_count")))
    if len(found) > 1:
        others = ", ".join(_text(s["info"], "name") for s in found if s is not chosen)
        remarks.append(f"The EEG stream {_text(chosen['info'], 'name')} was read; other EEG streams were left out: {others}.")
    return chosen


def _channels(path: Path, eeg: dict[str, Any], remarks: list[str]) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float64], list[int]]:
    """Names, kinds, factor to microvolt and columns of the channels that are kept."""
    n_channels = int(_text(eeg["info"], "channel_count"))
    described = _described(eeg["info"])
    if len(described) != n_channels:
        remarks.append(
            f"The stream describes {len(described)} of its {n_channels} channels: they are named Ch1 to Ch{n_channels} and taken for EEG in microvolt."
        )
        described = [{} for _ in range(n_channels)]
    names, kinds, scale, picks = [], [], [], []
    for index, channel in enumerate(described):
        kind, unit = _text(channel, "type", "eeg").lower(), _text(channel, "unit").lower()
        if kind not in _KINDS:
            continue
        if unit not in _TO_UV:
            raise RecordingError(f"XDF file {path}: channel {index + 1} is in '{unit}', not in volts. Known units: {', '.join(u for u in _TO_UV if u)}.")
        names.append(_text(channel, "label", f"Ch{index + 1}").strip())
        kinds.append(kind)
        scale.append(_TO_UV[unit])
        picks.append(index)
    if "eeg" not in kinds:
        raise RecordingError(f"XDF file {path}: the EEG stream describes no channel of type EEG. Correct the stream's description.")
    return tuple(names), tuple(kinds), np.array(scale), picks


def _described(info: dict[str, Any]) -> list[Any]:
    desc = (info.get("desc") or [None])[0]
    channels = (desc.get("channels") or [None])[0] if isinstance(desc, dict) else None
    return list(channels.get("channel") or []) if isinstance(channels, dict) else []


def _segments(found: list[tuple[int, int]], stamps_s: NDArray[np.float64], rate_hz: float) -> tuple[Segment, ...]:
    """Turn pyxdf's segments (first and last row) into ours; a break counts as round(seconds x rate) samples, at least none."""
    segments: list[Segment] = []
    index = 0
    for first, last in found:
        if segments:
            index += max(round(float(stamps_s[first] - stamps_s[first - 1]) * rate_hz) - 1, 0)
        n = last - first + 1
        segments.append(Segment(index, first, n))
        index += n
    return tuple(segments)


def _is_eeg(stream: dict[str, Any]) -> bool:
    info = stream["info"]
    numeric = _text(info, "channel_format") != "string" and float(_text(info, "nominal_srate", "0")) > 0
    return numeric and _text(info, "type").lower() == "eeg" and len(stream["time_stamps"]) > 0


def _is_marker(stream: dict[str, Any]) -> bool:
    return _text(stream["info"], "channel_format") == "string" and float(_text(stream["info"], "nominal_srate", "0")) == 0


def _markers(stream: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Texts and times of a string stream; several channels are joined by a comma."""
    for values, stamp_s in zip(stream["time_series"], stream["time_stamps"], strict=True):
        yield ",".join(str(v) for v in values), float(stamp_s)


def _event(text: str, stamp_s: float, stamps_s: NDArray[np.float64], segments: tuple[Segment, ...], rate_hz: float) -> RecordedEvent:
    """Place a marker by the segment it lies in or after: its first sample's time plus index / rate as the stamps have it."""
    after = max((s for s in segments if stamps_s[s.row] <= stamp_s), key=lambda s: s.row, default=segments[0])
    last = after.row + after.n_samples - 1
    inside = stamps_s[after.row : last + 1]
    if stamps_s[after.row] <= stamp_s <= stamps_s[last]:
        nearest = int(np.searchsorted(inside, stamp_s))
        if nearest > 0 and stamp_s - inside[nearest - 1] < inside[nearest] - stamp_s:
            nearest -= 1
        return RecordedEvent(after.sample_index + nearest, text, 0.0)
    reference = (after.row, after.sample_index) if stamp_s < stamps_s[after.row] else (last, after.sample_index + after.n_samples - 1)
    return RecordedEvent(reference[1] + round(float(stamp_s - stamps_s[reference[0]]) * rate_hz), text, 0.0)
