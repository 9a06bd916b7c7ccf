"""What a crash may leave: a file cut at any byte, garbage, zeros. It opens up to its last whole record, and recording goes on."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messaging.records import Chunk, Event, Record
from recordings.errors import LockedError
from recordings.layout import MARK
from recordings.log import read_log
from recordings.recording import read_recording
from recordings.repair import repair, scan
from recordings.writer import LogWriter
from tests.reference.random_logs import chunk, same_log, small_log


def written(path: Path, records: list[Record]) -> list[int]:
    with LogWriter.create(path, records[0]) as writer:
        return [*(writer.write(r) for r in records[1:]), writer.size_bytes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A file as a killed daemon leaves it, nothing confirmed by the disk, and where its records start."""
    path = tmp_path_factory.mktemp("sound") / "a.xdf"
    starts = written(path, small_log())
    return path.read_bytes()[: starts[-1]], starts


def test_a_file_cut_at_every_byte_of_its_last_two_records_opens_and_goes_on(tmp_path: Path, sound: tuple[bytes, list[int]]) -> None:
    raw, starts = sound
    records = small_log()
    kinds = (type(records[-2]), type(records[-1]))
    assert kinds == (Chunk, Event)
    path = tmp_path / "cut.xdf"
    for size in range(starts[-3], len(raw) + 1):
        path.write_bytes(raw[:size])
        whole = len(records) - 2 + (size >= starts[-2]) + (size >= starts[-1])
        assert same_log(list(read_log(path)), records[:whole])
        assert read_recording(path).n_samples == sum(r.n_samples for r in records[:whole] if isinstance(r, Chunk))
        with LogWriter.resume(path) as writer:
            assert (writer.last_ordinal, writer.size_bytes) == (whole, path.stat().st_size)
            for record in records[whole:]:
                writer.write(record)
        assert path.read_bytes() == raw + 2 * MARK
    assert [p.name for p in tmp_path.iterdir()] == ["cut.xdf"]


@given(st.integers(0, 200), st.binary(max_size=300))
@example(0, bytes(5000))
@example(20, bytes(5000))
@example(0, b"\x01\x02\x05\x00" * 40)
@example(0, b"\x01\x02\x05")
@settings(max_examples=150, deadline=None)
def test_garbage_or_zeros_after_any_cut_leave_the_whole_records(
    tmp_path_factory: pytest.TempPathFactory, sound: tuple[bytes, list[int]], missing: int, garbage: bytes
) -> None:
    raw, starts = sound
    records = small_log()
    path = tmp_path_factory.mktemp("garbage") / "a.xdf"
    size = len(raw) - missing
    if garbage and raw[size : size + 1] == garbage[:1]:
        garbage = bytes([garbage[0] ^ 2]) + garbage[1:]  # else the first bytes may be the true ones
    path.write_bytes(raw[:size] + garbage)
    whole = sum(end <= size for end in starts)
    found = list(read_log(path))
    assert same_log(found, records[:whole])
    repair(path)
    assert path.stat().st_size == scan(path).end_offset
    assert len(list(read_log(path))) == len(found)


def test_zeros_are_cut_without_a_trace_and_other_bytes_are_kept_beside(tmp_path: Path, sound: tuple[bytes, list[int]]) -> None:
    raw, _ = sound
    path = tmp_path / "a.xdf"
    path.write_bytes(raw + bytes(4096))
    found = repair(path)
    assert found.damage == "a length of 0 bytes (allowed: 1, 4, 8)"
    assert path.read_bytes() == raw
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(raw + b"not a chunk")
    repair(path)
    assert path.read_bytes() == raw
    assert (tmp_path / f"a.xdf.cut-at-{len(raw)}").read_bytes() == b"not a chunk"


def test_records_behind_an_unconfirmed_hole_are_cut_off_and_kept_beside(tmp_path: Path, sound: tuple[bytes, list[int]]) -> None:
    """The power went before the disk confirmed: what it wrote out of order is no continuation of the log."""
    raw, starts = sound
    path = tmp_path / "a.xdf"
    damaged = bytearray(raw)
    damaged[starts[3]] ^= 0xFF
    path.write_bytes(damaged)
    with LogWriter.resume(path) as writer:
        assert writer.last_ordinal == 4
        writer.write(chunk(5, 100))
    assert (tmp_path / f"a.xdf.cut-at-{starts[3]}").read_bytes() == damaged[starts[3] :]
    assert read_recording(path).n_samples == 17


def test_a_sound_file_is_left_alone(tmp_path: Path, sound: tuple[bytes, list[int]]) -> None:
    raw, starts = sound
    path = tmp_path / "a.xdf"
    path.write_bytes(raw)
    os.utime(path, (1, 1))
    found = repair(path)
    assert (found.end_offset, found.file_bytes, found.damage) == (len(raw), len(raw), None)
    assert (found.state.ordinal, found.state.end_index) == (11, 43)
    assert path.stat().st_mtime == 1
    assert len(starts) == 11


def test_a_file_that_is_being_written_is_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    records = small_log()
    with LogWriter.create(path, records[0]) as writer:
        writer.write(records[1])
        before = path.read_bytes()
        for open_again in (repair, LogWriter.resume):
            with pytest.raises(LockedError, match="is being written by another process"):
                open_again(path)
        assert path.read_bytes() == before
    assert repair(path).state.ordinal == 2
