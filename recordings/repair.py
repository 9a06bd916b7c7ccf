"""What a crash leaves behind: find the end of the last whole record, cut the file there.

Only the end is ever cut: what was damaged in the middle (`recordings.damage`) stays as it is and is named.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from messaging.records import Event
from recordings.damage import Damage
from recordings.errors import RecordingError
from recordings.files import lock, open_file, sync_data, sync_folder, write_all
from recordings.layout import LogState
from recordings.log import LogReader

_logger = logging.getLogger(__name__)
_UNSUSPICIOUS_BYTES = 1 << 20
"""A cut record is far smaller; if more than this must go, it is kept beside the recording."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Where the log of a file ends, and what it holds up to there."""

    state: LogState
    end_offset: int
    """Byte after the last whole record."""
    file_bytes: int
    event_ids: frozenset[str]
    """Identities of the events that are recorded."""
    damage: str | None
    """Why the bytes after `end_offset` are no record; None when there are none, or a record that was cut short."""
    damaged: tuple[Damage, ...]
    """Records before `end_offset` that are not as they were written."""


def scan(path: Path | str) -> Scan:
    """Read a recording to its last whole record. The file is not changed.

    Raises
    ------
    RecordingError
        The file is missing, not ours or has no whole header.
    """
    with LogReader(path, pass_damage=True) as reader:
        event_ids = frozenset(record.event_id for record in reader.records() if isinstance(record, Event))
        return Scan(reader.state, reader.offset, reader.file_bytes, event_ids, reader.damage, tuple(reader.damaged))


def repair(path: Path | str) -> Scan:
    """Cut a recording after its last whole record; harmless on a sound one.

    Bytes that look like more than one record cut short (damage that is not zeros, or over 1 MiB) are first saved as
    ``NAME.cut-at-OFFSET`` beside the recording.

    Returns
    -------
    Scan
        What was found before cutting; ``file_bytes - end_offset`` bytes were removed.

    Raises
    ------
    LockedError
        The daemon is writing the file.
    RecordingError
        The file is missing, not ours, has no whole header, or cannot be changed.
    """
    path = Path(path)
    fd = open_file(path, os.O_RDWR)
    try:
        lock(fd, path)
        return repair_locked(fd, path)
    finally:
        os.close(fd)


def repair_locked(fd: int, path: Path) -> Scan:
    """Do what `repair` does on a descriptor that is open for writing and holds the lock."""
    found = scan(path)
    for damage in found.damaged:
        _logger.error("Recording %s: %s It is left as it is; put back a copy of the file that is whole.", path, damage.sentence)
    surplus = found.file_bytes - found.end_offset
    if not surplus:
        return found
    try:
        if surplus > _UNSUSPICIOUS_BYTES or found.damage is not None:
            _keep(fd, path, found.end_offset, found.file_bytes)
        os.ftruncate(fd, found.end_offset)
        sync_data(fd, path)
    except OSError as error:
        raise RecordingError(f"Recording {path} cannot be repaired: {error.strerror or error}. Make room or check the permissions of its folder.") from error
    _logger.warning(
        "Recording %s: %d bytes after record %s were no whole record (%s) and were cut off.", path, surplus, found.state.ordinal, found.damage or "cut short"
    )
    return found


def _keep(fd: int, path: Path, start: int, end: int) -> None:
    """Save the bytes from start to end beside the recording, unless they are all zeros."""
    blocks = range(start, end, _UNSUSPICIOUS_BYTES)
    if not any(os.pread(fd, min(_UNSUSPICIOUS_BYTES, end - at), at).strip(b"\0") for at in blocks):
        return
    aside = path.with_name(f"{path.name}.cut-at-{start}")
    out = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for at in blocks:
            write_all(out, os.pread(fd, min(_UNSUSPICIOUS_BYTES, end - at), at))
        os.fsync(out)
    finally:
        os.close(out)
    sync_folder(path.parent)
    _logger.warning("Recording %s: the bytes that are cut off are kept in %s.", path, aside)
