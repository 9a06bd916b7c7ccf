"""The audit log: who changed what anybody may do, or what becomes of anybody's data."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server import clock
from server.tables import audit_log

DETAIL_CHARACTERS = 2000


async def audit(connection: AsyncConnection, who: str, what: str, about: str, detail: str = "") -> None:
    """Enter an action, in the transaction that carries it out: one is never there without the other.

    Parameters
    ----------
    connection : AsyncConnection
        A writing transaction.
    who : str
        Name of the token or account.
    what : str
        The action, for instance ``token created``.
    about : str
        What it was done to.
    detail : str
        Never a token, a password or neural data.
    """
    values = {"at": clock.utc_now(), "who": who[:128], "what": what, "about": about[:128], "detail": detail[:DETAIL_CHARACTERS]}
    await connection.execute(sa.insert(audit_log).values(values))


async def read_audit(connection: AsyncConnection, limit: int, before: int | None) -> list[dict[str, Any]]:
    """Read entries, the newest first; `before` is the position that the last page ended with."""
    query = sa.select(audit_log).order_by(audit_log.c.position.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_log.c.position < before)
    return [dict(row) for row in (await connection.execute(query)).mappings()]
