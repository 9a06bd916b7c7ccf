"""Calibrating inside a session: which of its trials calibrate, into which recording they go, and what came of it.

The calibration has recordings of its own, which end before the decoder is fitted: so a decoder's training recordings are whole files, named by
what is in them, and no label of the annotation lies in one (`in_training`). What is known stands in the session's ``parameters``.
"""

import re
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.rewards import CalibrationResult, CalibrationWish
from server import clock
from server.database import insert_new
from server.sessions.protocols import Protocol, Shows
from server.sessions.states import RecordingState, SessionState
from server.tables import recordings, sessions

KEY = "calibration"


class CalibrationCourse(BaseModel):
    """How far a session's calibration has come."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    protocol: str
    """Name of the protocol that calibrates."""
    trials_per_block: int
    item_set: str
    shows: Shows = Shows()
    n_trials: int | None = None
    """Trials of a round; None: every response once."""
    rounds: tuple[tuple[int, int], ...]
    """First trial and number of trials of each time that it was (or is) calibrated."""
    n_recordings: int = 1
    """Recordings of the session so far, the present one included."""
    active: bool = True
    """The last round is being shown or judged; false: the session goes on to its texts."""
    waits: bool = False
    """The next recording begins when the present one has ended."""
    result: CalibrationResult | None = None
    """What came of the last round."""

    @classmethod
    def of(cls, kind: Protocol, item_set: str, rounds: tuple[tuple[int, int], ...]) -> "CalibrationCourse":
        """Begin the course of a protocol that calibrates."""
        return cls(protocol=kind.name, trials_per_block=kind.trials_per_block, item_set=item_set, shows=kind.shows, n_trials=kind.n_trials, rounds=rounds)

    def is_calibrating(self, trial: int) -> bool:
        """Whether a trial belongs to a calibration."""
        return any(first <= trial < first + n for first, n in self.rounds)


def course_of(row: dict[str, Any]) -> CalibrationCourse | None:
    """Read how far the calibration of a session has come; None for one without."""
    found = (row["parameters"] or {}).get(KEY)
    return None if found is None else CalibrationCourse.model_validate(found)


def calibrates(row: dict[str, Any]) -> bool:
    """Whether a session's calibration is under way."""
    course = course_of(row)
    return course is not None and course.active


async def keep(connection: AsyncConnection, row: dict[str, Any], course: CalibrationCourse, **columns: Any) -> None:
    """Write the course down, with other columns of the session."""
    parameters = row["parameters"] | {KEY: course.model_dump(mode="json")}
    await connection.execute(sa.update(sessions).where(sessions.c.session_id == row["session_id"]).values(parameters=parameters, **columns))


async def next_recording(connection: AsyncConnection, row: dict[str, Any], course: CalibrationCourse) -> None:
    """Let the session's next recording begin: at once, or when the present one has ended."""
    if row["recording"] in (RecordingState.WANTED, RecordingState.STOPPING):
        await keep(connection, row, course.model_copy(update={"waits": True}))
        return
    if row["recording"] == RecordingState.NONE:  # the one it was made with
        await keep(connection, row, course, recording=RecordingState.WANTED.value)
        return
    course = course.model_copy(update={"waits": False, "n_recordings": course.n_recordings + 1})
    recording_id = f"{row['session_id']}-{course.n_recordings}"
    await insert_new(connection, recordings, [{"recording_id": recording_id, "session_id": row["session_id"], "epoch": 0, "created_at": clock.utc_now()}])
    await keep(connection, row, course, recording_id=recording_id, recording=RecordingState.WANTED.value)


def recording_ends(row: dict[str, Any]) -> bool:
    """Whether the present recording of a session is to end, though the session goes on."""
    course = course_of(row)
    return row["state"] == SessionState.VALIDATING or (course is not None and course.waits)


def decoder_name(subject: str, task: str) -> str:
    """Name of a subject's decoder in the registry: small letters, digits, - and _."""
    return re.sub(r"[^a-z0-9_-]+", "-", f"{subject}-{task}".lower()).strip("-_")[:64] or "calibrated"


def wish_of(row: dict[str, Any], recording_id: str) -> CalibrationWish | None:
    """Say what a worker is to fit when this recording ends; None when it is no calibration under way."""
    course = course_of(row)
    under_way = row["state"] in (SessionState.CALIBRATING, SessionState.PAUSED, SessionState.VALIDATING)
    if course is None or not course.active or course.result is not None or not under_way or row["recording_id"] != recording_id:
        return None
    return CalibrationWish(recording_id=recording_id, item_set=course.item_set, name=decoder_name(row["subject"], row["task"]))


def protocol_name(row: dict[str, Any]) -> str:
    """Name of the protocol that a session shows now."""
    course = course_of(row)
    return course.protocol if course is not None and course.active else str(row["protocol"])
