"""`/ws/v1/sessions/{id}/subject`: the page that a session is shown on."""

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.websockets import WebSocket

from messaging.lab import ClockPing
from messaging.pages import (
    Onsets,
    OnsetsAck,
    OperatorAlarm,
    Pause,
    Ready,
    Resume,
    SessionOver,
    SubjectHello,
    SubjectRating,
    SubjectResponse,
    SubjectUp,
    SubjectWelcome,
    Trial,
)
from messaging.records import ClockFit
from messaging.rewards import Refusal, RefusalCode
from messaging.tasks import side_by_side
from server import clock
from server.callers import Caller, Scope
from server.errors import Conflict
from server.outlet import REPLACED, Outlet
from server.service import Service
from server.sessions.calibrating import calibrates, recording_ends
from server.sessions.commands import apply_command, command_session, count_rows
from server.sessions.presenting import begin_next_trial, break_off, count_trials, running_trial, take_answer, take_onsets
from server.sessions.states import OVER, PRESENTING, RecordingState, SessionState
from server.sessions.store import note_source, session_row
from server.sockets.opening import messages_of, pong, serve_socket, text_of
from server.switchboard import SubjectPage, Switchboard
from server.wakeup import rung

router = APIRouter()

_HELLO: TypeAdapter[Any] = TypeAdapter(SubjectHello)
LOOK_AGAIN_S = 1.0
LEAVING_S = 1.0
"""How long a page may take to be gone before another one is refused."""
_WAITING = {
    SessionState.CREATED: "The session is being prepared.",
    SessionState.CHECKING: "The operator is checking the electrodes.",
    SessionState.VALIDATING: "Your calibration is being evaluated. You can rest a moment.",
    SessionState.READY: "The operator has not started the session yet.",
    SessionState.PAUSED: "The session is paused.",
}


@router.websocket("/ws/v1/sessions/{session_id}/subject")
async def subject_socket(websocket: WebSocket, session_id: str) -> None:
    """Give trials to the subject page and take what it showed."""

    async def converse(websocket: WebSocket, outlet: Outlet, caller: Caller, hello: SubjectHello) -> None:
        await _converse(websocket, outlet, hello, session_id)

    await serve_socket(websocket, "subject", {SubjectHello: Scope.SESSIONS_OPERATE}, _HELLO, converse, link=session_id)


async def _converse(websocket: WebSocket, outlet: Outlet, hello: SubjectHello, session_id: str) -> None:
    service: Service = websocket.app.state.service
    board = service.switchboard
    async with service.database.read() as connection:
        row = await session_row(connection, session_id)
        n_trials, done = await count_trials(connection, session_id)
    if not hello.take_over:
        await _let_leave(board, session_id, hello.page_life)
    other = board.pages.get(session_id)
    if other is not None and other.page_life != hello.page_life:
        if not hello.take_over:
            raise Conflict("Another page shows this session.", "Close the other page, or use this page instead.")
        refusal = Refusal(reason="Another page took this session over.", remedy="Go on there, or take it back here.", code=RefusalCode.REPLACED)
        other.outlet.close(refusal, REPLACED)
    elif other is not None:
        other.outlet.close()  # the same page on a connection that it has given up
    page = board.pages[session_id] = SubjectPage(outlet, hello.page_life)
    showing = Showing(service, session_id, outlet, hello.page_life)
    outlet.offer(
        SubjectWelcome(
            session_id=session_id,
            protocol=row["protocol"],
            n_trials=n_trials,
            trials_done=done,
            instruction=str((row["parameters"] or {}).get("instruction", "")),
        )
    )
    board.changed.ring()
    try:
        await side_by_side(showing.read(websocket), showing.follow())
    finally:
        if board.pages.get(session_id) is page:
            del board.pages[session_id]
        board.changed.ring()


async def _let_leave(board: Switchboard, session_id: str, page_life: str) -> None:
    """Give the page before this one a moment to be gone: a reload opens the new connection while the old one is still closing."""
    with board.changed.listen() as bell:
        ends_s = clock.server_time_s() + LEAVING_S
        while (other := board.pages.get(session_id)) is not None and other.page_life != page_life:
            bell.clear()
            left_s = ends_s - clock.server_time_s()
            if left_s <= 0:
                return
            await rung(bell, left_s)


class Showing:
    """One page and the session it shows.

    Parameters
    ----------
    service : Service
    session_id : str
    outlet : Outlet
    page_life : str
    """

    def __init__(self, service: Service, session_id: str, outlet: Outlet, page_life: str) -> None:
        self._service = service
        self._session_id = session_id
        self._outlet = outlet
        self._page_life = page_life
        self._ready = False
        self._active: str | None = None
        """Presentation that was sent on this connection and has not ended."""
        self._told_to_wait: str | None = None
        self._fit: ClockFit | None = None
        self._turn = asyncio.Lock()

    async def read(self, websocket: WebSocket) -> None:
        """Take the page's messages until it is gone."""
        async for message in messages_of(websocket):
            await self.receive(text_of(message))

    async def receive(self, text: str) -> None:
        """Take a message of the page."""
        message = SubjectUp.validate_json(text)
        if isinstance(message, ClockPing):
            self._outlet.offer(pong(message))
        elif isinstance(message, Onsets):
            await self._take_onsets(message)
        elif isinstance(message, Ready):
            # A second word of readiness while a trial is on its way asks for nothing more.
            self._ready = self._active is None
            await self.advance()
        elif isinstance(message, SubjectResponse | SubjectRating):
            async with self._service.database.write() as connection:
                await take_answer(connection, self._session_id, message, self._fit)
            self._service.switchboard.outbox_grew.ring()
        elif isinstance(message, Pause | Resume):
            await self._ask(message)

    async def _ask(self, message: Pause | Resume) -> None:
        reason = message.reason if isinstance(message, Pause) else ""
        try:
            await command_session(self._service, self._session_id, "pause" if isinstance(message, Pause) else "resume", reason, "subject")
        except Conflict:
            return  # paused already, or not running any more: what was asked for holds

    async def _take_onsets(self, onsets: Onsets) -> None:
        self._fit = onsets.page_to_server
        async with self._service.database.write() as connection:
            taken = await take_onsets(connection, onsets)
        # In the outbox and on the disk: now the page may forget it.
        self._outlet.offer(OnsetsAck(page_life=onsets.page_life, batch=onsets.batch))
        board = self._service.switchboard
        if taken.session_id is None:
            sentence = f"A page reported onsets of the unknown presentation {onsets.presentation[:40]}; they belong to another database and are left out."
            board.raise_alarm(self._session_id, OperatorAlarm(what="unknown_presentation", sentence=sentence, at=clock.utc_now()))
            return
        self._service.metrics.onsets.inc(taken.n_new)
        if taken.rows:
            count_rows(self._service, list(taken.rows))
            await board.tell_rows(list(taken.rows))
        if taken.over and onsets.presentation == self._active:
            self._active = None
        board.outbox_grew.ring()
        board.changed.ring()

    async def follow(self) -> None:
        """Follow the session: go on, wait or end when its state, the lab or the recording changes."""
        with self._service.switchboard.changed.listen() as bell:
            while True:
                bell.clear()
                await self.advance()
                await rung(bell, LOOK_AGAIN_S)

    async def advance(self) -> None:
        """Do what the session's state asks for: tell the page to wait, give it the next trial, or end."""
        async with self._turn:
            async with self._service.database.read() as connection:
                row = await session_row(connection, self._session_id)
            state = SessionState(row["state"])
            if state in OVER:
                self._end(row)
                return
            reason = _WAITING.get(state)
            if reason is None and self._ready:
                reason = self._lab_not_ready(row)
            if reason is not None and (self._ready or state is SessionState.PAUSED):
                self._wait(reason)
                return
            if self._told_to_wait is not None:
                self._told_to_wait = None
                self._outlet.offer(Resume())
            if self._ready and state in PRESENTING:
                await self._next()

    def _lab_not_ready(self, row: dict[str, Any]) -> str | None:
        """Why no text may be shown now: without a recording nothing would be decoded, and a test current would be in the EEG."""
        board = self._service.switchboard
        if recording_ends(row) or not board.lab_records(self._session_id, row["recording_id"]):
            return "Waiting for the recording to start."
        if board.lab is not None and board.lab.measures_impedance(clock.server_time_s()):
            return "The electrodes are being measured."
        return None

    def _wait(self, reason: str) -> None:
        if reason != self._told_to_wait:
            self._told_to_wait = reason
            self._outlet.offer(Pause(reason=reason))

    def _end(self, row: dict[str, Any]) -> None:
        board = self._service.switchboard
        finishing = row["state"] == SessionState.FINISHED and row["recording"] == RecordingState.WANTED
        if finishing and board.lab is not None:
            return  # the last windows are still being recorded
        self._outlet.offer(SessionOver(reason="The session is finished. Thank you." if row["state"] == SessionState.FINISHED else "The session was ended."))
        self._outlet.close()

    async def _next(self) -> None:
        async with self._service.database.write() as connection:
            session = await session_row(connection, self._session_id)
            lab = self._service.switchboard.lab
            if lab is not None:
                await note_source(connection, self._session_id, lab.hello.source, lab.hello.clock)
            running = await running_trial(connection, self._session_id)
            trial: Trial | None = None
            if running is not None and running["page_life"] == self._page_life and running["shown"] == 0:
                trial = Trial.model_validate(running["plan"])  # it was lost with the last connection
            else:
                if running is not None:
                    await break_off(connection, running)
                trial = await begin_next_trial(connection, session, self._page_life)
            # After a calibration the page goes on without being asked: it has said that it is ready.
            goes_on = trial is None and calibrates(session)
            if goes_on:
                await apply_command(connection, self._session_id, "validate", "the calibration has been shown", "server")
            elif trial is None:
                await apply_command(connection, self._session_id, "finish", "all trials have been shown", "server")
        self._ready = goes_on
        if trial is not None:
            self._active = trial.presentation
            self._outlet.offer(trial)
        self._service.switchboard.outbox_grew.ring()
        self._service.switchboard.changed.ring()
