"""Labels taken back: revoked by a new revision, so that every follower learns of it; erased: their contents gone."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.words import ReleaseState
from server import clock
from server.labels.log import append_revisions, lock_log
from server.tables import labels

LABELS_AT_ONCE = 50


async def revoke_labels(connection: AsyncConnection, session_id: str, reason: str) -> list[dict[str, Any]]:
    """Revoke every label of a session, of every decoder; what is revoked already stays as it is.

    Parameters
    ----------
    connection : AsyncConnection
        A writing transaction.
    session_id : str
    reason : str
        Stands in the rows.

    Returns
    -------
    list of dict
        The new rows, in `seq` order.
    """
    await lock_log(connection)
    newest = (
        sa.select(sa.func.max(labels.c.seq).label("seq"))
        .where(labels.c.session_id == session_id)
        .group_by(labels.c.label_id, labels.c.current, labels.c.decoder_sha256)
        .subquery()
    )
    query = sa.select(labels.c.seq, labels.c.label_id).join(newest, newest.c.seq == labels.c.seq).where(labels.c.release != ReleaseState.REVOKED.value)
    covered = (await connection.execute(query.order_by(labels.c.seq))).all()
    of_label = sa.select(labels.c.label_id, sa.func.max(labels.c.revision)).where(labels.c.session_id == session_id).group_by(labels.c.label_id)
    last: dict[str, int] = {row[0]: row[1] for row in await connection.execute(of_label)}
    created_at = clock.utc_now()
    rows: list[dict[str, Any]] = []
    for start in range(0, len(covered), LABELS_AT_ONCE):
        part = sa.select(labels).where(labels.c.seq.in_([c.seq for c in covered[start : start + LABELS_AT_ONCE]])).order_by(labels.c.seq)
        old = (await connection.execute(part)).mappings().all()
        rows += await append_revisions(connection, await asyncio.to_thread(_revoked, old, last, reason, created_at))
    return rows


def _revoked(found: Sequence[sa.RowMapping], last: dict[str, int], reason: str, created_at: str) -> list[dict[str, Any]]:
    fresh = []
    for old in found:
        last[old["label_id"]] += 1
        change = {"revision": last[old["label_id"]], "release": ReleaseState.REVOKED.value, "release_reason": reason, "created_at": created_at}
        fresh.append(dict(old) | change | {"row": json.loads(old["row"]) | change})
    return fresh


async def erase_labels(connection: AsyncConnection, session_id: str) -> int:
    """Wipe the contents of all rows of a session; returns how many labels there were.

    Notes
    -----
    Identity, place in the log, release and what filters need to find the row again stay: without them a follower who has the label
    would not learn that it counts no more. Values, texts, times, quality and confidence go.
    """
    await lock_log(connection)
    n_labels = (await connection.execute(sa.select(sa.func.count(labels.c.label_id.distinct())).where(labels.c.session_id == session_id))).scalar_one()
    nothing = {"row": "{}", "confidence": None, "base_reason": None, "operator_hold": None, "text_id": None, "content_sha256": "", "erased": True}
    await connection.execute(sa.update(labels).where(labels.c.session_id == session_id, ~labels.c.erased).values(nothing))
    reasons = sa.update(labels).where(labels.c.session_id == session_id, labels.c.release != ReleaseState.REVOKED.value)
    await connection.execute(reasons.values(release_reason=None))
    return int(n_labels)
