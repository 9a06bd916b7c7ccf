"""Errors of this room. The message holds the value, the limit and the remedy.

::

    RecordingError
    ├── LockedError    another process writes this file
    └── WriteError     the operating system refused a write; `errno` tells why
"""


class RecordingError(Exception):
    """A recording cannot be read, written or repaired."""


class LockedError(RecordingError):
    """Another process is writing this recording."""


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
