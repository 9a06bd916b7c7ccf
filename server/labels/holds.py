"""Holds and releases of a session by its operator: new revisions of its rows, so that every follower learns of them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.words import ReleaseState
from server import clock
from server.labels.log import append_revisions, lock_log, with_hold
from server.tables import labels, sessions

LABELS_AT_ONCE = 50
"""Labels that are read and revised in one go; the event loop answers others in between."""


async def set_operator_hold(connection: AsyncConnection, session_id: str, reason: str | None) -> list[dict[str, Any]]:
    """Hold every label of a session, or (reason None) give them the release again that their decoder gave them.

    Parameters
    ----------
    connection : AsyncConnection
        A writing transaction.
    session_id : str
    reason : str or None
        Labels that arrive while the hold lasts are held for the same reason.

    Returns
    -------
    list of dict
        The new rows, in `seq` order.

    Notes
    -----
    The rows are made in parts, each beside the event loop, but in the one transaction of the caller: readers see all of them or none.
    """
    await lock_log(connection)
    await connection.execute(sa.update(sessions).where(sessions.c.session_id == session_id).values(operator_hold=reason))
    lifted = sa.and_(labels.c.operator_hold.is_not(None), labels.c.release != ReleaseState.REVOKED)
    touched = labels.c.release == ReleaseState.OK if reason is not None else lifted
    found = latest_current(session_id).where(touched).subquery()
    covered = (await connection.execute(sa.select(found.c.seq, found.c.last_revision).order_by(found.c.seq))).all()
    created_at = clock.utc_now()
    rows: list[dict[str, Any]] = []
    for start in range(0, len(covered), LABELS_AT_ONCE):
        last_revision = {label.seq: label.last_revision for label in covered[start : start + LABELS_AT_ONCE]}
        query = sa.select(labels).where(labels.c.seq.in_(list(last_revision))).order_by(labels.c.seq)
        old = (await connection.execute(query)).mappings().all()
        rows += await append_revisions(connection, await asyncio.to_thread(_revisions, old, last_revision, reason, created_at))
    return rows


def _revisions(found: Sequence[sa.RowMapping], last_revision: Mapping[int, int], reason: str | None, created_at: str) -> list[dict[str, Any]]:
    """Make the next revision of every row whose verdict changes."""
    fresh = []
    for old in found:
        release, why = with_hold(ReleaseState(old["base_release"]), old["base_reason"], reason)
        if (release.value, why) == (old["release"], old["release_reason"]):
            continue
        values = dict(old)
        revision = last_revision[old["seq"]] + 1
        row = json.loads(old["row"]) | {"revision": revision, "release": release.value, "release_reason": why, "created_at": created_at}
        values |= {"revision": revision, "release": release.value, "release_reason": why, "operator_hold": reason, "created_at": created_at, "row": row}
        fresh.append(values)
    return fresh


def latest_current(session_id: str) -> sa.Select[Any]:
    """Select the newest row by a current decoder of every label of a session, with the label's last revision."""
    later = labels.alias("later")
    every = labels.alias("every")
    last = sa.select(sa.func.max(every.c.revision)).where(every.c.label_id == labels.c.label_id).scalar_subquery()
    newer = sa.select(later.c.seq).where(later.c.label_id == labels.c.label_id, later.c.current, later.c.seq > labels.c.seq).exists()
    return sa.select(labels, last.label("last_revision")).where(labels.c.session_id == session_id, labels.c.current, ~newer)


async def count_labels(connection: AsyncConnection, session_id: str) -> tuple[int, int]:
    """How many labels a session has, and how many of them are released."""
    found = latest_current(session_id).subquery()
    ok = sa.func.coalesce(sa.func.sum(sa.case((found.c.release == ReleaseState.OK.value, 1), else_=0)), 0)
    n_labels, n_ok = (await connection.execute(sa.select(sa.func.count(), ok).select_from(found))).one()
    return int(n_labels), int(n_ok)
