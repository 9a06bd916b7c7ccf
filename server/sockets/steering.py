"""Keeping the acquisition daemon doing what the database says: start and stop of recordings, and the events that go down."""

from typing import Any

import sqlalchemy as sa

from messaging.lab import LabEvents, StartRecording, StopRecording
from messaging.pages import OperatorAlarm
from server import clock
from server.service import Service
from server.sessions import outbox
from server.sessions.calibrating import course_of, next_recording, recording_ends
from server.sessions.states import OVER, RecordingState
from server.sessions.store import plan_of, session_row, set_recording
from server.switchboard import LabLink
from server.tables import sessions
from server.wakeup import rung

LAST_WINDOWS_S = 1.5
"""The daemon records on for this long after its last event, so that the last windows are complete."""
GIVE_UP_S = 30.0
"""A session that is over does not wait longer than this for its events to be recorded: the next one is waiting."""
ASK_AGAIN_S = 3.0
"""What the daemon has not answered goes out again after this; all of it is harmless when it comes twice."""
RESUME_S = 10.0
"""How long a daemon that was started anew may take to find and open a recording that has to be ended."""
EVENTS_AT_ONCE = 200
LOOK_AGAIN_S = 0.5


async def steer(service: Service, link: LabLink) -> None:
    """Steer a daemon until cancelled: what is not answered goes out again, at once after a reconnection, else now and then."""
    over_since: dict[str, float] = {}
    drained_since: dict[str, float] = {}
    with service.switchboard.outbox_grew.listen() as bell:
        # A change of a session's state rings the outbox's bell too: each one is an event.
        while True:
            bell.clear()
            if link.own_session is not None:
                await _stop_own(service, link, link.own_session)
            else:
                await _steer_next(service, link, over_since, drained_since)
            await _send_events(service, link)
            await rung(bell, LOOK_AGAIN_S)


async def _steer_next(service: Service, link: LabLink, over_since: dict[str, float], drained_since: dict[str, float]) -> None:
    """Bring one recording to its end before the next one begins."""
    wanted = [RecordingState.WANTED.value, RecordingState.STOPPING.value]
    query = sa.select(sessions).where(~sessions.c.self_run, sessions.c.recording.in_(wanted)).order_by(sessions.c.created_at)
    async with service.database.read() as connection:
        rows = [dict(r) for r in (await connection.execute(query)).mappings()]
    row = next((r for r in rows if r["state"] in OVER or recording_ends(r)), rows[0] if rows else None)
    link.steered = row["session_id"] if row is not None else None
    if row is None:
        return
    if row["recording"] == RecordingState.WANTED:
        await _start(service, link, row)
        ends = row["state"] in OVER or recording_ends(row)
        if not ends or not await _may_end(service, row["session_id"], over_since, drained_since):
            return
        async with service.database.write() as connection:
            await set_recording(connection, row["session_id"], RecordingState.STOPPING)
        service.switchboard.changed.ring()
    if await _stop(service, link, row):
        over_since.pop(row["session_id"], None)
        drained_since.pop(row["session_id"], None)


async def _start(service: Service, link: LabLink, row: dict[str, Any]) -> None:
    session_id = row["session_id"]
    if link.records(session_id) and (session_id, "start") in link.asked:
        return
    if _ask_again(link, session_id, "start"):
        link.outlet.offer(StartRecording(session=plan_of(row)))
        async with service.database.write() as connection:
            where = sa.update(sessions).where(sessions.c.session_id == session_id)
            await connection.execute(where.values(source=link.hello.source.value, clock=link.hello.clock.value))


def _ask_again(link: LabLink, session_id: str, what: str) -> bool:
    now_s = clock.server_time_s()
    if now_s - link.asked.get((session_id, what), -ASK_AGAIN_S) < ASK_AGAIN_S:
        return False
    link.asked[session_id, what] = now_s
    link.first_asked.setdefault((session_id, what), now_s)
    return True


async def _may_end(service: Service, session_id: str, over_since: dict[str, float], drained_since: dict[str, float]) -> bool:
    """Whether the daemon has had all events of a session for long enough, or will obviously never have them."""
    now_s = clock.server_time_s()
    async with service.database.read() as connection:
        left = await outbox.count_waiting(connection, session_id)
    if left:
        drained_since.pop(session_id, None)
        if now_s - over_since.setdefault(session_id, now_s) < GIVE_UP_S:
            return False
        sentence = f"The daemon did not record the last {left} events of session {session_id} within {GIVE_UP_S:g} s; the recording ends without them."
        service.switchboard.raise_alarm(session_id, OperatorAlarm(what="events_not_recorded", sentence=sentence, at=clock.utc_now()))
        return True
    return now_s - drained_since.setdefault(session_id, now_s) >= LAST_WINDOWS_S


async def _stop(service: Service, link: LabLink, row: dict[str, Any]) -> bool:
    """End a recording, and say whether it has ended.

    Notes
    -----
    One that the daemon of this connection has not had in hand is taken up again first, for only then can it get its end.
    A daemon that finds the recording ended already, or that cannot take it up (another board), goes on saying that it records nothing: after
    `RESUME_S` nothing more is to be hoped for. It tells the operator itself when it refuses.
    """
    session_id = row["session_id"]
    if link.records(session_id):
        if _ask_again(link, session_id, "stop"):
            link.outlet.offer(StopRecording(session_id=session_id, reason=row["state"]))
        return False
    if session_id in link.seen_recording:
        if (session_id, "stop") in link.asked:
            await _stopped(service, link, session_id)
            return True
        if _ask_again(link, session_id, "stop"):
            link.outlet.offer(StopRecording(session_id=session_id, reason=row["state"]))
        return False
    now_s = clock.server_time_s()
    if now_s - link.first_asked.get((session_id, "resume"), now_s) >= RESUME_S:
        # Should the daemon take it up after all, it ends it at once.
        link.outlet.offer(StopRecording(session_id=session_id, reason=row["state"]))
        await _stopped(service, link, session_id)
        return True
    if _ask_again(link, session_id, "resume"):
        link.outlet.offer(StartRecording(session=plan_of(row)))
    return False


async def _stopped(service: Service, link: LabLink, session_id: str) -> None:
    async with service.database.write() as connection:
        await set_recording(connection, session_id, RecordingState.STOPPED)
        row = await session_row(connection, session_id)
        course = course_of(row)
        if course is not None and course.waits and row["state"] not in OVER:
            await next_recording(connection, row, course)
    # What was asked and seen was about that recording; the session's next one is asked for anew.
    link.seen_recording.discard(session_id)
    for what in ("start", "stop", "resume"):
        link.asked.pop((session_id, what), None)
        link.first_asked.pop((session_id, what), None)
    service.switchboard.changed.ring()
    service.switchboard.outbox_grew.ring()


async def _stop_own(service: Service, link: LabLink, session_id: str) -> None:
    async with service.database.read() as connection:
        row = await session_row(connection, session_id)
    ended = link.status is not None and link.status.state == "ended"
    if row["state"] in OVER and not ended and _ask_again(link, session_id, "stop"):
        link.outlet.offer(StopRecording(session_id=session_id, reason=row["state"]))


async def _send_events(service: Service, link: LabLink) -> None:
    session_id = link.own_session or link.steered
    if session_id is None:
        return
    async with service.database.read() as connection:
        waiting = await outbox.waiting(connection, session_id)
    # Forgotten only when the database no longer lists it: an acknowledgement may overtake this reading of what waits.
    link.sent = {e.event_id: link.sent[e.event_id] for e in waiting if e.event_id in link.sent}
    now_s = clock.server_time_s()
    fresh = [e for e in waiting if now_s - link.sent.get(e.event_id, -ASK_AGAIN_S) >= ASK_AGAIN_S]
    for start in range(0, len(fresh), EVENTS_AT_ONCE):
        part = fresh[start : start + EVENTS_AT_ONCE]
        if not link.outlet.offer(LabEvents(events=tuple(part))):
            return
        link.sent |= {e.event_id: now_s for e in part}
