"""The recording of a session, written record by record: what `LogWriter.write` returned from survives a crash of the daemon."""

import errno
import logging
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from messaging.records import Event, Header, Record
from recordings.errors import DamagedError, RecordingError, WriteError
from recordings.files import lock, open_file, sync_data, sync_folder, write_all, write_error
from recordings.layout import MARK, PREAMBLE_LIMIT_BYTES, LogState, encode, encode_header, recordable
from recordings.repair import repair_locked
from recordings.xdf import MAX_CONTENT_BYTES

_logger = logging.getLogger(__name__)


class LogWriter:
    """Appends records to one recording and holds its exclusive lock; made by `create` or `resume`.

    One unbuffered write per record: a crash of the process loses nothing that `write` returned from, a power cut nothing that
    `sync` returned from. Not thread-safe, but one `sync` may run in a thread while another writes.
    """

    def __init__(self, path: Path, fd: int, state: LogState, offset: int, event_ids: set[str]) -> None:
        self.path = path
        self._fd = fd
        self._state = state
        self._offset = offset
        self._event_ids = event_ids
        self._broken = False
        self._marked_offset = 0
        """Byte after the newest mark."""
        self._mark_due = False
        self._confirms = True
        """Whether a sync still says anything: after one that failed, Linux forgets what it could not write."""

    @classmethod
    def create(cls, path: Path | str, header: Header) -> Self:
        """Start a recording with its header, the log's first record.

        The file gets its name only when the header is whole and on the disk, so a crash leaves either no recording or a valid one.

        Parameters
        ----------
        path : Path
            Must not exist; its folder must.
        header : Header
            Its profile lists channels and rate.

        Raises
        ------
        RecordingError
            The file exists, the folder does not, or the profile is not complete.
        WriteError
            The disk is full or refuses.
        """
        path = Path(path)
        state = LogState()
        raw = encode_header(recordable(header))
        if len(raw) > PREAMBLE_LIMIT_BYTES:
            raise RecordingError(
                f"The header of {path} takes {len(raw)} bytes, the limit is {PREAMBLE_LIMIT_BYTES}. Shorten the profile's texts or the versions."
            )
        if not path.parent.is_dir():
            raise RecordingError(f"There is no folder {path.parent} for the recording {path.name}. Create it.")
        fd = _create_whole(path, raw)
        state.advance(header)
        return cls(path, fd, state, len(raw), set())

    @classmethod
    def resume(cls, path: Path | str) -> Self:
        """Go on with a recording after a crash: cut it after its last whole record and append from there.

        Raises
        ------
        LockedError
            Another process writes it.
        RecordingError
            The file is missing, not ours, has no whole header, or its log has ended.
        DamagedError
            Records in its middle are not as they were written.
        """
        path = Path(path)
        fd = open_file(path, os.O_RDWR | os.O_APPEND)
        try:
            lock(fd, path)
            found = repair_locked(fd, path)
            if found.damaged:
                remedy = "It cannot be gone on with: put back a copy that is whole, or record to a new file."
                raise DamagedError(f"Recording {path}: {found.damaged[0].sentence} {remedy}")
            if found.state.ended:
                raise RecordingError(f"Recording {path} has ended with record {found.state.ordinal}. Record to a new file.")
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd, found.state, found.end_offset, set(found.event_ids))

    @property
    def header(self) -> Header:
        """The log's first record."""
        if self._state.header is None:  # pragma: no cover - create and resume set it
            raise RecordingError(f"Recording {self.path} has no header.")
        return self._state.header

    @property
    def last_ordinal(self) -> int:
        """Ordinal of the last record in the file; the next one has one more."""
        return self._state.ordinal or 0

    @property
    def end_index(self) -> int:
        """Number of the sample after the last recorded one; 0 before the first chunk."""
        return self._state.end_index

    @property
    def end_lsl_s(self) -> float:
        """Time of sample `end_index` at the nominal rate; the header's start before the first chunk."""
        return self._state.time_lsl_s

    @property
    def event_ids(self) -> frozenset[str]:
        """Identities of all recorded events; `has_event` asks for one without copying."""
        return frozenset(self._event_ids)

    @property
    def size_bytes(self) -> int:
        """Size of the file: where the next record will start."""
        return self._offset

    def has_event(self, event_id: str) -> bool:
        """Tell whether an event is recorded, so that one sent again is not recorded twice."""
        return event_id in self._event_ids

    def write(self, record: Record) -> int:
        """Append one record.

        Parameters
        ----------
        record : Chunk, Event or End
            The log's next: ordinal one higher, samples not before the end of the last chunk, float32 of the profile's channels.

        Returns
        -------
        int
            Byte at which the record starts; `read_log` takes it as ``offset``.

        Raises
        ------
        RecordingError
            The record cannot come next, or the writer is closed; nothing was written.
        RecordingFullError
            There is no room. The file was cut back to the record before; the same record may be written again, as often as one likes.
        WriteError
            The system refused for another reason; also then the file ends with the record before.
        """
        if self._fd < 0 or self._broken:
            raise RecordingError(f"Recording {self.path} is {'damaged at its end' if self._broken else 'closed'}. Open it with LogWriter.resume.")
        refusal = self._state.refusal(record)
        raw = b"" if refusal else encode(record, self._state.stamp_lsl_s(record), self._state.checksums)
        if len(raw) > MAX_CONTENT_BYTES:
            refusal = f"record {record.ordinal} takes {len(raw)} bytes; the limit is {MAX_CONTENT_BYTES}"
        if refusal:
            raise RecordingError(f"Recording {self.path} does not take this record: {refusal}.")
        start, mark = self._offset, MARK if self._mark_due else b""
        try:
            write_all(self._fd, mark + raw)
        except OSError as error:
            self._cut_back()
            raise write_error(self.path, error) from error
        except BaseException:  # a signal between two parts of a record
            self._cut_back()
            raise
        self._offset += len(mark) + len(raw)
        if mark:
            self._mark_due, self._marked_offset = False, start + len(mark)
        self._state.advance(record)
        if isinstance(record, Event):
            self._event_ids.add(record.event_id)
        return start

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._fd, self._offset)
        except OSError:
            self._broken = True
            _logger.exception("Recording %s: a record cut short could not be removed; resume will.", self.path)

    def sync(self) -> None:
        """Force everything written so far onto the disk (the daemon does it every second), and mark it so with the next record.

        Raises
        ------
        WriteError
            The disk reports an error: what was written since the last sync may be lost with the power.
        """
        if self._fd < 0:
            return
        try:
            sync_data(self._fd, self.path)
        except WriteError:
            self._confirms = False
            raise
        # The next record brings the mark. What stands before the mark before it was written before this sync began: the disk holds it.
        self._mark_due = self._mark_due or (self._confirms and self._state.checksums)

    def close(self) -> None:
        """Sync, mark everything as held by the disk, close and give up the lock; harmless when closed."""
        if self._fd < 0:
            return
        try:
            self.sync()
            if self._mark_due and not self._broken and self._marked_offset < self._offset:
                self._write_closing_marks()
        finally:
            os.close(self._fd)
            self._fd = -1

    def _write_closing_marks(self) -> None:
        """A file that is full to the last byte goes without them."""
        try:
            write_all(self._fd, 2 * MARK)
        except OSError:
            self._cut_back()
        else:
            self._offset += 2 * len(MARK)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the recording."""
        self.close()


def _create_whole(path: Path, raw: bytes) -> int:
    """Write a new file under another name, then give it its own; returns the locked descriptor, open for appending."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        fd = os.open(partial, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        lock(fd, path)
        write_all(fd, raw)
        os.fsync(fd)
        _give_name(partial, path)
        sync_folder(path.parent)
    except BaseException as error:
        os.close(fd)
        partial.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise RecordingError(f"Recording {path} exists already. Resume it, or record to another file.") from error
        if isinstance(error, OSError) and not isinstance(error, WriteError):
            raise write_error(path, error) from error
        raise
    return fd


def _give_name(partial: Path, path: Path) -> None:
    try:
        os.link(partial, path)  # unlike a rename, it never replaces a file
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # exFAT and some network disks have no hard links; another daemon would have to take the name between these two lines.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        partial.rename(path)
    else:
        partial.unlink()
