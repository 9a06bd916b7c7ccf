"""The outbox: events for the ordered log, kept until the daemon has recorded them. Putting one in twice is harmless."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.lab import LabEvent
from server import clock
from server.database import insert_new
from server.tables import outbox


async def put(connection: AsyncConnection, events: Iterable[LabEvent]) -> int:
    """Put events in; those that are in already stay as they are.

    Returns
    -------
    int
        How many were new.
    """
    now = clock.utc_now()
    rows = [
        {"event_id": e.event_id, "session_id": e.session_id, "payload": e.model_dump_json(exclude_none=True), "recorded": False, "created_at": now}
        for e in events
    ]
    return await insert_new(connection, outbox, rows)


async def waiting(connection: AsyncConnection, session_id: str, limit: int = 1000) -> list[LabEvent]:
    """Events of a session that are not yet recorded, in their order.

    Parameters
    ----------
    connection : AsyncConnection
    session_id : str
    limit : int
    """
    query = sa.select(outbox.c.payload).where(outbox.c.session_id == session_id, ~outbox.c.recorded)
    rows = await connection.execute(query.order_by(outbox.c.position).limit(limit))
    return [LabEvent.model_validate_json(payload) for (payload,) in rows]


async def count_waiting(connection: AsyncConnection, session_id: str) -> int:
    """How many events of a session the daemon has not recorded yet."""
    query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.session_id == session_id, ~outbox.c.recorded)
    return int((await connection.execute(query)).scalar_one())


async def mark_recorded(connection: AsyncConnection, event_ids: Iterable[str]) -> None:
    """Take note that events are in the recording."""
    ids = list(event_ids)
    for start in range(0, len(ids), 500):
        await connection.execute(sa.update(outbox).where(outbox.c.event_id.in_(ids[start : start + 500])).values(recorded=True))
