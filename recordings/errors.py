"""Errors of this room. The message holds the value, the limit and the remedy.

::

    RecordingError
    ├── LockedError    another process writes this file
    ├── DamagedError   a record in the middle is not as it was written
    └── WriteError     the operating system refused a write; `errno` tells why
        └── RecordingFullError  there is no room; the same record may be written again
"""


class RecordingError(Exception):
    """A recording cannot be read, written or repaired."""


class LockedError(RecordingError):
    """Another process is writing this recording."""


class DamagedError(RecordingError):
    """A record that was on the disk is not as it was written, while records behind it are whole."""


class WriteError(RecordingError):
    """The operating system refused to write; the file ends with the last whole record.

    Parameters
    ----------
    message : str
        What happened and what to do.
    errno : int or None
        Number of the operating system's error, e.g. ``errno.ENOSPC`` when the disk is full.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class RecordingFullError(WriteError):
    """There is no room for the record: disk full, quota or size limit reached. The file ends with the last whole record."""
