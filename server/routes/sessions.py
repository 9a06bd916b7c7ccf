"""`/sessions`, `/recordings`, `/protocols`."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.concurrency import run_in_threadpool

from server import clock
from server.callers import Caller, Scope
from server.errors import NotFound
from server.labels.holds import count_labels
from server.registry_files import resolve_decoder
from server.routes.common import needs, page_of, service_of
from server.service import Service
from server.sessions.commands import Command, checked_start, command_session
from server.sessions.making import NewSession, make_session
from server.sessions.presenting import count_trials
from server.sessions.protocols import Protocol, all_protocols
from server.sessions.states import LIVE
from server.sessions.store import session_row
from server.tables import recordings, session_events, sessions, trials

router = APIRouter(tags=["sessions"])

Operator = Annotated[Caller, Depends(needs(Scope.SESSIONS_OPERATE))]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(max_length=200)]


class CommandBody(BaseModel):
    """The reason of a command, or a comment's text."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(max_length=4000)] = ""


@router.post("/sessions", status_code=201)
async def create_session(request: Request, wish: NewSession, caller: Operator) -> dict[str, Any]:
    """Make a session: trials are planned from the seed and stored, then it is ready."""
    service = service_of(request)
    decoder = resolve_decoder(service.settings.decoders_dir, wish.decoder) if wish.decoder else None
    if wish.start:
        await checked_start(service, decoder, "")  # refused before anything is made
    known = service.settings
    session_id = await make_session(service.database, wish, decoder, caller.name, known.protocols_dir, require_consent=known.require_consent)
    if wish.start:
        await command_session(service, session_id, "start", "", caller.name)
    service.switchboard.changed.ring()
    return await _shown(service, session_id)


@router.get("/sessions")
async def list_sessions(request: Request, caller: Operator, limit: Limit = 100, after: After = None, state: str | None = None) -> dict[str, Any]:
    """List sessions, newest first."""
    service = service_of(request)
    query = sa.select(sessions.c.session_id).order_by(sessions.c.created_at.desc(), sessions.c.session_id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(sessions.c.state == state)
    async with service.database.read() as connection:
        if after is not None:
            last = await session_row(connection, after)
            query = query.where(sa.tuple_(sessions.c.created_at, sessions.c.session_id) < sa.tuple_(last["created_at"], last["session_id"]))
        names = (await connection.execute(query)).scalars().all()
    return page_of([await _shown(service, name) for name in names], limit, "session_id")


async def _shown(service: Service, session_id: str) -> dict[str, Any]:
    async with service.database.read() as connection:
        row = await session_row(connection, session_id)
        n_trials, done = await count_trials(connection, session_id)
        n_labels, n_ok = await count_labels(connection, session_id)
    interrupted = row["self_run"] and row["state"] in LIVE and service.switchboard.interrupted(session_id, clock.server_time_s())
    return row | {"n_trials": n_trials, "trials_done": done, "labels": n_labels, "labels_ok": n_ok, "interrupted": bool(interrupted)}


@router.get("/sessions/{session_id}")
async def show_session(request: Request, session_id: str, caller: Operator) -> dict[str, Any]:
    """Show a session with everything that has happened to it."""
    service = service_of(request)
    shown = await _shown(service, session_id)
    query = sa.select(session_events).where(session_events.c.session_id == session_id).order_by(session_events.c.position)
    async with service.database.read() as connection:
        events = [dict(r) for r in (await connection.execute(query)).mappings()]
    return shown | {"events": events}


@router.get("/sessions/{session_id}/trials")
async def list_trials(request: Request, session_id: str, caller: Operator, limit: Limit = 100, after: After = None) -> dict[str, Any]:
    """List the trials of a session as they were planned, with their state."""
    start = int(after) if after and after.isascii() and after.isdigit() else -1
    query = sa.select(trials).where(trials.c.session_id == session_id, trials.c.trial > start).order_by(trials.c.trial).limit(limit + 1)
    async with service_of(request).database.read() as connection:
        await session_row(connection, session_id)
        rows = [dict(r) for r in (await connection.execute(query)).mappings()]
    return page_of(rows, limit, "trial")


@router.post("/sessions/{session_id}/{command}")
async def command(request: Request, session_id: str, command: Command, caller: Operator, body: CommandBody | None = None) -> dict[str, Any]:
    """Start, pause, resume, finish, abort, hold, release, or comment."""
    service = service_of(request)
    await command_session(service, session_id, command, body.text if body else "", caller.name)
    return await _shown(service, session_id)


async def _list(request: Request, table: sa.Table, key: sa.Column[Any], limit: int, after: str | None) -> dict[str, Any]:
    query = sa.select(table).order_by(key).limit(limit + 1)
    if after is not None:
        query = query.where(key > after)
    async with service_of(request).database.read() as connection:
        rows = [dict(r) for r in (await connection.execute(query)).mappings()]
    return page_of(rows, limit, key.name)


@router.get("/recordings")
async def list_recordings(request: Request, caller: Operator, limit: Limit = 100, after: After = None) -> dict[str, Any]:
    """List recordings and the session of each."""
    return await _list(request, recordings, recordings.c.recording_id, limit, after)


@router.get("/recordings/{recording_id}")
async def show_recording(request: Request, recording_id: str, caller: Operator) -> dict[str, Any]:
    """Show a recording."""
    async with service_of(request).database.read() as connection:
        row = (await connection.execute(sa.select(recordings).where(recordings.c.recording_id == recording_id))).mappings().first()
    if row is None:
        raise NotFound(f"There is no recording '{recording_id[:128]}'.", "GET /api/v1/recordings lists them.")
    return dict(row)


@router.get("/protocols")
async def list_protocols(request: Request, caller: Operator) -> dict[str, Any]:
    """List the protocols, shipped ones and the lab's own, with their values; files that are none with the reason (`damaged`)."""
    known = await run_in_threadpool(all_protocols, service_of(request).settings.protocols_dir)
    rows = [p.model_dump(mode="json") if isinstance(p, Protocol) else {"name": p.name, "damaged": p.reason} for p in known.values()]
    return {"items": rows, "next_cursor": None, "has_more": False}
