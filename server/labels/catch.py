"""Which labels are of catch trials, and whether what they are about is known to be right."""

from collections.abc import Set
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.records import UnitShown
from server.tables import marks, sessions

CATCH_ITEMS = "catch_items"
"""Key of a session's ``parameters``: the item set its catch trials come from."""


async def catch_words(connection: AsyncConnection, shown: Set[tuple[str, str, str]]) -> dict[tuple[str, str], frozenset[int]]:
    """Find the wrong words of responses that were catch trials.

    Parameters
    ----------
    connection : AsyncConnection
    shown : set of (session_id, item_set, response_id)

    Returns
    -------
    dict
        (session_id, response_id) of catch trials alone -> words that are wrong.
    """
    if not shown:
        return {}
    query = sa.select(sessions.c.session_id, sessions.c.parameters).where(sessions.c.session_id.in_({session_id for session_id, _, _ in shown}))
    sets = {session_id: (parameters or {}).get(CATCH_ITEMS) for session_id, parameters in (await connection.execute(query)).all()}
    caught = {(session_id, item_set, response_id) for session_id, item_set, response_id in shown if sets.get(session_id) == item_set}
    found: dict[tuple[str, str], frozenset[int]] = {}
    for session_id, item_set, response_id in caught:
        wrong = sa.select(marks.c.unit).where(marks.c.item_set == item_set, marks.c.response_id == response_id, marks.c.mark == "wrong")
        found[session_id, response_id] = frozenset((await connection.execute(wrong)).scalars().all())
    return found


def catch_of(unit: UnitShown | None, wrong: frozenset[int]) -> Literal["good", "bad"]:
    """Say of a unit, or of the whole response where there is none, whether it is known to be right."""
    if unit is None:
        return "bad" if wrong else "good"
    words = range(*unit.words) if unit.words is not None else (unit.index,)
    return "bad" if wrong.intersection(words) else "good"
