"""Bits that change on a disk: every one is noticed, the record is named, and what is whole can still be had."""

import os
from pathlib import Path

import pytest

from messaging.records import Chunk, End, Record
from recordings.errors import DamagedError, RecordingError
from recordings.layout import MARK
from recordings.log import LogReader, read_log
from recordings.recording import read_recording
from recordings.repair import repair, scan
from recordings.writer import LogWriter
from tests.reference.random_logs import chunk, header, profile, same_log, small_log


def written(path: Path, records: list[Record]) -> tuple[bytearray, list[int]]:
    """Write and close a log; returns its bytes, and where each record after the header starts, and where the last one ends."""
    with LogWriter.create(path, records[0]) as writer:
        starts = [*(writer.write(r) for r in records[1:]), writer.size_bytes]
    return bytearray(path.read_bytes()), starts


@pytest.fixture
def closed(tmp_path: Path) -> tuple[Path, bytearray, list[int], list[Record]]:
    records = small_log()
    raw, starts = written(tmp_path / "a.xdf", records)
    return tmp_path / "a.xdf", raw, starts, records


def flip(path: Path, raw: bytearray, at: int, mask: int) -> None:
    with path.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), bytes([raw[at] ^ mask]), at)


def read_around(path: Path) -> list[Record]:
    with LogReader(path, pass_damage=True) as reader:
        return list(reader.records())


def test_every_changed_byte_of_a_record_is_noticed_and_the_others_can_be_read(closed: tuple[Path, bytearray, list[int], list[Record]]) -> None:
    path, raw, starts, records = closed
    for at in range(starts[0], starts[-1]):
        changed = 1 + sum(start <= at for start in starts)  # ordinal of the record that holds this byte
        flip(path, raw, at, 1 << at % 8)
        follows, end = ("no whole record follows", len(raw)) if changed == len(records) else ("what follows is whole", starts[changed - 1])
        where = rf"bytes {starts[changed - 2]} to {end}: .*"
        with pytest.raises(DamagedError, match=rf"Record {changed} is damaged \({where}\); {follows}\. Put back a copy"):
            list(read_log(path))
        assert same_log(read_around(path), [r for r in records if r.ordinal != changed])
        flip(path, raw, at, 0)
    assert same_log(list(read_log(path)), records)


def test_every_bit_of_a_chunk_and_of_a_line_is_covered(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    records: list[Record] = [header(profile(("Cz",))), chunk(2, 0, n_samples=2, n_channels=1), End(ordinal=3, end_index=2, reason="done")]
    raw, starts = written(path, records)
    for at in range(starts[0], starts[-1]):
        for bit in range(8):
            flip(path, raw, at, 1 << bit)
            with pytest.raises(DamagedError):
                list(read_log(path))
        flip(path, raw, at, 0)


def test_every_changed_byte_before_the_first_record_is_noticed(closed: tuple[Path, bytearray, list[int], list[Record]]) -> None:
    """Magic, the headers of file and streams, the log's header."""
    path, raw, starts, _ = closed
    for at in range(starts[0]):
        flip(path, raw, at, 1 << at % 8)
        with pytest.raises(RecordingError):
            LogReader(path)
        flip(path, raw, at, 0)
    LogReader(path).close()


def test_samples_around_a_damaged_chunk_are_read_with_a_gap_and_a_remark(closed: tuple[Path, bytearray, list[int], list[Record]]) -> None:
    path, raw, starts, records = closed
    flip(path, raw, starts[4] + 60, 0x10)
    recording = read_recording(path)
    whole = [r for r in records if isinstance(r, Chunk) and r.ordinal != 6]
    assert recording.samples.tobytes() == b"".join(r.samples.tobytes() for r in whole)
    assert [(s.sample_index, s.n_samples) for s in recording.segments] == [(0, 9), (22, 21)]
    assert recording.remarks[0].startswith("Record 6 is damaged")
    assert recording.remarks[0].endswith("what follows is whole. Its samples are a gap.")


def test_records_that_were_taken_already_may_be_damaged(closed: tuple[Path, bytearray, list[int], list[Record]]) -> None:
    """A worker that goes on from its checkpoint behind the damage needs the damaged record no more."""
    path, raw, starts, records = closed
    flip(path, raw, starts[1] + 50, 1)
    assert same_log(list(read_log(path, after_ordinal=3)), records[3:])
    assert same_log(list(read_log(path, after_ordinal=3, offset=starts[2])), records[3:])
    with pytest.raises(DamagedError, match="Record 3 is damaged"):
        list(read_log(path, after_ordinal=2))


def test_repair_cuts_only_the_end_and_leaves_damage_in_the_middle_as_it_is(
    closed: tuple[Path, bytearray, list[int], list[Record]], caplog: pytest.LogCaptureFixture
) -> None:
    path, raw, starts, _ = closed
    path.write_bytes(raw + b"\x01\x80\x03\x00")
    flip(path, raw, starts[2] + 5, 2)
    before = path.read_bytes()
    found = repair(path)
    assert [(d.first_ordinal, d.last_ordinal, d.start, d.end) for d in found.damaged] == [(4, 4, starts[2], starts[3])]
    assert (found.state.ordinal, path.read_bytes()) == (11, before[:-4])
    assert "Record 4 is damaged" in caplog.text
    assert scan(path).damaged == found.damaged


def test_a_damaged_recording_is_not_gone_on_with(closed: tuple[Path, bytearray, list[int], list[Record]]) -> None:
    path, raw, starts, _ = closed
    flip(path, raw, starts[2] + 40, 2)
    before = path.read_bytes()
    with pytest.raises(DamagedError, match=r"Record 4 is damaged .*record to a new file"):
        LogWriter.resume(path)
    assert path.read_bytes() == before


def test_several_damaged_stretches_are_each_named_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    records: list[Record] = [header(), *(chunk(i, 8 * i) for i in range(2, 40))]
    raw, starts = written(path, records)
    raw[starts[3] : starts[6]] = os.urandom(starts[6] - starts[3])
    raw[starts[20] + 70] ^= 4
    del raw[starts[30] : starts[31]]
    path.write_bytes(raw)
    lost = {5, 6, 7, 22, 32}
    with LogReader(path, pass_damage=True) as reader:
        assert same_log(list(reader.records()), [r for r in records if r.ordinal not in lost])
        assert [(d.first_ordinal, d.last_ordinal) for d in reader.damaged] == [(5, 7), (22, 22), (32, 32)]
    with pytest.raises(DamagedError, match="Records 5 to 7 are damaged"):
        list(read_log(path))


def test_bytes_between_records_cost_no_record(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    records: list[Record] = [header(), chunk(2, 0), chunk(3, 8)]
    raw, starts = written(path, records)
    path.write_bytes(raw[: starts[1]] + b"stray" + raw[starts[1] :])
    assert same_log(list(read_log(path)), records)
    where = f"bytes {starts[1]} to {starts[1] + 5}: a length of {ord('s')} bytes (allowed: 1, 4, 8)"
    assert [d.sentence for d in scan(path).damaged] == [f"No record is missing, but between records 2 and 3 stands something else ({where})."]


def test_damage_is_found_behind_a_record_larger_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    records: list[Record] = [header(), chunk(2, 0, n_samples=300_000), chunk(3, 300_000, n_samples=300_000), chunk(4, 600_000)]
    raw, starts = written(path, records)
    raw[starts[0] + 2_000_000] ^= 1
    path.write_bytes(raw)
    assert [r.ordinal for r in read_around(path)] == [1, 3, 4]
    assert scan(path).damaged[0].end == starts[1]


def test_files_of_the_schema_before_are_read_and_gone_on_with(tmp_path: Path) -> None:
    """`rlhb.log.v1`: three channels in the index, no checksums, no marks."""
    path, records = tmp_path / "a.xdf", small_log()
    old: list[Record] = [header(log_schema="rlhb.log.v1"), *records[1:]]
    raw, starts = written(path, old[:8])
    assert b"crc32" not in raw
    assert MARK not in raw
    path.write_bytes(raw[: starts[-1] - 3])
    with LogWriter.resume(path) as writer:
        assert writer.last_ordinal == 7
        for record in old[7:]:
            writer.write(record)
    assert same_log(list(read_log(path)), old)
    assert read_recording(path).n_samples == 38
    assert b"crc32" not in path.read_bytes()


def test_a_header_of_one_schema_in_a_file_of_the_other_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    raw, _ = written(path, [header(log_schema="rlhb.log.v1")])
    path.write_bytes(raw.replace(b"<log_schema>rlhb.log.v1", b"<log_schema>rlhb.log.v2"))
    with pytest.raises(RecordingError, match="cannot be opened: a line without its checksum"):
        LogReader(path)
