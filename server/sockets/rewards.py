"""`/ws/v1/rewards`: workers publish, consumers follow."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.websockets import WebSocket

from messaging.lab import ClockPing
from messaging.rewards import (
    CalibrationProgress,
    CalibrationResult,
    ConsumerHello,
    Fenced,
    RewardAck,
    RewardBatch,
    RewardsUp,
    Subscribe,
    WorkerHello,
    WorkerWelcome,
)
from server import clock
from server.callers import Caller, Scope
from server.database import insert_new
from server.errors import BadRequest
from server.labels.log import append_rewards
from server.outlet import Outlet
from server.service import Service
from server.sessions.calibrating import wish_of
from server.sessions.commands import count_rows
from server.sessions.store import enter_sessions_of
from server.sessions.verdict import take_result
from server.sockets.opening import messages_of, pong, serve_socket, text_of
from server.switchboard import Watcher
from server.tables import recordings, sessions

router = APIRouter()

_HELLO: TypeAdapter[Any] = TypeAdapter(RewardsUp)
_FROM_WORKER: TypeAdapter[RewardBatch | CalibrationProgress | CalibrationResult | ClockPing] = TypeAdapter(
    Annotated[RewardBatch | CalibrationProgress | CalibrationResult | ClockPing, Field(discriminator="type")]
)
_FROM_CONSUMER: TypeAdapter[Subscribe | ClockPing] = TypeAdapter(Subscribe | ClockPing)


@router.websocket("/ws/v1/rewards")
async def rewards_socket(websocket: WebSocket) -> None:
    """Take rewards of a worker, or give committed ones to a consumer; the first message says which."""
    scopes: dict[type[BaseModel], Scope] = {WorkerHello: Scope.REWARDS_PUBLISH, ConsumerHello: Scope.REWARDS_READ}
    await serve_socket(websocket, "rewards", scopes, _HELLO, _converse)


async def _converse(websocket: WebSocket, outlet: Outlet, caller: Caller, hello: WorkerHello | ConsumerHello) -> None:
    service: Service = websocket.app.state.service
    if isinstance(hello, WorkerHello):
        await _worker(service, websocket, outlet, hello)
    else:
        await _consumer(service, websocket, outlet)


async def _worker(service: Service, websocket: WebSocket, outlet: Outlet, hello: WorkerHello) -> None:
    board = service.switchboard
    board.workers[hello.recording_id] = hello
    board.changed.ring()
    try:
        async with service.database.read() as connection:
            epoch = await known_epoch(connection, hello.recording_id)
            session = (await connection.execute(sa.select(sessions).where(sessions.c.recording_id == hello.recording_id))).mappings().first()
        outlet.offer(WorkerWelcome(epoch=epoch, calibration=wish_of(dict(session), hello.recording_id) if session is not None else None))
        async for message in messages_of(websocket):
            parsed = _FROM_WORKER.validate_json(text_of(message))
            match parsed:
                case ClockPing():
                    outlet.offer(pong(parsed))
                case CalibrationProgress():
                    board.fits[hello.recording_id] = parsed
                    board.changed.ring()
                case CalibrationResult():
                    outlet.offer(await take_result(service, parsed))
                case RewardBatch():
                    outlet.offer(await commit_batch(service, parsed))
    finally:
        board.fits.pop(hello.recording_id, None)
        if board.workers.get(hello.recording_id) is hello:
            del board.workers[hello.recording_id]
        board.changed.ring()


async def commit_batch(service: Service, batch: RewardBatch) -> RewardAck | Fenced:
    """Commit a batch to the label log in one transaction, then tell everybody.

    Returns
    -------
    RewardAck or Fenced
        Fenced when a worker with a higher epoch has taken the recording over; nothing is committed then.

    Raises
    ------
    BadRequest
        A reward belongs to another recording than the batch.
    """
    foreign = next((r for r in batch.items if r.recording_id != batch.recording_id), None)
    if foreign is not None:
        raise BadRequest(f"A reward of recording {foreign.recording_id} came in a batch of {batch.recording_id}.", "Send one batch per recording.")
    async with service.database.write() as connection:
        newer = await _fence(connection, batch)
        if newer is not None:
            service.metrics.fenced.inc()
            return Fenced(epoch=newer)
        await enter_sessions_of(connection, batch.items)
        rows = await append_rewards(connection, batch.items)
    count_rows(service, rows)
    service.metrics.duplicates.inc(len(batch.items) - len(rows))
    await service.switchboard.tell_rows(rows)
    return RewardAck(batch=batch.batch)


async def known_epoch(connection: AsyncConnection, recording_id: str) -> int:
    """Highest epoch that has been seen for a recording; 0 for none."""
    found = (await connection.execute(sa.select(recordings.c.epoch).where(recordings.c.recording_id == recording_id))).scalar()
    return int(found or 0)


async def _fence(connection: AsyncConnection, batch: RewardBatch) -> int | None:
    """Raise the recording's epoch to the batch's; the higher one when the batch comes too late."""
    session_id = batch.items[0].session_id if batch.items else ""
    row = {"recording_id": batch.recording_id, "session_id": session_id, "epoch": batch.epoch, "created_at": clock.utc_now()}
    await insert_new(connection, recordings, [row])
    raised = sa.update(recordings).where(recordings.c.recording_id == batch.recording_id, recordings.c.epoch <= batch.epoch).values(epoch=batch.epoch)
    if (await connection.execute(raised)).rowcount:
        return None
    return await known_epoch(connection, batch.recording_id)


async def _consumer(service: Service, websocket: WebSocket, outlet: Outlet) -> None:
    board = service.switchboard
    watcher: Watcher | None = None
    try:
        async for message in messages_of(websocket):
            parsed = _FROM_CONSUMER.validate_json(text_of(message))
            if isinstance(parsed, ClockPing):
                outlet.offer(pong(parsed))
                continue
            if watcher is not None:
                board.watchers.discard(watcher)
            watcher = Watcher(outlet, frozenset(parsed.sessions))
            board.watchers.add(watcher)
    finally:
        if watcher is not None:
            board.watchers.discard(watcher)
