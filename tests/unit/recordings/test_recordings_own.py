"""Our file in memory, and in other programs: pyxdf is the independent reader of the format, MNE takes what pyxdf read."""

import hashlib
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
import pyxdf

from messaging.records import Chunk, End, Event, Header, Record, from_json_line, json_line
from recordings.errors import RecordingError
from recordings.recording import Segment, read_recording
from recordings.repair import repair
from recordings.writer import LogWriter
from recordings.xdf import Tag, encode_chunk
from tests.reference.random_logs import chunk, header, profile, small_log


def written(path: Path, records: list[Record]) -> Path:
    with LogWriter.create(path, records[0]) as writer:
        for record in records[1:]:
            writer.write(record)
    return path


def all_samples(records: list[Record]) -> np.ndarray:
    return np.concatenate([r.samples for r in records if isinstance(r, Chunk)])


def texts(records: list[Record]) -> list[Header | Event | End]:
    return [r for r in records if not isinstance(r, Chunk)]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return written(tmp_path / "a.xdf", small_log())


@pytest.mark.parametrize("dejitter", [False, True])
def test_pyxdf_opens_our_files_with_equal_values(small: Path, dejitter: bool) -> None:
    records = small_log()
    streams, file_header = pyxdf.load_xdf(small, dejitter_timestamps=dejitter)
    eeg, index, log = streams
    chunks = [r for r in records if isinstance(r, Chunk)]
    assert file_header["info"]["version"] == ["1.0"]
    assert eeg["time_series"].dtype == np.float32
    assert eeg["time_series"].tobytes() == all_samples(records).tobytes()
    assert index["time_series"].dtype == np.int64
    assert index["time_series"][:, :3].tolist() == [[c.ordinal, c.sample_index, c.n_samples] for c in chunks]
    lines = [row[0] for row in log["time_series"]]
    assert [json.loads(line).keys() - json.loads(json_line(r)).keys() for line, r in zip(lines, texts(records), strict=True)] == [{"crc32"}] * len(lines)
    assert [line.rpartition(',"crc32":')[0] + "}" for line in lines] == [json_line(r) for r in texts(records)]
    assert index["time_stamps"].tolist() == [c.time_lsl_s for c in chunks]
    if not dejitter:
        assert eeg["time_stamps"] == pytest.approx(np.concatenate([c.time_lsl_s + np.arange(c.n_samples) / 250 for c in chunks]), abs=1e-9)


def test_pyxdf_sees_channels_rate_and_event_times(small: Path) -> None:
    eeg, index, log = pyxdf.load_xdf(small)[0]
    channels = eeg["info"]["desc"][0]["channels"][0]["channel"]
    assert [(c["label"][0], c["unit"][0], c["type"][0]) for c in channels] == [
        ("Fz", "microvolts", "EEG"),
        ("Cz", "microvolts", "EEG"),
        ("EOG1", "microvolts", "EOG"),
    ]
    assert (float(eeg["info"]["nominal_srate"][0]), eeg["info"]["type"]) == (250.0, ["EEG"])
    assert eeg["info"]["desc"][0]["acquisition"][0]["model"] == ["Test <board> & co"]
    assert (index["info"]["name"], log["info"]["name"]) == (["rlhb.index"], ["rlhb.log"])
    # header: its start; unit: its onset; decoder, comment: end of the samples before; annotation: sample 3.
    assert log["time_stamps"].tolist() == pytest.approx([1000.25, 1000.25, 1000.29, 1000.25 + 39 / 250, 1000.25 + 3 / 250, 1000.25 + 43 / 250])


def test_pyxdf_reads_large_sample_indices_exactly(tmp_path: Path) -> None:
    far = 2**53 + 1
    path = written(tmp_path / "a.xdf", [header(), chunk(2, far)])
    assert pyxdf.load_xdf(path)[0][1]["time_series"][0, :3].tolist() == [2, far, 8]


def as_raw(eeg: dict[str, Any]) -> mne.io.RawArray:
    labels = [c["label"][0] for c in eeg["info"]["desc"][0]["channels"][0]["channel"]]
    kinds = [c["type"][0].lower() for c in eeg["info"]["desc"][0]["channels"][0]["channel"]]
    info = mne.create_info(labels, float(eeg["info"]["nominal_srate"][0]), kinds)
    return mne.io.RawArray(eeg["time_series"].T.astype(float) * 1e-6, info, verbose="ERROR")


def test_mne_makes_a_raw_of_it(small: Path) -> None:
    raw = as_raw(pyxdf.load_xdf(small)[0][0])
    assert np.array_equal((raw.get_data() * 1e6).T.astype(np.float32), all_samples(small_log()))


def test_a_file_cut_at_every_byte_of_its_last_two_records_opens_in_pyxdf_and_mne_with_its_header(tmp_path: Path) -> None:
    board, versions = profile(), {"rlhb": "0.1.0", "numpy": "2.2"}
    records: list[Record] = [header(board, versions=versions, kernel_set="avx2"), *small_log()[1:]]
    path = tmp_path / "a.xdf"
    with LogWriter.create(path, records[0]) as writer:
        starts = [*(writer.write(r) for r in records[1:]), writer.size_bytes]
    raw = path.read_bytes()
    for size in range(starts[-3], starts[-1] + 1):
        path.write_bytes(raw[:size])
        repair(path)
        whole = [r for r, end in zip(records, starts, strict=True) if end <= size]
        eeg, _index, log = pyxdf.load_xdf(path)[0]
        found = from_json_line(log["time_series"][0][0].rpartition(',"crc32":')[0] + "}")
        assert isinstance(found, Header)
        assert (found.profile, found.versions, found.kernel_set) == (board, versions, "avx2")
        assert len(log["time_series"]) == len(texts(whole))
        assert np.array_equal((as_raw(eeg).get_data() * 1e6).T.astype(np.float32), all_samples(whole))


def test_pyxdf_finds_the_way_again_behind_damage_where_the_disk_had_confirmed(tmp_path: Path) -> None:
    """Our marks are the format's own boundary chunks: other readers look for the next one when a chunk makes no sense."""
    path = tmp_path / "a.xdf"
    with LogWriter.create(path, header()) as writer:
        for ordinal in range(2, 42):
            at = writer.write(chunk(ordinal, 8 * ordinal))
            if ordinal == 12:
                damaged = at
            if ordinal % 10 == 0:
                writer.sync()
    raw = bytearray(path.read_bytes())
    raw[damaged + 8] = 7  # the sample count has no such width
    path.write_bytes(raw)
    assert pyxdf.load_xdf(path)[0][0]["time_series"].shape == (8 * (40 - 9), 3)


def test_the_checksums_can_be_checked_by_any_program(small: Path) -> None:
    """As docs/recordings.md says it, from what pyxdf gives."""
    eeg, index, log = pyxdf.load_xdf(small, dejitter_timestamps=False)[0]
    row = 0
    for (ordinal, sample_index, n_samples, crc32), time in zip(index["time_series"].tolist(), index["time_stamps"], strict=True):
        samples = [values.tobytes() for values in eeg["time_series"][row : row + n_samples]]
        content = bytes([1, n_samples, 8]) + struct.pack("<d", time) + b"\0".join(samples)
        assert zlib.crc32(content + struct.pack("<qqq", ordinal, sample_index, n_samples)) == crc32
        row += n_samples
    for (line,), time in zip(log["time_series"][1:], log["time_stamps"][1:], strict=True):
        body, _, crc32 = line.rpartition(',"crc32":')
        assert zlib.crc32(struct.pack("<d", time) + body.encode()) == int(crc32[1:-2], 16)


def test_read_recording_gives_samples_segments_and_events(small: Path) -> None:
    recording = read_recording(small)
    assert recording.samples.tobytes() == all_samples(small_log()).tobytes()
    assert not recording.samples.flags.writeable
    assert recording.segments == (Segment(0, 0, 17), Segment(22, 17, 21))
    assert (recording.channel_names, recording.channel_kinds) == (("Fz", "Cz", "EOG1"), ("eeg", "eeg", "eog"))
    assert [(e.onset_sample, e.description, e.event.ordinal) for e in recording.events if e.event] == [(3, "target", 9), (10, "Straße 🧠", 5)]
    assert recording.events[1].duration_s == pytest.approx(0.1)
    assert recording.header == header()
    assert recording.end_index == 43
    assert recording.sha256 == hashlib.sha256(small.read_bytes()).hexdigest()
    assert recording.remarks == ("The log has no end: it is still being written, or its daemon crashed.",)


def test_rows_jump_over_the_gap(small: Path) -> None:
    recording = read_recording(small)
    assert [recording.row(i) for i in (-1, 0, 16, 17, 21, 22, 42, 43)] == [None, 0, 16, None, None, 17, 37, None]


def test_events_named_lists_what_is_there(small: Path) -> None:
    recording = read_recording(small)
    assert [e.onset_sample for e in recording.events_named(["target"])] == [3]
    with pytest.raises(RecordingError, match=r"has no event 'nontarget'\. Its events: 'target' \(1\), 'Straße 🧠' \(1\)"):
        recording.events_named(["target", "nontarget"])


def test_a_cut_file_is_read_with_a_remark(small: Path) -> None:
    raw = small.read_bytes()
    small.write_bytes(raw[:-3])
    assert "are no whole record (cut short) and were left out" in read_recording(small).remarks[0]


def test_a_file_with_only_a_header_is_a_recording(tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path / "a.xdf", [header()]))
    assert (recording.samples.shape, recording.segments, recording.events, recording.end_index) == ((0, 3), (), (), 0)
    assert recording.row(0) is None


def test_channel_names_that_xml_cannot_hold_are_exact_in_the_header(tmp_path: Path) -> None:
    names = ("A\x01", "<&>", "ü\uffff")
    path = written(tmp_path / "a.xdf", [header(profile(names)), chunk(2, 0)])
    assert read_recording(path).channel_names == names
    channels = pyxdf.load_xdf(path)[0][0]["info"]["desc"][0]["channels"][0]["channel"]
    assert [c["label"][0] for c in channels] == ["A?", "<&>", "ü?"]


def test_chunks_of_other_recorders_between_records_are_passed_over(tmp_path: Path) -> None:
    """The specification allows boundary, clock offset and footer chunks anywhere."""
    whole = written(tmp_path / "a.xdf", [header(), chunk(2, 0), chunk(3, 8)])
    with LogWriter.create(tmp_path / "b.xdf", header()) as writer:
        start, between = writer.write(chunk(2, 0)), writer.size_bytes
    assert start < between
    raw = whole.read_bytes()
    extra = encode_chunk(Tag.BOUNDARY, bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")) + encode_chunk(Tag.CLOCK_OFFSET, struct.pack("<dd", 1.0, 0.0), 1)
    whole.write_bytes(raw[:between] + extra + raw[between:])
    assert np.array_equal(read_recording(whole).samples, all_samples([chunk(2, 0), chunk(3, 8)]))
    assert pyxdf.load_xdf(whole)[0][0]["time_series"].shape == (16, 3)


def test_the_daemon_does_not_pay_for_mne() -> None:
    program = (
        "import sys, recordings.writer, recordings.log, recordings.recording, recordings.repair; sys.exit(bool({'mne', 'pyxdf', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[3]).returncode == 0


def test_header_of_a_recording_is_the_first_record(small: Path) -> None:
    assert isinstance(small_log()[0], Header)
    assert small.read_bytes().index(b'{"kind":"header"') < small.read_bytes().index(b'{"kind":"event"')
