"""Ratings that a subject gives beside the EEG, as rows of the label log."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.identity import label_id
from messaging.pages import RatingGiven, Trial
from messaging.rewards import Quality, Reward
from messaging.words import ClockKind, LabelKind, RatingScale, ReleaseState, Signal, Source, TimeLock
from server.labels.log import append_rewards
from server.labels.row import RatingRow
from server.tables import sessions

_NOT_OF_A_RATING = (
    "onset_lsl_s", "offset_lsl_s", "onset_sd_ms", "onset_source", "sample_index", "window_ms", "soa_ms", "display_latency_ms", "llr", "llr_sd",
    "prior_removed", "p_error", "reward", "reward_sd", "reward_nc", "confidence", "release_reason", "decoder", "unit",
)  # fmt: skip


def graded(rating: RatingGiven) -> float:
    """Put a rating on the range of a value: -1 (worst) to 1 (best)."""
    best = 100.0 if rating.scale is RatingScale.SLIDER else 1.0
    return round(2.0 * rating.value / best - 1.0, 6)


async def append_rating(connection: AsyncConnection, session_id: str, trial: Trial, rating: RatingGiven) -> list[dict[str, Any]]:
    """Append the label of a rating, inside the caller's transaction.

    Parameters
    ----------
    connection : AsyncConnection
        A writing transaction.
    session_id : str
    trial : Trial
        What was rated.
    rating : RatingGiven

    Returns
    -------
    list of dict
        The new row; none where the session does not know yet what its EEG comes from, which it does before its first trial.

    Notes
    -----
    The row has kind `rating`, signal `value`, and no decoder: nothing in it comes from EEG. It says so by `llr` null; `value` is the rating from -1 to 1.
    """
    query = sa.select(sessions).where(sessions.c.session_id == session_id)
    session = (await connection.execute(query)).mappings().one()
    if session["source"] is None or session["clock"] is None:
        return []
    nothing = dict.fromkeys(_NOT_OF_A_RATING)
    reward = Reward(
        label_id=label_id(session_id, trial.presentation, LabelKind.RATING, None, Signal.VALUE, session["subject"]),
        kind=LabelKind.RATING,
        signal=Signal.VALUE,
        session_id=session_id,
        subject=session["subject"],
        recording_id=session["recording_id"],
        protocol=session["protocol"],
        task=session["task"],
        source=Source(session["source"]),
        clock=ClockKind(session["clock"]),
        consent=session["consent"],
        ordinal=0,
        block=trial.block,
        trial=trial.trial,
        presentation=trial.presentation,
        repeat=trial.repeat,
        time_lock=TimeLock.RESPONSE,
        prior=session["prior"],
        value=graded(rating),
        release=ReleaseState.OK,
        late=False,
        quality=Quality(),
        reference="",
        montage="",
        **nothing,
    )
    given = RatingRow(value=rating.value, scale=rating.scale.value, rt_ms=rating.rt_ms, scope="response")
    return await append_rewards(connection, [reward], {reward.label_id: given})
