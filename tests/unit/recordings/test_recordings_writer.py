"""The writer refuses what does not belong into the log, survives a full disk, and never shows a half-made file."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from messaging.records import Chunk, End, Record
from recordings import files, writer
from recordings.errors import RecordingError, WriteError
from recordings.log import read_log
from recordings.writer import LogWriter
from tests.reference.random_logs import chunk, header, profile, same_log, small_log, unit


@pytest.fixture
def open_writer(tmp_path: Path) -> LogWriter:
    log = LogWriter.create(tmp_path / "a.xdf", header())
    log.write(chunk(2, 0))
    return log


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (chunk(2, 8), "record 2 does not follow 2"),
        (chunk(4, 8), "record 4 does not follow 2"),
        (chunk(3, 7), "starts at sample 7, before the end 8"),
        (chunk(3, 8, n_channels=2), r"chunk of \(8, 2\) float32; the stream takes \(1 or more, 3\) float32"),
        (chunk(3, 8, n_samples=0), r"chunk of \(0, 3\)"),
        (replace(chunk(3, 8), samples=np.zeros((8, 3), dtype=np.float64)), "float64"),
        (replace(chunk(3, 8), time_lsl_s=float("nan")), "nan is not a time"),
        (replace(chunk(3, 8), samples=np.zeros((6_000_000, 3), dtype=np.float32)), "the limit is 67108864"),
        (header(), "does not follow 2"),
    ],
)
def test_a_record_that_cannot_come_next_is_refused_and_nothing_is_written(open_writer: LogWriter, record: Record, why: str) -> None:
    before = open_writer.path.read_bytes()
    with pytest.raises(RecordingError, match=why):
        open_writer.write(record)
    assert open_writer.path.read_bytes() == before
    open_writer.write(chunk(3, 8))
    assert (open_writer.last_ordinal, open_writer.end_index) == (3, 16)
    assert open_writer.end_lsl_s == pytest.approx(1000.25 + 16 / 250)


def test_nothing_follows_the_end(open_writer: LogWriter) -> None:
    open_writer.write(End(ordinal=3, end_index=8, reason="done"))
    with pytest.raises(RecordingError, match="record 4 comes after the end"):
        open_writer.write(chunk(4, 8))
    open_writer.close()
    with pytest.raises(RecordingError, match="is closed"):
        open_writer.write(chunk(4, 8))
    with pytest.raises(RecordingError, match="has ended with record 3"):
        LogWriter.resume(open_writer.path)


def test_write_tells_where_each_record_starts_and_makes_one_write_of_each(open_writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    true_write = os.write

    def counting(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return true_write(fd, data)

    monkeypatch.setattr(files.os, "write", counting)
    starts = [open_writer.write(chunk(3, 8)), open_writer.write(unit(4, "word", 9)), open_writer.write(chunk(5, 16, n_samples=200))]
    assert len(sizes) == 3
    assert starts == [open_writer.size_bytes - sum(sizes[i:]) for i in range(3)]
    assert open_writer.size_bytes == open_writer.path.stat().st_size
    assert open_writer.has_event(f"{4:032x}")
    assert not open_writer.has_event(f"{5:032x}")


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_write = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: true_write(fd, data[: 1 + len(data) // 3]))
    records = small_log()
    with LogWriter.create(tmp_path / "a.xdf", records[0]) as log:
        for record in records[1:]:
            log.write(record)
    monkeypatch.undo()
    assert same_log(list(read_log(tmp_path / "a.xdf")), records)


def test_a_full_disk_leaves_whole_records_and_the_same_record_can_be_written_again(open_writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    true_write = os.write
    room = [50]

    def filling(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = true_write(fd, data[: room[0]])
        room[0] -= n
        return n

    before = open_writer.path.read_bytes()
    monkeypatch.setattr(files.os, "write", filling)
    with pytest.raises(WriteError, match=r"No space left on device \(\d+ MB free in .*\)\. Make room") as refused:
        open_writer.write(chunk(3, 8))
    assert refused.value.errno == errno.ENOSPC
    assert open_writer.path.read_bytes() == before
    assert open_writer.last_ordinal == 2
    monkeypatch.undo()
    open_writer.write(chunk(3, 8))
    assert [r.ordinal for r in read_log(open_writer.path)] == [1, 2, 3]


def test_a_writer_that_cannot_cut_back_stops_and_resume_repairs(open_writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    true_write, calls = os.write, [0]

    def failing(fd: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return true_write(fd, data[:30])

    def refusing(_fd: int, _size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files.os, "write", failing)
    monkeypatch.setattr(writer.os, "ftruncate", refusing)
    with pytest.raises(WriteError, match="Input/output error"):
        open_writer.write(chunk(3, 8))
    monkeypatch.undo()
    with pytest.raises(RecordingError, match="damaged at its end"):
        open_writer.write(chunk(3, 8))
    open_writer.close()
    with LogWriter.resume(open_writer.path) as log:
        log.write(chunk(3, 8))
    assert [r.ordinal for r in read_log(open_writer.path)] == [1, 2, 3]


def test_a_failing_sync_is_told(open_writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    open_writer.sync()
    monkeypatch.setattr(files, "_sync_data", refusing)
    with pytest.raises(WriteError, match="Input/output error"):
        open_writer.sync()


@pytest.mark.parametrize("fails", ["write", "fsync", "link"])
def test_a_creation_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def refusing(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, fails, refusing)
    with pytest.raises(WriteError, match="No space left"):
        LogWriter.create(tmp_path / "a.xdf", header())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_hard_links_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refusing)
    LogWriter.create(tmp_path / "a.xdf", header()).close()
    assert len(list(read_log(tmp_path / "a.xdf"))) == 1
    with pytest.raises(RecordingError, match="exists already"):
        LogWriter.create(tmp_path / "a.xdf", header())
    assert [p.name for p in tmp_path.iterdir()] == ["a.xdf"]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"precious")
    with pytest.raises(RecordingError, match="exists already"):
        LogWriter.create(path, header())
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(RecordingError, match="There is no folder"):
        LogWriter.create(tmp_path / "nowhere" / "a.xdf", header())


def test_a_profile_without_channels_or_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="0 channels at 0"):
        LogWriter.create(tmp_path / "a.xdf", header(profile((), 0)))
    assert list(tmp_path.iterdir()) == []


def test_what_write_returned_from_survives_kill_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    program = (
        "import os, sys, signal; from recordings.writer import LogWriter; from tests.reference.random_logs import small_log\n"
        "records = small_log(); log = LogWriter.create(sys.argv[1], records[0]); [log.write(r) for r in records[1:]]\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False, cwd=Path(__file__).parents[3])
    assert ended.returncode == -9
    with LogWriter.resume(path) as log:
        assert log.header == header()
        assert (log.last_ordinal, log.end_index) == (11, 43)
    assert same_log(list(read_log(path)), small_log())


def test_samples_of_any_memory_order_are_written(open_writer: LogWriter) -> None:
    values = np.arange(24, dtype=np.float32).reshape(3, 8).T
    open_writer.write(Chunk(3, 8, 1001.0, values))
    last = list(read_log(open_writer.path))[-1]
    assert isinstance(last, Chunk)
    assert np.array_equal(last.samples, values)
    assert not last.samples.flags.writeable
