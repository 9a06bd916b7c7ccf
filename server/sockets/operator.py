"""`/ws/v1/sessions/{id}/operator`: state, signal, rewards and alarms down; commands up."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.websockets import WebSocket

from messaging.pages import (
    BoardAbilities,
    CalibrationView,
    OperatorAlarm,
    OperatorCommand,
    OperatorHello,
    OperatorImpedance,
    OperatorState,
    OperatorUp,
    SessionNote,
    ShownTrial,
    Trial,
)
from messaging.tasks import side_by_side
from server import clock
from server.callers import Caller, Scope
from server.errors import Problem
from server.labels.holds import count_labels
from server.outlet import Outlet
from server.service import Service
from server.sessions.calibrating import course_of
from server.sessions.commands import command_session
from server.sessions.lab_commands import command_lab
from server.sessions.presenting import count_trials
from server.sessions.states import LIVE, OVER, SessionState
from server.sessions.store import session_row
from server.sockets.opening import messages_of, serve_socket, text_of
from server.switchboard import Switchboard, Watcher
from server.tables import current_decoders, responses, session_events, trials
from server.wakeup import rung

router = APIRouter()

_HELLO: TypeAdapter[Any] = TypeAdapter(OperatorHello)
STATE_EVERY_S = 1.0
N_RECENT = 5
N_NOTES = 40


@router.websocket("/ws/v1/sessions/{session_id}/operator")
async def operator_socket(websocket: WebSocket, session_id: str) -> None:
    """Show a session to its operator and take commands."""

    async def converse(websocket: WebSocket, outlet: Outlet, caller: Caller, hello: OperatorHello) -> None:
        await _converse(websocket, outlet, caller, session_id)

    await serve_socket(websocket, "operator", {OperatorHello: Scope.SESSIONS_OPERATE}, _HELLO, converse)


async def _converse(websocket: WebSocket, outlet: Outlet, caller: Caller, session_id: str) -> None:
    service: Service = websocket.app.state.service
    async with service.database.read() as connection:
        row = await session_row(connection, session_id)
    board = service.switchboard
    watcher = Watcher(outlet, frozenset({session_id}), signal=True, over=row["state"] in OVER)
    board.watchers.add(watcher)
    for about, alarm in board.alarms:
        if watcher.wants(about):
            outlet.offer(alarm)
    if board.lab is not None and board.lab.impedance is not None and not watcher.over:
        outlet.offer(OperatorImpedance(measuring=board.lab.impedance.measuring, channels=board.lab.impedance.channels))
    try:
        await side_by_side(_take_commands(service, websocket, outlet, session_id, caller.name), _tell_state(service, watcher, session_id))
    finally:
        board.watchers.discard(watcher)


async def _take_commands(service: Service, websocket: WebSocket, outlet: Outlet, session_id: str, who: str) -> None:
    async for message in messages_of(websocket):
        parsed = OperatorUp.validate_json(text_of(message))
        if isinstance(parsed, OperatorCommand):
            await _carry_out(service, outlet, session_id, parsed, who)


async def _carry_out(service: Service, outlet: Outlet, session_id: str, wish: OperatorCommand, who: str) -> None:
    try:
        match wish.command:
            case "measure_impedance" | "stop_impedance" | "replay_pause" | "replay_resume" | "replay_seek":
                await command_lab(service, session_id, wish.command, wish)
            case _:
                await command_session(service, session_id, wish.command, wish.text, who)
    except Problem as error:
        # A command that does not fit is no reason to end the connection.
        outlet.offer(OperatorAlarm(what="command_refused", sentence=f"{error.detail} {error.remedy}", at=clock.utc_now()))


async def _tell_state(service: Service, watcher: Watcher, session_id: str) -> None:
    counts, counted_s = (0, 0), -STATE_EVERY_S
    with service.switchboard.changed.listen() as bell:
        while True:
            bell.clear()
            # Counting reads every label of the session: once a second, not at every word.
            if clock.server_time_s() - counted_s >= STATE_EVERY_S:
                async with service.database.read() as connection:
                    counts, counted_s = await count_labels(connection, session_id), clock.server_time_s()
            state = await operator_state(service, session_id, counts)
            watcher.over = state.over
            watcher.outlet.offer(state)
            await rung(bell, STATE_EVERY_S)


async def operator_state(service: Service, session_id: str, counts: tuple[int, int]) -> OperatorState:
    """Put together what an operator sees of a session.

    Parameters
    ----------
    service : Service
    session_id : str
    counts : (int, int)
        Labels, and how many of them are released.

    Raises
    ------
    NotFound
        There is no such session.
    """
    async with service.database.read() as connection:
        row = await session_row(connection, session_id)
        n_trials, done = await count_trials(connection, session_id)
        current, recent = await _shown_trials(connection, session_id)
        calibration = await _calibration(connection, service.switchboard, row)
        notes = await _notes(connection, session_id)
        decoder = (await connection.execute(sa.select(current_decoders).where(current_decoders.c.session_id == session_id))).mappings().first()
    planned = {"name": row["decoder_name"], "version": row["decoder_version"]} if row["decoder_name"] else None
    shown = {
        "session_id": session_id, "protocol": row["protocol"], "subject": row["subject"], "source": row["source"], "n_trials": n_trials, "trials_done": done,
        "labels": counts[0], "labels_ok": counts[1], "current": current, "recent": recent, "held": row["operator_hold"], "notes": notes,
        "recording_id": row["recording_id"], "recording": row["recording"],
        "decoder": {k: decoder[k] for k in ("signal", "name", "version", "sha256")} if decoder else planned,
    }  # fmt: skip
    return OperatorState(**shown, calibration=calibration, **_processes(service.switchboard, row))


async def _calibration(connection: AsyncConnection, board: Switchboard, row: dict[str, Any]) -> CalibrationView | None:
    course = course_of(row)
    if course is None:
        return None
    first, n_trials = course.rounds[-1]
    of_round = sa.and_(trials.c.session_id == row["session_id"], trials.c.trial >= first, trials.c.trial < first + n_trials)
    behind = sa.and_(of_round, trials.c.state.in_(["done", "aborted"]))
    done = int((await connection.execute(sa.select(sa.func.count()).select_from(trials).where(behind))).scalar_one())
    fit = board.fits.get(row["recording_id"]) if row["state"] == SessionState.VALIDATING else None
    return CalibrationView(
        active=course.active,
        round=len(course.rounds),
        n_trials=n_trials,
        trials_done=done,
        what=fit.what if fit else None,
        fraction=fit.fraction if fit else None,
        result=course.result,
    )


def _processes(board: Switchboard, row: dict[str, Any]) -> dict[str, Any]:
    """Say who works on a session now; on one that is over nobody does, whatever the lab is busy with."""
    session_id, state = row["session_id"], row["state"]
    worker = board.worker_of(session_id)
    common = {"session_state": state, "subject_page": session_id in board.pages, "worker": worker.worker_id if worker else None}
    lab = board.lab
    closing = lab is not None and (lab.records(session_id) or lab.own_session == session_id)
    if state in OVER and not closing:
        return common | {"over": True, "lab": None}
    if row["self_run"] and state in LIVE and board.interrupted(session_id, clock.server_time_s()):
        common["session_state"] = "interrupted"
    foreign = lab is not None and lab.own_session not in (None, session_id)
    if lab is None or foreign:
        return common | {"over": state in OVER, "lab": None, "faults": () if foreign else board.faults.standing(needed=state in LIVE)}
    profile = lab.hello.profile
    able = BoardAbilities(
        title=profile.title,
        source=lab.hello.source.value,
        impedance=profile.driver.impedance is not None,
        impedance_limit_kohm=profile.quality.impedance_kohm,
        eeg_channels=profile.eeg_names,
    )
    return common | {
        "over": state in OVER, "lab": lab.status, "channels": lab.channels, "faults": board.faults.standing(needed=state in LIVE), "board": able
    }  # fmt: skip


async def _notes(connection: AsyncConnection, session_id: str) -> tuple[SessionNote, ...]:
    query = sa.select(session_events).where(session_events.c.session_id == session_id).order_by(session_events.c.position.desc()).limit(N_NOTES)
    return tuple(
        SessionNote(position=row["position"], what=row["what"], text=row["text"], who=row["who"], at=row["at"])
        for row in (await connection.execute(query)).mappings()
    )


async def _shown_trials(connection: AsyncConnection, session_id: str) -> tuple[ShownTrial | None, tuple[ShownTrial, ...]]:
    query = (
        sa.select(trials.c.plan, trials.c.state, trials.c.shown, responses.c.text)
        .outerjoin(responses, sa.and_(responses.c.item_set == trials.c.item_set, responses.c.response_id == trials.c.response_id))
        .where(trials.c.session_id == session_id, trials.c.state != "pending")
        .order_by(trials.c.trial.desc())
        .limit(N_RECENT + 1)
    )
    current = None
    recent = []
    for plan, state, shown, text in await connection.execute(query):
        trial = Trial.model_validate(plan)
        units = tuple(u.shown() for u in trial.units)
        seen = ShownTrial(trial=trial.trial, presentation=trial.presentation, prompt=trial.prompt, response=text, units=units, shown=shown)
        if state == "running" and current is None:
            current = seen
        else:
            recent.append(seen)
    return current, tuple(recent[:N_RECENT])
