"""Reading the ordered log from our own recordings, also while it is still being written."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from messaging.records import Header, Record
from recordings.damage import Damage, find_damage
from recordings.errors import DamagedError, RecordingError
from recordings.files import open_file
from recordings.layout import PREAMBLE_LIMIT_BYTES, LogState, has_checksums, parse_header, parse_record
from recordings.xdf import MalformedError

_BLOCK_BYTES = 1 << 20


class LogReader:
    """Follows a recording: whole records in their order, stopping where the last whole one ends.

    Memory stays at one block (1 MiB, or the largest record). Not thread-safe; any number of readers may follow one file.

    Parameters
    ----------
    path : Path
        An own recording.
    after_ordinal : int
        Ordinal of the last record already taken; 0 for none. Records up to it are passed over.
    offset : int or None
        Byte at which a record starts (`LogWriter.write` returned it, or a reader's `offset`); None to start at the header.
    pass_damage : bool
        Go on behind damaged records and note them in `damaged`; else they are an error.

    Raises
    ------
    RecordingError
        The file is missing, empty, not ours, has no whole header, or is shorter than ``offset``.
    """

    def __init__(self, path: Path | str, after_ordinal: int = 0, offset: int | None = None, *, pass_damage: bool = False) -> None:
        self.path = Path(path)
        self.damaged: list[Damage] = []
        """What was passed over because it is not as it was written, with whole records behind it."""
        self.damage: str | None = None
        """Why what follows `offset` is no record; None when the file ends there, or in the middle of a record."""
        self._after = after_ordinal
        self._pass_damage = pass_damage
        self._fd = open_file(self.path)
        try:
            self.header, first_offset, self._second_offset = _read_header(self._fd, self.path)
            self.offset = first_offset if offset is None else offset
            """Byte after the last record returned; the next one starts here."""
            self._n_channels, self._checksums = len(self.header.profile.channels), has_checksums(self.header)
            self._state = LogState()
            if self.offset != first_offset:
                self._state.advance(self.header)
                self._state.ordinal = None
            if self.offset > self.file_bytes:
                size = f"{self.file_bytes} bytes, a record is expected at byte {self.offset}"
                raise RecordingError(f"Recording {self.path} has {size}: it was cut since. Read it from the start.")
        except BaseException:
            self.close()
            raise

    @property
    def file_bytes(self) -> int:
        """Size of the file now."""
        return os.fstat(self._fd).st_size

    @property
    def state(self) -> LogState:
        """What is known of the log up to the last record returned."""
        return self._state

    @property
    def last_ordinal(self) -> int:
        """Ordinal of the last record returned or passed over."""
        return self._after if self._state.ordinal is None else self._state.ordinal

    @property
    def ended(self) -> bool:
        """The log's end was read: nothing more will come."""
        return self._state.ended

    def records(self) -> Iterator[Record]:
        """Yield the whole records that are there now, one at a time; a chunk's samples are read-only arrays of their own.

        Raises
        ------
        DamagedError
            A record that the disk held once is not as it was written, and `pass_damage` is off.
        RecordingError
            No record starts at the offset that was given, or records between are missing.
        """
        self.damage = None
        want = _BLOCK_BYTES
        while True:
            start, position = self.offset, 0
            block = memoryview(os.pread(self._fd, want, start))
            while (step := self._step(block, position)) is not None:
                record, position = step
                self.offset = start + position
                if record is not None and record.ordinal > self._after:
                    yield record
            if self.damage is not None or start + len(block) >= self.file_bytes:
                if not self._goes_on():
                    return
                want = _BLOCK_BYTES
            else:
                want = want if position or len(block) < want else 2 * want

    def _goes_on(self) -> bool:
        """Move behind damage in the middle; False where the log simply ends."""
        size = self.file_bytes
        if self.offset >= size:
            return False
        found = find_damage(self._fd, self._state, self.offset, size, self.damage or "a length that is not the record's")
        if found is None:
            return False
        if found.n_records and found.last_ordinal > self._after and not self._pass_damage:
            remedy = f"Put back a copy of the file that is whole; records up to {found.first_ordinal - 1} can be read as they are."
            raise DamagedError(f"Recording {self.path}: {found.sentence} {remedy}")
        self.damaged.append(found)
        self.offset, self._state.ordinal, self.damage = found.end, found.last_ordinal, None
        return True

    def read_new(self, limit: int | None = None) -> list[Record]:
        """Return the whole records since the last call, at most ``limit``."""
        return list(islice(self.records(), limit))

    def _step(self, block: memoryview, position: int) -> tuple[Record | None, int] | None:
        if self._state.header is None:
            self._state.advance(self.header)
            return self.header, self._second_offset - self.offset
        try:
            found = parse_record(block, position, self._n_channels, self._checksums)
            refusal = self._state.refusal(found[0]) if found and found[0] else None
            if refusal is not None:
                raise MalformedError(refusal)
        except MalformedError as error:
            if self._state.ordinal is None:
                raise RecordingError(f"No record of {self.path} starts at byte {self.offset}: {error}. Read it from the start.") from error
            self.damage = str(error)
            return None
        if found is None or found[0] is None:
            return found
        if self._state.ordinal is None and found[0].ordinal > self._after + 1:
            where = f"Record {found[0].ordinal} starts at byte {self.offset} of {self.path}"
            raise RecordingError(f"{where}; the ones after {self._after} lie before it. Read it from the start.")
        self._state.advance(found[0])
        return found

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()


def read_log(path: Path | str, after_ordinal: int = 0, offset: int | None = None) -> Iterator[Record]:
    """Yield the records of an own recording, bit for bit as they were written, up to its last whole one.

    Parameters
    ----------
    path : Path
        May still be written by the daemon; memory stays bounded for any length.
    after_ordinal : int
        Yield records with a higher ordinal only.
    offset : int or None
        Byte at which to start reading, see `LogReader`.

    Raises
    ------
    RecordingError
        See `LogReader`.
    """
    with LogReader(path, after_ordinal, offset) as reader:
        yield from reader.records()


def is_own(path: Path | str) -> bool:
    """Tell whether a file was written by `LogWriter` (of this or another version).

    Raises
    ------
    RecordingError
        The file is missing, a folder, or empty.
    """
    fd = open_file(Path(path))
    try:
        return parse_header(memoryview(os.pread(fd, PREAMBLE_LIMIT_BYTES, 0))) is not None
    except MalformedError:
        return True
    finally:
        os.close(fd)


def _read_header(fd: int, path: Path) -> tuple[Header, int, int]:
    """Return the header, and the bytes where its record and the one after it start."""
    try:
        found = parse_header(memoryview(os.pread(fd, PREAMBLE_LIMIT_BYTES, 0)))
    except MalformedError as error:
        size = os.fstat(fd).st_size
        raise RecordingError(f"Recording {path} ({size} bytes) cannot be opened: {error}. Put back a copy that is whole, or choose another file.") from error
    if found is None:
        raise RecordingError(f"{path} was not recorded by rlhb, so it has no ordered log. Play it with 'rlhb replay' to get one.")
    return found
