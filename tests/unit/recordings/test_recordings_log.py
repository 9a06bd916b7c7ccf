"""Records written come back bit for bit; a cut file gives a prefix; a following reader sees each record once."""

import os
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.records import End, Event, Record
from recordings.errors import DamagedError, RecordingError
from recordings.layout import MARK
from recordings.log import LogReader, is_own, read_log
from recordings.repair import repair
from recordings.writer import LogWriter
from tests.reference.random_logs import chunk, header, logs, same, same_log, small_log


def written(path: Path, records: list[Record]) -> list[int]:
    """Write a log; returns where each record after the header starts, and the size at the end."""
    with LogWriter.create(path, records[0]) as writer:
        return [*(writer.write(r) for r in records[1:]), writer.size_bytes]


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one hypothesis example (tmp_path is shared by all of them)."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(logs())
@settings(max_examples=80, deadline=None)
def test_any_log_comes_back_bit_for_bit(records: list[Record]) -> None:
    with folder() as at:
        written(at / "a.xdf", records)
        assert same_log(list(read_log(at / "a.xdf")), records)


@given(logs(), st.data())
@settings(max_examples=50, deadline=None)
def test_any_cut_gives_a_prefix_and_resuming_completes_it(records: list[Record], data: st.DataObject) -> None:
    with folder() as at:
        path = at / "a.xdf"
        starts = written(path, records)
        cut = data.draw(st.integers(starts[0], starts[-1]))
        os.truncate(path, cut)
        whole = sum(end <= cut for end in starts)
        assert same_log(list(read_log(path)), records[:whole])
        if isinstance(records[whole - 1], End):
            with pytest.raises(RecordingError, match="has ended"):
                LogWriter.resume(path)
            return
        with LogWriter.resume(path) as writer:
            assert writer.last_ordinal == whole
            assert writer.event_ids == {r.event_id for r in records[:whole] if isinstance(r, Event)}
            for record in records[whole:]:
                writer.write(record)
        assert same_log(list(read_log(path)), records)


@given(logs(), st.data())
@settings(max_examples=50, deadline=None)
def test_reading_from_any_record_gives_the_rest(records: list[Record], data: st.DataObject) -> None:
    with folder() as at:
        path = at / "a.xdf"
        starts = written(path, records)
        after = data.draw(st.integers(0, len(records)))
        expected = records[after:]
        assert same_log(list(read_log(path, after_ordinal=after)), expected)
        if after >= 1:
            from_offset = data.draw(st.integers(0, after - 1))
            assert same_log(list(read_log(path, after_ordinal=after, offset=starts[from_offset])), expected)


def test_a_reader_follows_a_growing_file_byte_by_byte(tmp_path: Path) -> None:
    records = small_log()
    starts = written(tmp_path / "whole.xdf", records)
    raw = (tmp_path / "whole.xdf").read_bytes()
    growing = tmp_path / "growing.xdf"
    growing.write_bytes(raw[: starts[0]])
    seen: list[Record] = []
    with LogReader(growing) as reader, growing.open("ab", buffering=0) as out:
        seen += reader.read_new()
        for position in range(starts[0], starts[-1]):
            out.write(raw[position : position + 1])
            new = reader.read_new()
            assert len(new) == (position + 1 in starts)
            seen += new
            assert reader.offset == max(s for s in starts if s <= position + 1)
    assert same_log(seen, records)


def test_a_reader_goes_on_after_the_daemon_crashed_and_resumed(tmp_path: Path) -> None:
    path, records = tmp_path / "a.xdf", small_log()
    starts = written(path, records[:6])
    os.truncate(path, starts[-1] - 7)
    with LogReader(path) as reader:
        assert len(reader.read_new()) == 5
        with LogWriter.resume(path) as writer:
            for record in records[5:]:
                writer.write(record)
        assert same_log(reader.read_new(), records[5:])
        assert reader.read_new() == []


def test_read_new_takes_no_more_than_asked(tmp_path: Path) -> None:
    records = small_log()
    written(tmp_path / "a.xdf", records)
    with LogReader(tmp_path / "a.xdf") as reader:
        parts = [reader.read_new(limit=4) for _ in range(4)]
    assert [len(p) for p in parts] == [4, 4, 3, 0]
    assert same_log([r for p in parts for r in p], records)


def test_a_reader_refuses_an_offset_where_no_record_starts(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    starts = written(path, small_log())
    with pytest.raises(RecordingError, match=f"starts at byte {starts[2] + 1}"):
        list(read_log(path, after_ordinal=3, offset=starts[2] + 1))
    with pytest.raises(RecordingError, match="Record 6 starts at byte"):
        list(read_log(path, after_ordinal=3, offset=starts[4]))
    with pytest.raises(RecordingError, match="it was cut since"):
        list(read_log(path, after_ordinal=3, offset=path.stat().st_size + 1))


def test_memory_of_reading_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.xdf"
    with LogWriter.create(path, header()) as writer:
        for i in range(60):
            writer.write(chunk(i + 2, i * 20000, n_samples=20000))
    assert path.stat().st_size > 14_000_000
    tracemalloc.start()
    n = sum(1 for _ in read_log(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n == 61
    assert peak < 5_000_000


def test_a_record_larger_than_a_block_is_read(tmp_path: Path) -> None:
    path, large = tmp_path / "a.xdf", chunk(2, 0, n_samples=300_000)
    written(path, [header(), large, chunk(3, 300_000)])
    found = list(read_log(path))
    assert same(found[1], large)
    assert len(found) == 3


def test_an_offset_at_a_damaged_record_is_refused_and_the_start_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    starts = written(path, small_log())
    raw = bytearray(path.read_bytes())
    raw[starts[1] + 40] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RecordingError, match=f"No record of .* starts at byte {starts[1]}: samples whose checksum is not .* Read it from the start"):
        list(read_log(path, after_ordinal=2, offset=starts[1]))
    with pytest.raises(DamagedError, match="Record 3 is damaged"):
        list(read_log(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "There is no recording"), (b"", "is empty"), (b"XDF:\x01\x04\x01\x00<info/>", "was not recorded by rlhb"), (b"hello", "was not recorded by rlhb")],
)
def test_what_is_no_own_recording_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.xdf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        LogReader(path)


def test_a_cut_preamble_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    written(path, [header()])
    raw = path.read_bytes()
    raw = raw[: raw.index(MARK)]
    for size in [*range(1, len(raw), 7), len(raw) - 1]:
        path.write_bytes(raw[:size])
        with pytest.raises(RecordingError):
            LogReader(path)
        with pytest.raises(RecordingError):
            repair(path)
        assert path.read_bytes() == raw[:size]


def test_another_version_of_the_log_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    written(path, [header()])
    path.write_bytes(path.read_bytes().replace(b"<log_schema>rlhb.log.v2", b"<log_schema>rlhb.log.v9"))
    assert is_own(path)
    with pytest.raises(RecordingError, match=r"rlhb\.log\.v9 is another version of the log than rlhb\.log\.v1 and rlhb\.log\.v2"):
        LogReader(path)
