"""Sessions in the database: made, read, and moved from state to state."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.lab import LabHello, SessionPlan
from messaging.records import DecoderRef
from messaging.rewards import Reward
from server import clock
from server.database import insert_new
from server.errors import NotFound
from server.items import Identity, responses_of
from server.sessions.planning import Timing, plan_trials
from server.sessions.protocols import protocol
from server.sessions.states import RecordingState, SessionState, next_state
from server.tables import recordings, session_events, sessions, subjects, trials

Milliseconds = Annotated[float, Field(ge=0, le=60_000)]


class NewSession(BaseModel):
    """What a session is to be; None takes the protocol's value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    subject: Identity
    protocol: str = "token_rsvp"
    item_set: Identity | None = None
    soa_ms: Annotated[float, Field(ge=50, le=10_000)] | None = None
    jitter_ms: Milliseconds | None = None
    prompt_ms: Milliseconds | None = None
    """None: by the prompt's length."""
    fixation_ms: Milliseconds | None = None
    blank_ms: Milliseconds | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    n_trials: Annotated[int, Field(ge=1, le=10_000)] | None = None
    decoder: Annotated[str, StringConstraints(max_length=200)] | None = None
    """``NAME`` or ``NAME@VERSION``."""
    prior: Annotated[float, Field(gt=0, lt=1)] | None = None
    consent: Annotated[str, StringConstraints(max_length=256)] | None = None
    start: bool = False
    """Start at once."""


async def make_session(connection: AsyncConnection, wish: NewSession, decoder: DecoderRef | None, who: str) -> str:
    """Make a session with all its trials; it is ready then.

    Returns
    -------
    str
        The session's identity.

    Raises
    ------
    NotFound
        Unknown protocol or item set.
    """
    kind = protocol(wish.protocol)
    seed = secrets.randbits(32) if wish.seed is None else wish.seed
    timing = Timing(
        soa_ms=_given(wish.soa_ms, kind.soa_ms),
        jitter_ms=min(_given(wish.jitter_ms, kind.jitter_ms), _given(wish.soa_ms, kind.soa_ms) / 2),
        fixation_ms=_given(wish.fixation_ms, kind.fixation_ms),
        blank_ms=_given(wish.blank_ms, kind.blank_ms),
        prompt_ms=wish.prompt_ms,
    )
    now = clock.utc_now()
    session_id = f"{now[:10].replace('-', '')}-{now[11:19].replace(':', '')}-{secrets.token_hex(3)}"
    item_set = wish.item_set or kind.item_set
    planned = plan_trials(
        session_id, await responses_of(connection, item_set), timing, seed=seed, n_trials=wish.n_trials, trials_per_block=kind.trials_per_block
    )
    parameters = {
        "seed": seed, "soa_ms": timing.soa_ms, "jitter_ms": timing.jitter_ms, "prompt_ms": timing.prompt_ms,
        "fixation_ms": timing.fixation_ms, "blank_ms": timing.blank_ms, "n_trials": len(planned),
    }  # fmt: skip
    values = {
        "session_id": session_id, "recording_id": f"{session_id}-1", "subject": wish.subject, "protocol": kind.name, "task": kind.task,
        "state": SessionState.CREATED.value, "recording": RecordingState.NONE.value, "self_run": False, "source": None, "clock": None, "consent": wish.consent,
        "prior": _given(wish.prior, kind.prior), "soa_ms": timing.soa_ms, "item_set": item_set, "parameters": parameters,
        "decoder_name": decoder.name if decoder else None, "decoder_version": decoder.version if decoder else None, "created_at": now,
    }  # fmt: skip
    await _enter(connection, values, who)
    rows = [
        {
            "session_id": session_id, "trial": p.trial.trial, "block": p.trial.block, "repeat": p.trial.repeat, "presentation": p.trial.presentation,
            "item_set": p.item_set, "response_id": p.response_id, "plan": p.trial.model_dump(mode="json"), "state": "pending", "page_life": None, "shown": 0,
        }
        for p in planned
    ]  # fmt: skip
    await connection.execute(sa.insert(trials), rows)
    await move(connection, session_id, "prepare", f"{len(planned)} trials planned", who)
    return session_id


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


async def _enter(connection: AsyncConnection, values: dict[str, Any], who: str) -> bool:
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
    if not await _enter(connection, values, hello.daemon_id):
        update = sa.update(sessions).where(sessions.c.session_id == plan.session_id)
        await connection.execute(update.values(source=hello.source.value, clock=hello.clock.value))


async def enter_sessions_of(connection: AsyncConnection, rewards: Sequence[Reward]) -> None:
    """Enter sessions that are only known from rewards (the daemon has not said hello yet, or the database is a new one)."""
    for reward in {(r.session_id, r.recording_id): r for r in rewards}.values():
        values = _followed(reward.session_id, reward.recording_id, reward.subject, reward.protocol, reward.task, reward.prior)
        await _enter(
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
    state = next_state(SessionState(row["state"]), command)
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
    decoder = DecoderRef(name=row["decoder_name"], version=row["decoder_version"]) if row["decoder_name"] else None
    return SessionPlan(
        session_id=row["session_id"],
        recording_id=row["recording_id"],
        subject=row["subject"],
        protocol=row["protocol"],
        task=row["task"],
        soa_ms=row["soa_ms"],
        consent=row["consent"],
        prior=row["prior"],
        decoder=decoder,
    )
