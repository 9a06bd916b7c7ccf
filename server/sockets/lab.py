"""`/ws/v1/lab`: the acquisition daemon. What it says of board, recording and signal is taken here; `steering` tells it what to do."""

from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.websockets import WebSocket

from messaging.lab import ClockPing, LabAck, LabAlarm, LabConfirmed, LabEnded, LabHello, LabImpedance, LabQuality, LabStatus, LabUp, LabWelcome
from messaging.pages import OperatorAlarm, OperatorImpedance, OperatorQuality
from messaging.rewards import Refusal, RefusalCode
from messaging.tasks import side_by_side
from server import clock
from server.callers import Caller, Scope
from server.labels.query import read_head
from server.outlet import REPLACED, Outlet
from server.service import Service
from server.sessions import outbox
from server.sessions.store import end_self_run, enter_self_run
from server.sockets.opening import messages_of, pong, serve_socket
from server.sockets.steering import steer
from server.switchboard import LabLink

router = APIRouter()

_HELLO: TypeAdapter[Any] = TypeAdapter(LabHello)


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
        refusal = Refusal(reason="A newer connection of a daemon took over.", remedy="Stop one of the two daemons.", code=RefusalCode.REPLACED)
        board.lab.outlet.close(refusal, REPLACED)
    board.connect_lab(link)
    async with service.database.read() as connection:
        _, log_id = await read_head(connection)
    outlet.offer(LabWelcome(server_id=log_id))
    board.changed.ring()
    try:
        await side_by_side(_listen(service, link, websocket), steer(service, link))
    finally:
        board.disconnect_lab(link, clock.utc_now())
        board.changed.ring()


async def _listen(service: Service, link: LabLink, websocket: WebSocket) -> None:
    async for message in messages_of(websocket):
        if isinstance(message, bytes):
            service.switchboard.tell_watchers(link.status.session_id if link.status else link.own_session, message, signal=True)
        else:
            await _take(service, link, LabUp.validate_json(message))


async def _take(service: Service, link: LabLink, message: Any) -> None:
    board = service.switchboard
    match message:
        case ClockPing():
            link.outlet.offer(pong(message))
        case LabAck():
            async with service.database.write() as connection:
                await outbox.mark_recorded(connection, message.recorded)
            board.outbox_grew.ring()
        case LabStatus():
            await _take_status(service, link, message)
        case LabEnded():
            await _take_end(service, link, message.session_id, message.sentence)
        case LabQuality():
            link.quality, link.quality_at_s = message, clock.server_time_s()
            board.tell_watchers(message.session_id, OperatorQuality(channels=message.channels, stream=message.stream), signal=True)
        case LabImpedance():
            link.take_impedance(message, clock.server_time_s())
            board.tell_watchers(None, OperatorImpedance(measuring=message.measuring, channels=message.channels), signal=True)
            board.changed.ring()
        case LabAlarm():
            board.raise_alarm(message.session_id, OperatorAlarm(what=message.what, sentence=message.sentence, at=clock.utc_now()))
        case _:
            pass  # a second hello says nothing new


async def _take_status(service: Service, link: LabLink, status: LabStatus) -> None:
    board = service.switchboard
    before, link.status = link.status, status
    if status.session_id is not None and link.records(status.session_id):
        link.seen_recording.add(status.session_id)
    if board.lab is link:
        board.faults.take(status, clock.utc_now())
    own = link.own_session
    if status.state == "ended" and own is not None and status.session_id in (None, own):
        # Whenever it comes, also unchanged: a server that was started anew has not taken the end yet.
        await _take_end(service, link, own, status.sentence)
    if before is None or _shown(before) != _shown(status):
        board.changed.ring()


def _shown(status: LabStatus) -> tuple[object, ...]:
    """Pick what somebody waits for to change; figures go out once a second."""
    return status.state, status.session_id, status.bus, status.sentence, status.replay is not None and status.replay.paused


async def _take_end(service: Service, link: LabLink, session_id: str, sentence: str) -> None:
    """Take the end of a session that the daemon ran by itself; confirmed when the database has it, and each time it is told again."""
    async with service.database.write() as connection:
        moved = await end_self_run(connection, session_id, sentence, link.hello.daemon_id)
    link.outlet.offer(LabConfirmed(session_id=session_id))
    if moved:
        service.switchboard.changed.ring()
