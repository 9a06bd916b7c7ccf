"""What an operator may do with a session; every command is one transaction: state, event of the log, new label rows."""

import asyncio
from collections import Counter
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.identity import event_id
from messaging.lab import LabEvent
from messaging.records import DecoderRef
from messaging.words import EventType
from server import clock
from server.audit import audit
from server.errors import BadRequest, Conflict
from server.labels.holds import set_operator_hold
from server.service import Service
from server.sessions import outbox
from server.sessions.calibrating import course_of, keep, next_recording
from server.sessions.making import plan_again
from server.sessions.signal_check import critical_findings, decoder_channels, start_text
from server.sessions.states import COMMANDS, LIVE, RecordingState
from server.sessions.store import move, note, session_row, set_recording
from server.subjects.consent import check_still_given, consents_of, may_train, no_training
from server.tables import sessions

Command = Literal["start", "pause", "resume", "finish", "abort", "calibrate", "accept", "hold", "release", "comment"]

_EVENT_OF = {
    "start": EventType.SESSION_START,
    "pause": EventType.PAUSE,
    "resume": EventType.RESUME,
    "calibrate": EventType.COMMENT,
    "accept": EventType.COMMENT,
    "validate": EventType.COMMENT,
    "finish": EventType.SESSION_END,
    "abort": EventType.SESSION_END,
    "hold": EventType.HOLD,
    "release": EventType.RELEASE,
    "comment": EventType.COMMENT,
}


async def command_session(service: Service, session_id: str, command: Command, text: str, who: str) -> None:
    """Carry a command out and tell everybody whom it concerns.

    Raises
    ------
    NotFound
        There is no such session.
    Conflict
        The command does not fit the state.
    BadRequest
        A comment without text.
    """
    if command in ("start", "calibrate"):
        text = await checked_start(service, await _decoder_of(service, session_id), text)
    async with service.database.write() as connection:
        if command in ("start", "calibrate", "resume"):
            await check_still_given(connection, await session_row(connection, session_id), required=service.settings.require_consent)
        rows = await apply_command(connection, session_id, command, text, who)
        if command in ("hold", "release", "accept"):
            await audit(connection, who, command, session_id, text)
    count_rows(service, rows)
    service.switchboard.outbox_grew.ring()
    service.switchboard.changed.ring()
    await service.switchboard.tell_rows(rows)


async def checked_start(service: Service, decoder: DecoderRef | None, reason: str) -> str:
    """Look at the signal before a session starts; returns the text that goes into the journal.

    Raises
    ------
    Conflict
        A channel that is needed carries no signal, and no reason was given for starting all the same.
    """
    link = service.switchboard.lab
    if link is None or link.own_session is not None:
        return reason
    folder = service.settings.decoders_dir
    needed = await asyncio.to_thread(decoder_channels, folder, decoder.name, decoder.version) if decoder else None
    return start_text(critical_findings(link.quality, clock.server_time_s() - link.quality_at_s, needed), reason)


async def _decoder_of(service: Service, session_id: str) -> DecoderRef | None:
    async with service.database.read() as connection:
        row = await session_row(connection, session_id)
    return DecoderRef(name=row["decoder_name"], version=row["decoder_version"]) if row["decoder_name"] else None


async def apply_command(connection: AsyncConnection, session_id: str, command: Command | Literal["validate"], text: str, who: str) -> list[dict[str, Any]]:
    """Carry a command out inside a transaction; returns the label rows that it made."""
    session = await session_row(connection, session_id)
    if command == "comment" and not text.strip():
        raise BadRequest("The comment is empty.", "Write something.")
    if command == "calibrate" and session["self_run"]:
        raise Conflict("A replay cannot be calibrated while it plays.", "Fit a decoder on its recording with `rlhb fit`.")
    if command in ("start", "calibrate"):
        await _need_free_lab(connection, session_id)
    rows: list[dict[str, Any]] = []
    if command in COMMANDS:
        _, number = await move(connection, session_id, command, text, who)
        await _see_to_recordings(connection, session_id, command)
    else:
        number = await note(connection, session_id, command, text, who)
        if command == "hold":
            rows = await set_operator_hold(connection, session_id, text.strip() or "held by the operator")
        elif command == "release":
            await _refuse_without_training(connection, session)
            rows = await set_operator_hold(connection, session_id, None)
    recorded = command == "start" or session["recording"] == RecordingState.WANTED or (session["self_run"] and session["state"] in LIVE)
    if recorded:
        await outbox.put(connection, [_event(session_id, command, text, number)])
    return rows


async def _refuse_without_training(connection: AsyncConnection, session: dict[str, Any]) -> None:
    """Refuse to release what its subject did not agree to hand out.

    Raises
    ------
    Conflict
        The consent that the session was made under does not cover training.
    """
    known = {consent["version"]: consent for consent in await consents_of(connection, session["subject"])}
    consent = known.get(session["consent_version"])
    if not may_train(consent):
        raise Conflict(
            f"The labels of session {session['session_id']} stay held: {no_training(consent or {})}.", "A session under a consent with training gives labels."
        )


async def _see_to_recordings(connection: AsyncConnection, session_id: str, command: str) -> None:
    """Let a recording begin where a step needs one: the first, or the one after a calibration's."""
    row = await session_row(connection, session_id)
    course = course_of(row)
    if command == "start" and course is None:
        await set_recording(connection, session_id, RecordingState.WANTED)
    elif command == "start" and course is not None:
        await next_recording(connection, row, course)
    elif command == "calibrate":
        await next_recording(connection, row, await plan_again(connection, row, course))
    elif command == "accept" and course is not None:
        await keep(connection, row, course.model_copy(update={"active": False}))


def _event(session_id: str, command: str, text: str, number: int) -> LabEvent:
    kind = _EVENT_OF[command]
    if kind is EventType.COMMENT and command != "comment":
        text = f"{command}: {text}" if text else command
    # A session starts and ends once, and the daemon writes both by itself under the same identity; the others take the number of their entry.
    once = kind in (EventType.SESSION_START, EventType.SESSION_END)
    return LabEvent(event_id=event_id(session_id, None, kind, 0 if once else number), type=kind, session_id=session_id, text=text or None)


async def _need_free_lab(connection: AsyncConnection, session_id: str) -> None:
    query = sa.select(sessions.c.session_id).where(sessions.c.state.in_([s.value for s in LIVE]), ~sessions.c.self_run, sessions.c.session_id != session_id)
    other = (await connection.execute(query)).scalars().first()
    if other is not None:
        raise Conflict(f"The session {other} is running.", "Finish or abort it first; one lab records one session at a time.")


def count_rows(service: Service, rows: list[dict[str, Any]]) -> None:
    """Count committed rows for Prometheus."""
    for release, count in Counter(row["release"] for row in rows).items():
        service.metrics.labels.labels(release).inc(count)
    if rows:
        service.metrics.head.set(rows[-1]["seq"])
