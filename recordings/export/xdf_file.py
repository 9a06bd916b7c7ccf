"""XDF as other LSL recorders write it: one EEG stream, one marker stream. The own recording, with the whole log, is XDF already."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.export.content import NOT_RECORDED, ExportedEvent, Setup, exported_events, not_recorded, setup_of
from recordings.recording import Recording
from recordings.xdf import MAGIC, Field, Tag, encode_chunk, encode_numeric_samples, encode_text_sample, xml_document

_EEG, _MARKERS = 1, 2
_CHUNK_S = 1.0
_FILLED_S, _FILLED_SAMPLES = 10.0, 1000
"""Gaps up to the longer of both are filled: by default pyxdf breaks a stream at the longer of 1 s and 500 samples."""
_UNITS = {"uV": "microvolts", "V": "volts", "a.u.": "a.u."}


def write_xdf(recording: Recording, path: Path, *, with_text: bool) -> tuple[str, ...]:
    """Write XDF that pyxdf dejitters to straight lines: stamps are ``start + sample number / rate``.

    A gap that pyxdf would not see as a break, but smear over the stamps around it, is filled with the last value before it and marked
    ``BAD_ACQ_SKIP/N`` (N samples); our reader takes these out again. A longer one is a jump of the stamps.


    With text an own recording is copied whole, so that it can be decoded again.
    """
    if with_text and recording.header is not None:
        _copy(recording.path, path)
        return ("The recording was copied whole: it holds the log with every text, and can be decoded again.",)
    setup = setup_of(recording)
    with path.open("xb") as file:
        file.write(MAGIC + encode_chunk(Tag.FILE_HEADER, xml_document([("version", "1.0")])))
        for number, fields in ((_EEG, _eeg_header(recording, setup)), (_MARKERS, _marker_header(setup))):
            file.write(encode_chunk(Tag.STREAM_HEADER, xml_document(fields), number))
        filled = _filled(recording)
        n_samples = 0
        for block, sample_index in _eeg_blocks(recording, {end for _, end in filled}):
            stamp_s = _start_s(recording) + sample_index / recording.sampling_rate_hz
            file.write(encode_chunk(Tag.SAMPLES, encode_numeric_samples(block, stamp_s), _EEG))
            n_samples += len(block)
        start_s = _start_s(recording)
        marks = [ExportedEvent(first, 0.0, f"{NOT_RECORDED}/{end - first}") for first, end in filled]
        events = sorted([*exported_events(recording, with_text=with_text), *marks], key=lambda e: e.onset_sample)
        for event in events:
            stamp_s = start_s + event.onset_sample / recording.sampling_rate_hz
            file.write(encode_chunk(Tag.SAMPLES, encode_text_sample(event.description, stamp_s), _MARKERS))
        for number, count in ((_EEG, n_samples), (_MARKERS, len(events))):
            file.write(encode_chunk(Tag.STREAM_FOOTER, xml_document([("sample_count", str(count))]), number))
    return ("Decoding it again needs the own recording: the log with ordinals and texts is left out.",) if recording.header is not None else ()


def _copy(source: Path, path: Path) -> None:
    try:
        shutil.copyfile(source, path)
    except OSError as error:
        raise RecordingError(f"{source} cannot be copied to {path}: {error.strerror or error}. Check the disk.") from error


def _start_s(recording: Recording) -> float:
    return recording.header.start_lsl_s if recording.header is not None else 0.0


def _eeg_header(recording: Recording, setup: Setup) -> list[Field]:
    channels: list[Field] = [
        ("channel", [("label", name), ("unit", _UNITS[unit]), ("type", kind.upper())])
        for name, kind, unit in zip(recording.channel_names, recording.channel_kinds, setup.units, strict=True)
    ]
    description: list[Field] = [
        ("channels", channels),
        ("reference", [("label", setup.reference)]),
        ("ground", [("label", setup.ground)]),
        ("acquisition", [("model", setup.board), ("power_line", "" if setup.mains_hz is None else str(setup.mains_hz)), ("software", setup.software)]),
        ("subject", [("id", setup.subject)]),
    ]
    size: list[Field] = [("channel_count", str(len(channels))), ("nominal_srate", repr(recording.sampling_rate_hz)), ("channel_format", "float32")]
    return [("name", f"EEG {setup.board_name}"), ("type", "EEG"), *size, ("source_id", setup.recording_id), ("desc", description)]


def _marker_header(setup: Setup) -> list[Field]:
    size: list[Field] = [("channel_count", "1"), ("nominal_srate", "0"), ("channel_format", "string")]
    return [("name", "rlhb.events"), ("type", "Markers"), *size, ("source_id", f"{setup.recording_id}.events"), ("desc", [])]


def _filled(recording: Recording) -> list[tuple[int, int]]:
    """Gaps between samples that are filled, as (first sample, sample after the last)."""
    longest = max(_FILLED_SAMPLES, _FILLED_S * recording.sampling_rate_hz)
    first = recording.segments[0].sample_index
    return [(begin, end) for begin, end in not_recorded(recording) if begin >= first and end - begin <= longest]


def _eeg_blocks(recording: Recording, filled_to: set[int]) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Blocks of samples with the number of their first one; a gap whose end is in ``filled_to`` is held."""
    length = max(1, round(_CHUNK_S * recording.sampling_rate_hz))
    end = 0
    for segment in recording.segments:
        if segment.sample_index in filled_to:
            yield np.repeat(recording.samples[segment.row - 1 : segment.row], segment.sample_index - end, axis=0), end
        for begin in range(0, segment.n_samples, length):
            rows = slice(segment.row + begin, segment.row + min(begin + length, segment.n_samples))
            yield np.asarray(recording.samples[rows]), segment.sample_index + begin
        end = segment.sample_index + segment.n_samples
