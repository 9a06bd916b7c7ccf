"""Sessions in the database: entered, read, and moved from state to state."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.lab import LabHello, SessionPlan
from messaging.records import DecoderRef
from messaging.rewards import Reward
from messaging.words import ClockKind, Source
from server import clock
from server.database import insert_new
from server.errors import NotFound
from server.sessions.calibrating import calibrates, protocol_name
from server.sessions.states import LIVE, RecordingState, SessionState, next_state
from server.tables import recordings, session_events, sessions, subjects


async def enter(connection: AsyncConnection, values: dict[str, Any], who: str) -> bool:
    """Enter a session with its subject and recording; False when it is there already."""
    new = await insert_new(connection, sessions, [values])
    await insert_new(connection, subjects, [{"subject": values["subject"], "created_at": values["created_at"]}])
    recording = {"recording_id": values["recording_id"], "session_id": values["session_id"], "epoch": 0, "created_at": values["created_at"]}
    await insert_new(connection, recordings, [recording])
    if new:
        await _note(connection, values["session_id"], "create", values["state"], "", who)
    return bool(new)


async def enter_self_run(connection: AsyncConnection, hello: LabHello) -> None:
    """Enter a session that the daemon runs by itself (a replay) as running; harmless when it is there."""
    assert hello.session is not None
    plan = hello.session
    values = _followed(plan.session_id, plan.recording_id, plan.subject, plan.protocol, plan.task, plan.prior) | {
        "source": hello.source.value, "clock": hello.clock.value, "consent": plan.consent, "soa_ms": plan.soa_ms,
        "decoder_name": plan.decoder.name if plan.decoder else None, "decoder_version": plan.decoder.version if plan.decoder else None,
    }  # fmt: skip
    if not await enter(connection, values, hello.daemon_id):
        update = sa.update(sessions).where(sessions.c.session_id == plan.session_id)
        await connection.execute(update.values(source=hello.source.value, clock=hello.clock.value))


async def end_self_run(connection: AsyncConnection, session_id: str, sentence: str, who: str) -> bool:
    """Finish a session that the daemon ran by itself; True when that is news. A session that is not known, or not its own, stays as it is."""
    state = (await connection.execute(sa.select(sessions.c.state).where(sessions.c.session_id == session_id, sessions.c.self_run))).scalar()
    if state not in LIVE:
        return False
    await move(connection, session_id, "finish", sentence, who)
    return True


async def enter_sessions_of(connection: AsyncConnection, rewards: Sequence[Reward]) -> None:
    """Enter sessions that are only known from rewards (the daemon has not said hello yet, or the database is a new one)."""
    for reward in {(r.session_id, r.recording_id): r for r in rewards}.values():
        values = _followed(reward.session_id, reward.recording_id, reward.subject, reward.protocol, reward.task, reward.prior)
        await enter(
            connection, values | {"source": reward.source.value, "clock": reward.clock.value, "consent": reward.consent, "soa_ms": reward.soa_ms}, "worker"
        )
        update = sa.update(sessions).where(sessions.c.session_id == reward.session_id, sessions.c.source.is_(None))
        await connection.execute(update.values(source=reward.source.value, clock=reward.clock.value))


def _followed(session_id: str, recording_id: str, subject: str, protocol_name: str, task: str, prior: float) -> dict[str, Any]:
    return {
        "session_id": session_id, "recording_id": recording_id, "subject": subject, "protocol": protocol_name, "task": task,
        "state": SessionState.RUNNING.value, "recording": RecordingState.NONE.value, "self_run": True, "prior": prior, "item_set": None, "parameters": {},
        "created_at": clock.utc_now(),
    }  # fmt: skip


async def session_row(connection: AsyncConnection, session_id: str) -> dict[str, Any]:
    """Read a session.

    Raises
    ------
    NotFound
        There is none of this identity.
    """
    row = (await connection.execute(sa.select(sessions).where(sessions.c.session_id == session_id))).mappings().first()
    if row is None:
        raise NotFound(f"There is no session '{session_id[:128]}'.", "GET /api/v1/sessions lists them.")
    return dict(row)


async def move(connection: AsyncConnection, session_id: str, command: str, text: str, who: str) -> tuple[SessionState, int]:
    """Take a session to its next state.

    Returns
    -------
    (SessionState, int)
        The new state and the number of the event among those of all sessions.

    Raises
    ------
    Conflict
        The command does not fit the state.
    """
    row = await session_row(connection, session_id)
    state = next_state(SessionState(row["state"]), command, calibrating=calibrates(row))
    await connection.execute(sa.update(sessions).where(sessions.c.session_id == session_id).values(state=state.value))
    return state, await _note(connection, session_id, command, state.value, text, who)


async def note(connection: AsyncConnection, session_id: str, what: str, text: str, who: str) -> int:
    """Enter something that happened without a change of state; returns the number of the event."""
    row = await session_row(connection, session_id)
    return await _note(connection, session_id, what, row["state"], text, who)


async def _note(connection: AsyncConnection, session_id: str, what: str, state: str, text: str, who: str) -> int:
    values = {"session_id": session_id, "what": what, "state": state, "text": text[:4000], "who": who[:128], "at": clock.utc_now()}
    return int((await connection.execute(sa.insert(session_events).values(values).returning(session_events.c.position))).scalar_one())


async def set_recording(connection: AsyncConnection, session_id: str, state: RecordingState) -> None:
    """Write down what the daemon is to do about a session."""
    await connection.execute(sa.update(sessions).where(sessions.c.session_id == session_id).values(recording=state.value))


def plan_of(row: dict[str, Any]) -> SessionPlan:
    """Say what the daemon needs to know of a session."""
    known = row["decoder_name"] and not calibrates(row)
    decoder = DecoderRef(name=row["decoder_name"], version=row["decoder_version"]) if known else None
    return SessionPlan(
        session_id=row["session_id"],
        recording_id=row["recording_id"],
        subject=row["subject"],
        protocol=protocol_name(row),
        task=row["task"],
        soa_ms=row["soa_ms"],
        consent=row["consent"],
        prior=row["prior"],
        decoder=decoder,
    )


async def note_source(connection: AsyncConnection, session_id: str, source: Source, kind: ClockKind) -> None:
    """Write down what the EEG of a session comes from, once it is known."""
    known = sa.update(sessions).where(sessions.c.session_id == session_id, sessions.c.source.is_(None))
    await connection.execute(known.values(source=source.value, clock=kind.value))
