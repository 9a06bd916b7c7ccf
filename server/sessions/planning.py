"""The plan of a session: which response when, and each word's time. It follows from the seed alone and is stored."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from messaging.identity import digest
from messaging.pages import Trial, TrialUnit
from server.items import units_of

PROMPT_FIRST_MS = 800.0
PROMPT_WORD_MS = 300.0
PROMPT_SHORTEST_MS = 1500.0
PROMPT_LONGEST_MS = 8000.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a trial; `prompt_ms` None = by the prompt's length."""

    soa_ms: float
    jitter_ms: float
    fixation_ms: float
    blank_ms: float
    prompt_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial and which item it comes from."""

    item_set: str
    response_id: str
    trial: Trial


def presentation_id(session_id: str, trial: int, repeat: int) -> str:
    """Identity of one showing of one response."""
    return digest("presentation", session_id, trial, repeat)


def planned_trials(
    session_id: str,
    responses: list[dict[str, Any]],
    timing: Timing,
    *,
    seed: int,
    n_trials: int,
    trials_per_block: int,
    first: int = 0,
    in_all: int | None = None,
) -> Iterator[PlannedTrial]:
    """Plan a session, trial by trial.

    Parameters
    ----------
    session_id : str
    responses : list of dict
        Rows of the table ``responses``.
    timing : Timing
    seed : int
        Decides order and jitter.
    n_trials : int
        More than there are responses shows them again (with rising `repeat`), in a new order.
    trials_per_block : int
    first : int
        Number of the first trial; trials of the same session stand before it.
    in_all : int, optional
        Trials of the whole session; None: these.

    Yields
    ------
    PlannedTrial
        In the order of their numbers.
    """
    if not n_trials:
        return
    order = random.Random(f"order {seed}")  # noqa: S311 - a plan, not a secret
    for repeat in range(-(-n_trials // len(responses))):
        again = list(responses)
        order.shuffle(again)
        before = repeat * len(responses)
        for number, row in enumerate(again[: n_trials - before], start=first + before):
            jitter = random.Random(f"jitter {seed} {number}")  # noqa: S311
            block = -(-first // trials_per_block) + (number - first) // trials_per_block
            trial = _trial(session_id, row, timing, jitter, number=number, block=block, n_trials=in_all or n_trials, repeat=repeat)
            shown = number - first + 1
            if shown % trials_per_block == 0 and shown < n_trials:
                trial = trial.model_copy(update={"last_of_block": True})
            yield PlannedTrial(row["item_set"], row["response_id"], trial)


def plan_trials(
    session_id: str, responses: list[dict[str, Any]], timing: Timing, *, seed: int, n_trials: int | None, trials_per_block: int
) -> list[PlannedTrial]:
    """Plan a whole session at once; `n_trials` None shows every response once."""
    wanted = len(responses) if n_trials is None else n_trials
    return list(planned_trials(session_id, responses, timing, seed=seed, n_trials=wanted, trials_per_block=trials_per_block))


def _trial(session_id: str, row: dict[str, Any], timing: Timing, jitter: random.Random, *, number: int, block: int, n_trials: int, repeat: int) -> Trial:
    prompt_ms = reading_time_ms(row["prompt"]) if timing.prompt_ms is None else timing.prompt_ms
    onset_ms = prompt_ms + timing.fixation_ms
    units = []
    for index, (start, end, text) in enumerate(units_of(row["text"])):
        units.append(
            TrialUnit(
                index=index, text=text, item_id=row["item_id"], response_id=row["response_id"], char_start=start, char_end=end, onset_ms=round(onset_ms, 3)
            )
        )
        onset_ms += timing.soa_ms + jitter.uniform(-timing.jitter_ms, timing.jitter_ms)
    return Trial(
        trial=number,
        block=block,
        n_trials=n_trials,
        presentation=presentation_id(session_id, number, repeat),
        repeat=repeat,
        prompt=row["prompt"],
        prompt_ms=prompt_ms,
        fixation_ms=timing.fixation_ms,
        units=tuple(units),
        blank_ms=timing.blank_ms,
    )


def reading_time_ms(prompt: str) -> float:
    """How long a prompt stays: by its words, within bounds; none at all for none."""
    words = len(prompt.split())
    if words == 0:
        return 0.0
    return min(PROMPT_LONGEST_MS, max(PROMPT_SHORTEST_MS, PROMPT_FIRST_MS + PROMPT_WORD_MS * words))
