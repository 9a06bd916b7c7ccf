"""The power goes: what the disk confirmed is all there, what it did not is cut off, and neither is ever taken for the other.

The disk is modelled page by page: after the last `fdatasync` that returned, each page that was written since is either on the disk or
as it was before (zeros, where the file was shorter), in any combination, and the file has any length between the two.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.records import Record
from recordings import files, writer
from recordings.damage import was_confirmed
from recordings.layout import MARK
from recordings.log import read_log
from recordings.repair import repair, scan
from recordings.writer import LogWriter
from tests.reference.random_logs import chunk, header, same_log, small_log, unit


class Disk:
    """Stands in for `fdatasync`: remembers what it has confirmed, and lets records be written while it is at work."""

    def __init__(self) -> None:
        self.confirmed = b""
        self.meanwhile: Callable[[], None] = lambda: None

    def sync(self, fd: int) -> None:
        held = os.pread(fd, os.fstat(fd).st_size, 0)
        self.meanwhile()
        self.confirmed = held

    def after_power_loss(self, written: bytes, page: int, kept: Callable[[int], bool], length: int) -> bytes:
        """What stands in the file when the power is back."""
        before = self.confirmed.ljust(len(written), b"\0")
        pages = range(0, len(written), page)
        image = b"".join((written if kept(at // page) else before)[at : at + page] for at in pages)
        return image[: max(length, len(self.confirmed))]


def long_log(n_records: int) -> list[Record]:
    """Records of about two pages each, a unit now and then."""
    records: list[Record] = [header()]
    for ordinal in range(2, n_records + 2):
        index = 400 * ordinal
        records.append(unit(ordinal, "word", index) if ordinal % 4 == 0 else chunk(ordinal, index, n_samples=400))
    return records


@given(
    n_records=st.integers(1, 24),
    syncs=st.dictionaries(st.integers(2, 25), st.integers(0, 3), max_size=8),
    page=st.sampled_from([512, 4096]),
    lost=st.sets(st.integers(0, 300), max_size=40),
    missing_bytes=st.one_of(st.just(0), st.integers(0, 40_000)),
)
@settings(max_examples=150, deadline=None)
def test_after_a_power_loss_repair_gives_a_prefix_with_everything_that_was_synced(
    tmp_path_factory: pytest.TempPathFactory, n_records: int, syncs: dict[int, int], page: int, lost: set[int], missing_bytes: int
) -> None:
    """`syncs` says before which ordinals the disk is asked, and how many records are written while it is at work."""
    path, disk, records = tmp_path_factory.mktemp("power") / "a.xdf", Disk(), long_log(n_records)
    true_sync, files._sync_data = files._sync_data, disk.sync
    try:
        log = LogWriter.create(path, records[0])
        disk.confirmed = path.read_bytes()  # create has synced file and folder
        left, synced = records[1:], [records[0]]

        def write(count: int) -> None:
            for _ in range(min(count, len(left))):
                log.write(left.pop(0))

        while left:
            during = syncs.get(left[0].ordinal)
            if during is not None:
                so_far = records[: log.last_ordinal]
                disk.meanwhile = lambda count=during: write(count)  # type: ignore[misc]
                log.sync()
                synced = so_far
            write(1)
        os.close(log._fd)  # the power goes: nothing is closed
        written = path.read_bytes()
    finally:
        files._sync_data = true_sync
    path.write_bytes(disk.after_power_loss(written, page, lambda number: number not in lost, len(written) - missing_bytes))
    found = repair(path)
    assert found.damaged == ()
    survivors = list(read_log(path))
    assert same_log(survivors, records[: len(survivors)])
    assert len(survivors) >= len(synced)
    with LogWriter.resume(path) as again:
        for record in records[len(survivors) :]:
            again.write(record)
    assert same_log(list(read_log(path)), records)


def test_a_record_is_confirmed_when_two_marks_stand_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    log = LogWriter.create(path, header())
    at = [log.write(chunk(2, 0))]
    for ordinal in range(3, 7):
        log.sync()
        at.append(log.write(chunk(ordinal, 8 * ordinal)))
    size = log.size_bytes
    os.close(log._fd)
    raw = path.read_bytes()
    assert [raw[start : start + len(MARK)] == MARK for start in at] == [False, True, True, True, True]
    fd = os.open(path, os.O_RDONLY)
    try:
        assert [was_confirmed(fd, start + len(MARK), size) for start in at] == [True, True, True, False, False]
    finally:
        os.close(fd)


def test_marks_are_found_where_blocks_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    for before in range((1 << 20) - len(MARK) - 1, (1 << 20) + 2):
        path.write_bytes(bytes(before) + MARK + bytes(3) + MARK)
        fd = os.open(path, os.O_RDONLY)
        try:
            assert was_confirmed(fd, 0, path.stat().st_size)
            assert not was_confirmed(fd, before + 1, path.stat().st_size)
        finally:
            os.close(fd)


def test_a_sync_that_failed_is_the_last_that_confirms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fdatasync Linux takes the pages for clean: a later one that succeeds says nothing of them."""

    def refusing(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "a.xdf"
    with LogWriter.create(path, header()) as log:
        log.write(chunk(2, 0))
        with monkeypatch.context() as failing:
            failing.setattr(files, "_sync_data", refusing)
            with pytest.raises(files.WriteError, match="Input/output error"):
                log.sync()
        log.sync()
        log.write(chunk(3, 8))
    assert MARK not in path.read_bytes()
    assert scan(path).state.ordinal == 3


def test_a_new_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_create_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    true_fsync, true_link, true_write = os.fsync, os.link, os.write

    def fsync(fd: int) -> None:
        done.append("sync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        true_fsync(fd)

    def link(source: Path, target: Path) -> None:
        done.append("name")
        true_link(source, target)

    def write(fd: int, data: bytes) -> int:
        done.append("write")
        return true_write(fd, data)

    monkeypatch.setattr(writer.os, "fsync", fsync)
    monkeypatch.setattr(writer.os, "link", link)
    monkeypatch.setattr(files.os, "write", write)
    log = LogWriter.create(tmp_path / "a.xdf", header())
    monkeypatch.undo()
    log.close()
    assert done == ["write", "sync file", "name", "sync folder"]


def test_a_closed_recording_is_confirmed_to_its_end_and_closing_again_adds_little(tmp_path: Path) -> None:
    path, records = tmp_path / "a.xdf", small_log()
    with LogWriter.create(path, records[0]) as log:
        for record in records[1:]:
            log.write(record)
    raw = path.read_bytes()
    assert raw.endswith(2 * MARK)
    for _ in range(3):
        with LogWriter.resume(path) as log:
            assert log.last_ordinal == 11
    assert path.stat().st_size <= len(raw) + 6 * len(MARK)
    assert same_log(list(read_log(path)), records)
