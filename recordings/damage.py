"""A place in a recording where no record can be read: where the power went, or something whole that changed later.

The writer puts a mark into the file after each time the disk has confirmed. A mark says that the disk holds everything before the
mark before it. So what has two marks behind it was there once, and is damaged; what has not was never confirmed, and is the end.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from messaging.records import Record
from recordings.layout import EEG_STREAM, LOG_STREAM, MARK, LogState, parse_record
from recordings.xdf import MAX_CONTENT_BYTES, MalformedError

_BLOCK_BYTES = 1 << 20
_LONGEST_BYTES = MAX_CONTENT_BYTES + 1024
"""A record with its row of the index."""
_CONFIRMING_MARKS = 2
_START = re.compile(rb"\x03\x00[" + bytes((EEG_STREAM, LOG_STREAM)) + rb"]\x00\x00\x00")
"""Tag and stream of the chunks that begin a record; the chunk's length stands before, in two, five or nine bytes."""
_LENGTH_WIDTHS = (2, 5, 9)


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a recording that cannot be read, although the disk had it once."""

    first_ordinal: int
    last_ordinal: int
    """Ordinals that are missing; `last_ordinal` is one less than `first_ordinal` where none is. At the end, the least there can be."""
    start: int
    end: int
    """Bytes of the file: the first one of the stretch, and where the next whole record starts, or the file ends."""
    why: str
    at_end: bool = False
    """No whole record follows."""

    @property
    def n_records(self) -> int:
        """How many records are missing."""
        return self.last_ordinal - self.first_ordinal + 1

    @property
    def sentence(self) -> str:
        """What is damaged and what follows from it."""
        where = f"bytes {self.start} to {self.end}: {self.why}"
        if not self.n_records:
            return f"No record is missing, but between records {self.last_ordinal} and {self.last_ordinal + 1} stands something else ({where})."
        which = f"Record {self.first_ordinal} is" if self.n_records == 1 else f"Records {self.first_ordinal} to {self.last_ordinal} are"
        return f"{which} damaged ({where}); {'no whole record follows' if self.at_end else 'what follows is whole'}."


def was_confirmed(fd: int, start: int, end: int) -> bool:
    """Tell whether the disk had confirmed what stood at byte `start`; `end` is the size of the file."""
    marks, rest = 0, b""
    for at in range(start, end, _BLOCK_BYTES):
        block = rest + os.pread(fd, min(_BLOCK_BYTES, end - at), at)
        marks += block.count(MARK)
        if marks >= _CONFIRMING_MARKS:
            return True
        cut = block.rfind(MARK) + len(MARK) if MARK in block else 0
        rest = block[max(cut, len(block) - len(MARK) + 1) :]
    return False


def find_damage(fd: int, state: LogState, start: int, end: int, why: str) -> Damage | None:
    """Find the next whole record behind a place where none can be read.

    Parameters
    ----------
    fd : int
    state : LogState
        Of the log up to the last record before the place.
    start, end : int
        The place, and the size of the file.
    why : str
        Why no record can be read there.

    Returns
    -------
    Damage or None
        None when the disk had not confirmed the place, or the log carries no checksums to tell a record by.
    """
    if not state.checksums or state.ordinal is None or not was_confirmed(fd, start, end):
        return None
    anywhere = replace(state, ordinal=None)
    for at, record in _whole_records(fd, state.n_channels, start, end):
        if record.ordinal > state.ordinal and anywhere.refusal(record) is None:
            return Damage(state.ordinal + 1, record.ordinal - 1, start, at, why)
    return Damage(state.ordinal + 1, state.ordinal + 1, start, end, why, at_end=True)


def _whole_records(fd: int, n_channels: int, start: int, end: int) -> Iterator[tuple[int, Record]]:
    """Yield every record with its checksum right, and the byte where it starts, whatever stands between."""
    overlap = max(_LENGTH_WIDTHS) + 6
    for at in range(start, end, _BLOCK_BYTES):
        block = os.pread(fd, _BLOCK_BYTES + overlap, at)
        for hit in _START.finditer(block):
            for width in _LENGTH_WIDTHS:
                candidate = at + hit.start() - width
                if candidate < start or hit.start() < width or block[hit.start() - width] != width - 1:
                    continue
                record = _record_at(fd, n_channels, candidate)
                if record is not None:
                    yield candidate, record


def _record_at(fd: int, n_channels: int, at: int) -> Record | None:
    for want in (_BLOCK_BYTES // 8, _LONGEST_BYTES):
        block = os.pread(fd, want, at)
        try:
            found = parse_record(memoryview(block), 0, n_channels, checksums=True)
        except MalformedError:
            return None
        if found is not None:
            return found[0]
        if len(block) < want:
            return None
    return None
