"""Catch trials: texts with known errors among the others, to see whether subject and decoder still do what they did in the calibration.

They are scored first and learnt from afterwards; their labels say `good` or `bad`, and are pulled and exported only when asked for.
"""

import random
from typing import Any

from server.sessions.protocols import Shows, Verdicts

LYING_SHARE = 0.5
"""Of the verdicts in catch trials: as many contradict the truth as say it."""


def with_catch(texts: list[dict[str, Any]], caught: list[dict[str, Any]], *, share: float, n_trials: int, seed: int) -> tuple[list[dict[str, Any]], int]:
    """Put catch trials among the responses of a session.

    Parameters
    ----------
    texts, caught : list of dict
        Rows of the table ``responses``: what is to be annotated, and what has known errors.
    share : float
        Catch trials as part of the others.
    n_trials : int
        Trials without them; more than there are texts shows these again.
    seed : int
        Draws which responses are taken.

    Returns
    -------
    list of dict
        To be shown in an order that the plan draws.
    int
        Trials with them.
    """
    per_round = round(share * min(n_trials, len(texts)))
    if not per_round or not caught:
        return texts, n_trials
    draw = random.Random(f"catch {seed}")  # noqa: S311 - a plan, not a secret
    drawn = draw.sample(caught, min(per_round, len(caught)))
    if n_trials < len(texts):
        # The plan shows all that it is given: else chance would decide how many catch trials there are.
        texts = draw.sample(texts, n_trials)
    rounds, left = divmod(n_trials, len(texts))
    return [*texts, *drawn], n_trials + rounds * len(drawn) + round(len(drawn) * left / len(texts))


def shows_of_catch(shows: Shows) -> Shows:
    """What a catch trial shows: as the others, but its verdicts go by the truth, or by its opposite."""
    if shows.verdict is None:
        return shows
    lying: Verdicts = shows.verdict.model_copy(update={"wrong_share": LYING_SHARE})
    return shows.model_copy(update={"verdict": lying})
