"""Opening, locking and syncing files, with sentences instead of error numbers."""

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path

from recordings.errors import LockedError, RecordingError, RecordingFullError, WriteError

_sync_data = os.fdatasync if hasattr(os, "fdatasync") else os.fsync  # macOS has no fdatasync


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file that exists and is not empty; returns the file descriptor.

    Raises
    ------
    RecordingError
        The path is missing, a folder, empty or may not be opened.
    """
    try:
        # Without O_NONBLOCK opening a named pipe would wait for a writer, before its kind can be seen.
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise RecordingError(f"There is no recording {path}. Check the path.") from error
    except IsADirectoryError as error:
        raise RecordingError(f"{path} is a folder. Give the path of a recording inside.") from error
    except OSError as error:
        raise RecordingError(f"Recording {path} cannot be opened: {error.strerror}. Check the path and its permissions.") from error
    found = os.fstat(fd)
    if stat.S_ISDIR(found.st_mode):
        os.close(fd)
        raise RecordingError(f"{path} is a folder. Give the path of a recording inside.")
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise RecordingError(f"{path} is not a regular file. Give the path of a recording.")
    if found.st_size == 0:
        os.close(fd)
        raise RecordingError(f"Recording {path} is empty (0 bytes): nothing was ever recorded in it. Choose another file.")
    return fd


def lock(fd: int, path: Path) -> None:
    """Take the exclusive lock of a file; it lasts until the descriptor is closed.

    Raises
    ------
    LockedError
        Another process holds it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(f"Recording {path} is being written by another process. Stop that one, or record to another file.") from error
    except OSError as error:
        raise RecordingError(f"Recording {path} cannot be locked: {error.strerror}. Record to a local disk.") from error


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes at the descriptor's position, whatever part of them each call takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def sync_data(fd: int, path: Path) -> None:
    """Force what was written onto the disk.

    Raises
    ------
    WriteError
        The disk reports an error: what was written since the last call may be lost.
    """
    try:
        _sync_data(fd)
    except OSError as error:
        raise write_error(path, error) from error


def sync_folder(folder: Path) -> None:
    """Force a folder's entries onto the disk, so that a new file is still found after a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse to sync a folder; the file itself was synced before.
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_error(path: Path, error: OSError) -> WriteError:
    """Put the system's refusal into a sentence; the message says how much room is left on the disk."""
    try:
        room = os.statvfs(path.parent)
        free = f"{room.f_bavail * room.f_frsize / 1e6:.0f} MB free in {path.parent}"
    except OSError:
        free = f"{path.parent} does not answer"
    said = f"Recording {path} cannot be written: {error.strerror or error} ({free})."
    kind, remedy = (RecordingFullError, "Make room") if error.errno in _NO_ROOM else (WriteError, "Make room or check the disk")
    return kind(f"{said} {remedy}; the file ends with its last whole record.", error.errno)
