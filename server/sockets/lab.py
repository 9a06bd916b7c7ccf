"""`/ws/v1/lab`: the acquisition daemon. Commands and events go down until they are answered; state and signal come up."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.websockets import WebSocket

from messaging.lab import ClockPing, LabAck, LabAlarm, LabEvents, LabHello, LabQuality, LabStatus, LabUp, LabWelcome, StartRecording, StopRecording
from messaging.pages import OperatorAlarm, OperatorQuality
from messaging.rewards import Refusal
from messaging.tasks import side_by_side
from server import clock
from server.access import Caller, Scope
from server.labels.query import read_head
from server.service import Service
from server.sessions import outbox
from server.sessions.states import LIVE, OVER, RecordingState
from server.sessions.store import enter_self_run, move, plan_of, session_row, set_recording
from server.sockets.opening import messages_of, pong, serve_socket
from server.switchboard import REPLACED, LabLink, Outlet
from server.tables import sessions
from server.wakeup import rung

router = APIRouter()

_HELLO: TypeAdapter[Any] = TypeAdapter(LabHello)
LAST_WINDOWS_S = 1.5
"""The daemon records on for this long after its last event, so that the last windows are complete."""
GIVE_UP_S = 30.0
"""A session that is over does not wait longer than this for its events to be recorded: the next one is waiting."""
ASK_AGAIN_S = 3.0
"""What the daemon has not answered goes out again after this; all of it is harmless when it comes twice."""
EVENTS_AT_ONCE = 200
LOOK_AGAIN_S = 0.5


@router.websocket("/ws/v1/lab")
async def lab_socket(websocket: WebSocket) -> None:
    """Steer the acquisition daemon and hear from it."""
    await serve_socket(websocket, "lab", {LabHello: Scope.LAB_CONNECT}, _HELLO, _converse)


async def _converse(websocket: WebSocket, outlet: Outlet, caller: Caller, hello: LabHello) -> None:
    service: Service = websocket.app.state.service
    board = service.switchboard
    if hello.session is not None:
        async with service.database.write() as connection:
            await enter_self_run(connection, hello)
    link = LabLink(outlet, hello, channels=hello.profile.channel_names)
    if board.lab is not None:
        board.lab.outlet.close(Refusal(reason="A newer connection of a daemon took over.", remedy="Stop one of the two daemons."), REPLACED)
    board.lab = link
    async with service.database.read() as connection:
        _, log_id = await read_head(connection)
    outlet.offer(LabWelcome(server_id=log_id))
    board.changed.ring()
    try:
        await side_by_side(_listen(service, link, websocket), _steer(service, link))
    finally:
        if board.lab is link:
            board.lab = None
        board.changed.ring()


async def _listen(service: Service, link: LabLink, websocket: WebSocket) -> None:
    async for message in messages_of(websocket):
        if isinstance(message, bytes):
            service.switchboard.tell_watchers(link.status.session_id if link.status else link.own_session, message, signal=True)
            continue
        parsed = LabUp.validate_json(message)
        if isinstance(parsed, ClockPing):
            link.outlet.offer(pong(parsed))
        elif isinstance(parsed, LabAck):
            async with service.database.write() as connection:
                await outbox.mark_recorded(connection, parsed.recorded)
            service.switchboard.outbox_grew.ring()
        elif isinstance(parsed, LabStatus):
            await _take_status(service, link, parsed)
        elif isinstance(parsed, LabQuality):
            service.switchboard.tell_watchers(parsed.session_id, OperatorQuality(channels=parsed.channels), signal=True)
        elif isinstance(parsed, LabAlarm):
            alarm = OperatorAlarm(what=parsed.what, sentence=parsed.sentence, at=clock.utc_now())
            service.switchboard.tell_watchers(parsed.session_id, alarm, signal=True)


async def _take_status(service: Service, link: LabLink, status: LabStatus) -> None:
    before = link.status
    link.status = status
    if before is not None and (before.state, before.session_id, before.bus) == (status.state, status.session_id, status.bus):
        return
    if status.state == "ended" and link.own_session is not None and status.session_id in (None, link.own_session):
        async with service.database.write() as connection:
            row = await session_row(connection, link.own_session)
            if row["state"] in LIVE:
                await move(connection, link.own_session, "finish", status.sentence, link.hello.daemon_id)
    service.switchboard.changed.ring()


async def _steer(service: Service, link: LabLink) -> None:
    """Keep the daemon doing what the database says: what is not answered goes out again, at once after a reconnection, else now and then."""
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
    row = next((r for r in rows if r["state"] in OVER), rows[0] if rows else None)
    link.steered = row["session_id"] if row is not None else None
    if row is None:
        return
    if row["recording"] == RecordingState.WANTED:
        await _start(service, link, row)
        if row["state"] not in OVER or not await _may_end(service, row["session_id"], over_since, drained_since):
            return
        async with service.database.write() as connection:
            await set_recording(connection, row["session_id"], RecordingState.STOPPING)
        service.switchboard.changed.ring()
    await _stop(service, link, row)


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
        alarm = OperatorAlarm(what="events_not_recorded", sentence=sentence, at=clock.utc_now())
        service.switchboard.tell_watchers(session_id, alarm, signal=True)
        return True
    return now_s - drained_since.setdefault(session_id, now_s) >= LAST_WINDOWS_S


async def _stop(service: Service, link: LabLink, row: dict[str, Any]) -> None:
    session_id = row["session_id"]
    asked_before = (session_id, "stop") in link.asked
    if asked_before and link.status is not None and not link.records(session_id):
        async with service.database.write() as connection:
            await set_recording(connection, session_id, RecordingState.STOPPED)
        service.switchboard.changed.ring()
        service.switchboard.outbox_grew.ring()
    elif _ask_again(link, session_id, "stop"):
        link.outlet.offer(StopRecording(session_id=session_id, reason=row["state"]))


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
