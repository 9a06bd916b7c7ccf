"""Which description in a replayed recording is what: the MARKERS map of `rlhb replay`."""

import tomllib
from enum import StrEnum
from pathlib import Path

from acquisition.board import AcquisitionError
from recordings.recording import Recording


class MarkerError(AcquisitionError):
    """The map of markers is missing or wrong."""


class MarkerUse(StrEnum):
    """What becomes of an annotation."""

    UNIT = "unit"
    """An onset that is decoded."""
    ANNOTATION = "annotation"
    """Written to the log, not decoded."""
    IGNORE = "ignore"


def read_marker_map(path: Path) -> dict[str, MarkerUse]:
    """Read a TOML file of ``"description" = "unit" | "annotation" | "ignore"``.

    Raises
    ------
    MarkerError
        The file cannot be read, is no TOML, or holds another word.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MarkerError(f"Marker map {path} cannot be read: {error.strerror or error}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MarkerError(f"Marker map {path} is not valid TOML: {error}. Correct the file.") from error
    words = ", ".join(use.value for use in MarkerUse)
    found = {}
    for description, use in fields.items():
        if use not in set(MarkerUse):
            raise MarkerError(f'Marker map {path}: "{description}" = {use!r} is not one of {words}. Correct the line.')
        found[description] = MarkerUse(use)
    return found


def use_of(description: str, markers: dict[str, MarkerUse] | None) -> MarkerUse:
    """Return what becomes of an annotation; without a map every annotation is a unit, with one the unnamed are only noted."""
    if description.upper().startswith(("BAD", "EDGE")) or description.lower() == "boundary":
        return MarkerUse.ANNOTATION
    if markers is None:
        return MarkerUse.UNIT
    return markers.get(description, MarkerUse.ANNOTATION)


def check_markers(markers: dict[str, MarkerUse], recording: Recording) -> None:
    """Refuse a map that names a description which the recording does not have: a misspelt line would lose all its labels.

    Raises
    ------
    MarkerError
        The message lists the descriptions that there are.
    """
    there = sorted({event.description for event in recording.events})
    missing = [description for description in markers if description not in there]
    if missing:
        listing = ", ".join(f"'{d}'" for d in there[:20]) or "none at all"
        raise MarkerError(f"The marker map names '{missing[0]}', which recording {recording.path} does not have. Its events: {listing}. Correct the line.")
