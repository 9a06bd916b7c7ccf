"""Showing a session: the next trial, and what the page reports of it, turned into events for the ordered log."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.identity import event_id
from messaging.lab import LabEvent, ServerTime
from messaging.pages import Onsets, RatingGiven, ShownUnit, SubjectRating, SubjectResponse, Trial
from messaging.records import ClockFit
from messaging.words import EventType, OnsetSource
from server.errors import BadRequest
from server.labels.ratings import append_rating
from server.sessions import outbox
from server.sessions.calibrating import course_of
from server.sessions.store import note
from server.tables import trials


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of onsets."""

    session_id: str | None
    """None: the presentation is not known here (another database)."""
    n_new: int = 0
    over: bool = False
    """The presentation has ended or was broken off."""
    rows: tuple[dict[str, Any], ...] = ()
    """Rows that the batch brought into the label log: a rating's."""


async def running_trial(connection: AsyncConnection, session_id: str) -> dict[str, Any] | None:
    """Find the trial that is being shown, if any."""
    row = (await connection.execute(sa.select(trials).where(trials.c.session_id == session_id, trials.c.state == "running"))).mappings().first()
    return None if row is None else dict(row)


async def begin_next_trial(connection: AsyncConnection, session: dict[str, Any], page_life: str) -> Trial | None:
    """Begin the next trial that was not shown, of the calibration while that is under way; None when there is none left.

    Notes
    -----
    `page_life` tells later whether the page that shows it is still the same one.
    """
    session_id = session["session_id"]
    query = sa.select(trials).where(trials.c.session_id == session_id, trials.c.state == "pending", _of_phase(session)).order_by(trials.c.trial).limit(1)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        return None
    trial = Trial.model_validate(row["plan"])
    await _set(connection, trial.presentation, state="running", page_life=page_life)
    await outbox.put(connection, [_of_trial(EventType.TRIAL_START, session_id, trial, n_units=len(trial.units))])
    return trial


def _of_phase(session: dict[str, Any]) -> sa.ColumnElement[bool]:
    """Trials that belong to what a session is at: its calibration, or its texts."""
    course = course_of(session)
    if course is None:
        return sa.true()
    ranges = [sa.and_(trials.c.trial >= first, trials.c.trial < first + n) for first, n in course.rounds]
    return ranges[-1] if course.active else sa.not_(sa.or_(*ranges))


async def break_off(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Break the running presentation off: its page is gone or shows it no more."""
    trial = Trial.model_validate(row["plan"])
    await _set(connection, trial.presentation, state="aborted")
    await outbox.put(connection, [_of_trial(EventType.TRIAL_ABORTED, row["session_id"], trial, n_units=row["shown"])])


async def _set(connection: AsyncConnection, presentation: str, **values: Any) -> None:
    await connection.execute(sa.update(trials).where(trials.c.presentation == presentation).values(values))


async def take_onsets(connection: AsyncConnection, onsets: Onsets) -> Taken:
    """Put what the page reports into the outbox; the same batch again changes nothing.

    Raises
    ------
    BadRequest
        The batch names a unit that the trial does not have.
    """
    row = (await connection.execute(sa.select(trials).where(trials.c.presentation == onsets.presentation).with_for_update())).mappings().first()
    if row is None:
        return Taken(None)
    trial = Trial.model_validate(row["plan"])
    session_id = row["session_id"]
    n_new = await outbox.put(connection, _units(session_id, trial, onsets.units, onsets.page_to_server))
    shown = row["shown"] + n_new
    state = row["state"]
    if onsets.aborted and state in ("pending", "running"):
        state = "aborted"
        await outbox.put(connection, [_of_trial(EventType.TRIAL_ABORTED, session_id, trial, n_units=shown)])
    elif onsets.trial_ended and state in ("pending", "running"):
        state = "done"
        await outbox.put(connection, [_of_trial(EventType.TRIAL_END, session_id, trial, n_units=shown)])
    await _set(connection, trial.presentation, state=state, shown=shown)
    rows = [] if onsets.rating is None else await take_rating(connection, session_id, trial, onsets.rating, n_units=shown)
    return Taken(session_id, n_new, state in ("aborted", "done"), tuple(rows))


async def take_rating(connection: AsyncConnection, session_id: str, trial: Trial, rating: RatingGiven, *, n_units: int) -> list[dict[str, Any]]:
    """Put a rating into the outbox and the label log; a second one for the same showing changes nothing.

    Returns
    -------
    list of dict
        The new row of the label log, if there is one.
    """
    event = _of_trial(EventType.RATING, session_id, trial, n_units=n_units).model_copy(update={"value": rating.value, "text": rating.scale.value})
    if not await outbox.put(connection, [event]):
        return []
    await note(connection, session_id, "rating", f"{rating.value:g} on the scale {rating.scale}, text {trial.trial + 1}", "subject")
    return await append_rating(connection, session_id, trial, rating)


def _units(session_id: str, trial: Trial, shown: Iterable[ShownUnit], fit: ClockFit) -> list[LabEvent]:
    by_index = {u.index: u for u in trial.units}
    events = []
    for report in shown:
        unit = by_index.get(report.index)
        if unit is None:
            raise BadRequest(f"Trial {trial.trial} has no unit {report.index}.", "Reload the page.")
        offset_s = None if report.offset_page_ms is None else on_server_clock(report.offset_page_ms, fit)
        time = ServerTime(
            onset_server_s=on_server_clock(report.onset_page_ms, fit),
            offset_server_s=offset_s,
            onset_sd_ms=fit.sd_ms,
            onset_source=OnsetSource.FRAME,
            page_ms=report.onset_page_ms,
            page_to_server=fit,
            frames_missed=report.frames_missed,
        )
        events.append(
            LabEvent(
                event_id=event_id(session_id, trial.presentation, EventType.UNIT, report.index),
                type=EventType.UNIT,
                session_id=session_id,
                time=time,
                block=trial.block,
                trial=trial.trial,
                presentation=trial.presentation,
                repeat=trial.repeat,
                unit=unit.shown(),
            )
        )
    return events


def on_server_clock(page_ms: float, fit: ClockFit) -> float:
    """Seconds on the server's clock: page_ms / 1000 + offset."""
    return page_ms / 1000.0 + fit.offset_s


def _of_trial(kind: EventType, session_id: str, trial: Trial, *, n_units: int) -> LabEvent:
    return LabEvent(
        event_id=event_id(session_id, trial.presentation, kind),
        type=kind,
        session_id=session_id,
        block=trial.block,
        trial=trial.trial,
        presentation=trial.presentation,
        repeat=trial.repeat,
        n_units=n_units,
    )


async def take_answer(connection: AsyncConnection, session_id: str, answer: SubjectResponse | SubjectRating, fit: ClockFit | None) -> None:
    """Put a key press or a rating into the outbox; what belongs to another session is left out."""
    query = sa.select(trials).where(trials.c.presentation == answer.presentation, trials.c.session_id == session_id)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        return
    trial = Trial.model_validate(row["plan"])
    if isinstance(answer, SubjectRating):
        event = _of_trial(EventType.RATING, session_id, trial, n_units=row["shown"]).model_copy(update={"value": answer.value, "text": answer.scale})
    else:
        time = None
        if fit is not None:
            time = ServerTime(
                onset_server_s=on_server_clock(answer.page_ms, fit),
                onset_sd_ms=fit.sd_ms,
                onset_source=OnsetSource.FRAME,
                page_ms=answer.page_ms,
                page_to_server=fit,
            )
        event = _of_trial(EventType.RESPONSE, session_id, trial, n_units=row["shown"]).model_copy(
            update={
                "event_id": event_id(session_id, trial.presentation, EventType.RESPONSE, f"{answer.key}@{answer.page_ms}"),
                "text": answer.key,
                "time": time,
            }
        )
    new = await outbox.put(connection, [event])
    if new and isinstance(answer, SubjectRating):
        await note(connection, session_id, "rating", f"{answer.value:g} on the scale {answer.scale}, text {trial.trial + 1}", "subject")


async def count_trials(connection: AsyncConnection, session_id: str) -> tuple[int, int]:
    """How many trials a session has, and how many of them are behind it."""
    over = sa.func.coalesce(sa.func.sum(sa.case((trials.c.state.in_(["done", "aborted"]), 1), else_=0)), 0)
    n_trials, done = (await connection.execute(sa.select(sa.func.count(), over).where(trials.c.session_id == session_id))).one()
    return int(n_trials), int(done)
