"""XDF of other recorders: breaks, units, markers in gaps, several EEG streams."""

from pathlib import Path

import numpy as np
import pytest

from recordings.errors import RecordingError
from recordings.recording import Segment, read_recording
from recordings.xdf import MAGIC, Field, Tag, encode_chunk, encode_numeric_samples, encode_text_sample, xml_document

RATE_HZ = 100.0


def stream(number: int, kind: str, n_channels: int, rate_hz: float, number_format: str, channels: list[tuple[str, str, str]] | None = None) -> bytes:
    """A stream header; channels are (label, unit, type)."""
    described: list[Field] = [("channel", [("label", label), ("unit", unit), ("type", of)]) for label, unit, of in channels or []]
    fields: list[Field] = [
        ("name", f"s{number}"),
        ("type", kind),
        ("channel_count", str(n_channels)),
        ("nominal_srate", str(rate_hz)),
        ("channel_format", number_format),
    ]
    return encode_chunk(Tag.STREAM_HEADER, xml_document([*fields, ("desc", [("channels", described)])]), number)


def samples(number: int, values: np.ndarray, stamp_s: float) -> bytes:
    return encode_chunk(Tag.SAMPLES, encode_numeric_samples(values, stamp_s), number)


def marker(number: int, text: str, stamp_s: float) -> bytes:
    return encode_chunk(Tag.SAMPLES, encode_text_sample(text, stamp_s), number)


def write(path: Path, *chunks: bytes) -> Path:
    path.write_bytes(MAGIC + encode_chunk(Tag.FILE_HEADER, xml_document([("version", "1.0")])) + b"".join(chunks))
    return path


def ramp(start: int, stop: int, n_channels: int = 2) -> np.ndarray:
    return np.repeat(np.arange(start, stop, dtype=np.float32)[:, None], n_channels, axis=1)


def test_a_break_is_a_gap_in_real_time_and_markers_keep_their_place(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.xdf",
        stream(1, "EEG", 2, RATE_HZ, "float32"),
        stream(2, "Markers", 1, 0, "string"),
        samples(1, ramp(0, 1000), 50.0),
        samples(1, ramp(2000, 3000), 70.0),
        *(marker(2, f"at {t}", 50.0 + t) for t in (0.0, 5.004, 5.006, 9.99, 15.0, 20.0, 29.99, 31.0)),
    )
    recording = read_recording(path)
    assert recording.segments == (Segment(0, 0, 1000), Segment(2000, 1000, 1000))
    assert recording.samples[:, 0].tolist() == [*range(1000), *range(2000, 3000)]
    assert [e.onset_sample for e in recording.events] == [0, 500, 501, 999, 1500, 2000, 2999, 3100]
    assert [recording.row(e.onset_sample) for e in recording.events] == [0, 500, 501, 999, None, 1000, 1999, None]


def test_units_become_microvolt_and_other_kinds_stay_out(tmp_path: Path) -> None:
    channels = [("Fz", "volts", "EEG"), ("Counter", "count", "Misc"), ("VEOG", "mV", "EOG"), ("Cz", "microvolts", "eeg")]
    path = write(tmp_path / "a.xdf", stream(1, "EEG", 4, RATE_HZ, "double64", channels), samples(1, np.full((50, 4), 2.0), 0.0))
    recording = read_recording(path)
    assert (recording.channel_names, recording.channel_kinds) == (("Fz", "VEOG", "Cz"), ("eeg", "eog", "eeg"))
    assert recording.samples[7].tolist() == [2e6, 2e3, 2.0]


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xdf", stream(1, "EEG", 1, RATE_HZ, "float32", [("Fz", "furlong", "EEG")]), samples(1, ramp(0, 9, 1), 0.0))
    with pytest.raises(RecordingError, match="channel 1 is in 'furlong', not in volts"):
        read_recording(path)


def test_the_largest_eeg_stream_is_taken_with_a_remark(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.xdf",
        stream(1, "EEG", 1, RATE_HZ, "float32"),
        stream(2, "EEG", 3, RATE_HZ, "float32"),
        samples(1, ramp(0, 50, 1), 0.0),
        samples(2, ramp(0, 50, 3), 0.0),
    )
    recording = read_recording(path)
    assert recording.samples.shape == (50, 3)
    assert recording.remarks[0] == "The EEG stream s2 was read; other EEG streams were left out: s1."


def test_a_file_without_eeg_names_what_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xdf", stream(1, "Markers", 1, 0, "string"), marker(1, "x", 1.0))
    with pytest.raises(RecordingError, match=r"no EEG stream with a rate and samples; its streams: s1 \(Markers, 1 samples\)"):
        read_recording(path)
