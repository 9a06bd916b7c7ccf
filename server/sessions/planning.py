"""The plan of a session: which response when, and each word's time. It follows from the seed alone and is stored."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from messaging.identity import digest
from messaging.pages import RatingAsked, ShownBefore, Trial, TrialUnit
from messaging.records import StepShown
from messaging.words import TimeLock
from server.sessions.catch import shows_of_catch
from server.sessions.markers import Marks, marker_of
from server.sessions.protocols import Ratings, Shows, Verdicts
from server.sessions.units import Piece, UnitOf, pieces_of

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


WORDS = Shows()


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
    shows: Shows = WORDS,
    marks: Mapping[str, Marks] | None = None,
    catch_set: str | None = None,
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
    shows : Shows
        What is one unit, and whether a sign follows each.
    marks : mapping, optional
        response_id -> mark -> words, for the signs; no mark itself stands in a plan.
    catch_set : str, optional
        Item set of the catch trials among `responses`.

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
            shown_as = shows_of_catch(shows) if row["item_set"] == catch_set else shows
            units = _units(row, timing, shown_as, (marks or {}).get(row["response_id"], {}), jitter)
            trial = _trial(session_id, row, timing, units, number=number, block=block, n_trials=in_all or n_trials, repeat=repeat)
            if shows.rating is not None and jitter.random() < shows.rating.share:
                trial = trial.model_copy(update={"rating": _asked(shows.rating, row["text"] if shows.units is UnitOf.NONE else None)})
            if shows.verdict is not None:
                # A sign stays until the next phrase; after the last, as long as that takes at most.
                trial = trial.model_copy(update={"unit_ms": timing.soa_ms + timing.jitter_ms})
            shown = number - first + 1
            if shown % trials_per_block == 0 and shown < n_trials:
                trial = trial.model_copy(update={"last_of_block": True})
            yield PlannedTrial(row["item_set"], row["response_id"], trial)


def plan_trials(
    session_id: str,
    responses: list[dict[str, Any]],
    timing: Timing,
    *,
    seed: int,
    n_trials: int | None,
    trials_per_block: int,
    shows: Shows = WORDS,
    marks: Mapping[str, Marks] | None = None,
) -> list[PlannedTrial]:
    """Plan a whole session at once; `n_trials` None shows every response once."""
    wanted = len(responses) if n_trials is None else n_trials
    return list(planned_trials(session_id, responses, timing, seed=seed, n_trials=wanted, trials_per_block=trials_per_block, shows=shows, marks=marks))


def _units(row: dict[str, Any], timing: Timing, shows: Shows, marks: Marks, draw: random.Random) -> tuple[TrialUnit, ...]:
    """Cut a response and give each unit its time; draws from `draw` alone."""
    at_ms = _prompt_ms(row, timing) + timing.fixation_ms
    units = []
    for index, piece in enumerate(pieces_of(row["text"], shows.units, shows.phrase_words)):
        unit = TrialUnit(
            index=index,
            text=piece.text,
            item_id=row["item_id"],
            response_id=row["response_id"],
            char_start=piece.char_start,
            char_end=piece.char_end,
            onset_ms=round(at_ms, 3),
            words=None if shows.units is UnitOf.WORD else (piece.first_word, piece.end_word),
            step=_step(row["response_id"], index) if shows.units is UnitOf.STEP else None,
        )
        if shows.verdict is not None:
            unit = _with_sign(unit, piece, shows.verdict, marks, draw)
        units.append(unit)
        at_ms = unit.onset_ms + timing.soa_ms + draw.uniform(-timing.jitter_ms, timing.jitter_ms)
    return tuple(units)


def _step(response_id: str, index: int) -> StepShown:
    return StepShown(step_id=f"{response_id}.{index}", parent_id=f"{response_id}.{index - 1}" if index else None)


def _with_sign(unit: TrialUnit, piece: Piece, verdict: Verdicts, marks: Marks, draw: random.Random) -> TrialUnit:
    """Let a unit be read first; its onset is then that of the sign."""
    marker = marker_of(piece, verdict, marks, draw)
    read_ms = verdict.first_word_ms + verdict.word_ms * (piece.end_word - piece.first_word)
    delay_ms = verdict.delay_ms + draw.uniform(-verdict.delay_jitter_ms, verdict.delay_jitter_ms)
    return unit.model_copy(
        update={
            "before": ShownBefore(onset_ms=unit.onset_ms, duration_ms=read_ms),
            "onset_ms": round(unit.onset_ms + read_ms + delay_ms, 3),
            "sign": getattr(verdict, marker.polarity),
            "marker": marker,
            "time_lock": TimeLock.MARKER,
        }
    )


def _asked(rating: Ratings, text: str | None) -> RatingAsked:
    return RatingAsked(scale=rating.scale, question=rating.question, low=rating.low, high=rating.high, text=text)


def _prompt_ms(row: dict[str, Any], timing: Timing) -> float:
    return reading_time_ms(row["prompt"]) if timing.prompt_ms is None else timing.prompt_ms


def _trial(session_id: str, row: dict[str, Any], timing: Timing, units: tuple[TrialUnit, ...], *, number: int, block: int, n_trials: int, repeat: int) -> Trial:
    return Trial(
        trial=number,
        block=block,
        n_trials=n_trials,
        presentation=presentation_id(session_id, number, repeat),
        repeat=repeat,
        prompt=row["prompt"],
        prompt_ms=_prompt_ms(row, timing),
        fixation_ms=timing.fixation_ms,
        units=units,
        blank_ms=timing.blank_ms,
    )


def reading_time_ms(prompt: str) -> float:
    """How long a prompt stays: by its words, within bounds; none at all for none."""
    words = len(prompt.split())
    if words == 0:
        return 0.0
    return min(PROMPT_LONGEST_MS, max(PROMPT_SHORTEST_MS, PROMPT_FIRST_MS + PROMPT_WORD_MS * words))
