"""Recordings that cannot be EEG are refused before anything is learnt from them or labelled with them."""

import sys
from pathlib import Path

from acquisition.quality.recording import RecordingQuality, judge_recording
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import QualityLimits
from recordings.errors import RecordingError
from recordings.recording import Recording, read_recording

WARNINGS_SHOWN = 6


class QualityError(RecordingError):
    """A recording cannot be EEG of its channels; the message says why."""


def read_checked(path: Path, profile: HardwareProfile | None = None, accept: bool = False) -> Recording:
    """Read a recording and refuse it where it cannot be EEG; see `recordings.recording.read_recording` and `check_quality`."""
    recording = read_recording(path, profile)
    check_quality(recording, accept)
    return recording


def check_quality(recording: Recording, accept: bool = False) -> RecordingQuality:
    """Judge a recording; say on stderr what is noisy in it.

    Parameters
    ----------
    recording : Recording
        One of our own is judged by the limits and the mains of its own profile.
    accept : bool
        Say on stderr what would have been refused, and go on.

    Raises
    ------
    QualityError
        The recording cannot be EEG of its channels.
    """
    header = recording.header
    limits, mains_hz = (header.profile.quality, header.profile.mains_hz) if header else (QualityLimits(), 50)
    found = judge_recording(recording, limits, mains_hz)
    if found.refused and not accept:
        raise QualityError(
            f"Recording {recording.path} is refused: {' '.join(found.refused)} "
            "Record again, or leave these channels out; --accept-quality takes it all the same."
        )
    name = recording.path.name
    for sentence in found.refused:
        sys.stderr.write(f"{name}: accepted although: {sentence}\n")
    if found.warnings:
        more = len(found.warnings) - WARNINGS_SHOWN
        sys.stderr.write(f"{name} is noisy: {'; '.join(found.warnings[:WARNINGS_SHOWN])}{f'; and {more} more like these' if more > 0 else ''}.\n")
    return found
