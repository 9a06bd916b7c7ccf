"""Making a session: its trials are planned beside the event loop and entered in parts; it is ready when all of them are there."""

import asyncio
import secrets
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.records import DecoderRef
from server import clock
from server.database import Database
from server.errors import BadRequest
from server.items import Identity, marks_of, responses_of
from server.labels.catch import CATCH_ITEMS
from server.sessions.calibrating import KEY, CalibrationCourse
from server.sessions.catch import with_catch
from server.sessions.planning import PlannedTrial, Timing, planned_trials
from server.sessions.protocols import Protocol, Shows, calibration_for, protocol
from server.sessions.states import RecordingState, SessionState
from server.sessions.store import enter, move
from server.subjects.consent import consent_for, consent_text, may_train, no_training
from server.tables import sessions, trials

TRIALS_AT_ONCE = 50
"""Trials of one transaction: the log of labels and the onsets of a running session wait no longer than for these."""

Milliseconds = Annotated[float, Field(ge=0, le=60_000)]


class NewSession(BaseModel):
    """What a session is to be; None takes the protocol's value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    subject: Identity
    protocol: str = "token_rsvp"
    item_set: Identity | None = None
    soa_ms: Annotated[float, Field(ge=50, le=10_000)] | None = None
    jitter_ms: Milliseconds | None = None
    prompt_ms: Milliseconds | None = None
    """None: by the prompt's length."""
    fixation_ms: Milliseconds | None = None
    blank_ms: Milliseconds | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    n_trials: Annotated[int, Field(ge=1, le=10_000)] | None = None
    decoder: Annotated[str, StringConstraints(max_length=200)] | None = None
    """``NAME`` or ``NAME@VERSION``."""
    prior: Annotated[float, Field(gt=0, lt=1)] | None = None
    catch_share: Annotated[float, Field(ge=0, le=0.2)] | None = None
    """Catch trials among the texts, as part of them."""
    catch_items: Identity | None = None
    consent: Annotated[str, StringConstraints(max_length=256)] | None = None
    start: bool = False
    """Start at once."""
    calibrate: bool = False
    """Calibrate first: texts with known errors are shown, and the session's decoder is fitted on them. No `decoder` is named then."""
    calibration_items: Identity | None = None
    n_calibration_trials: Annotated[int, Field(ge=1, le=10_000)] | None = None


async def make_session(database: Database, wish: NewSession, decoder: DecoderRef | None, who: str, protocols: Path, *, require_consent: bool = False) -> str:
    """Make a session with all its trials; it is ready then.

    Parameters
    ----------
    database : Database
    wish : NewSession
    decoder : DecoderRef or None
    who : str
        For the session's journal.
    protocols : Path
        Folder of the lab's own protocols.
    require_consent : bool
        A subject without a consent on file is refused.

    Returns
    -------
    str
        The session's identity.

    Raises
    ------
    NotFound
        Unknown protocol or item set.
    Conflict
        The subject's consent does not allow it.

    Notes
    -----
    Until the last trial is in, the session stays `created` and takes no command but abort.
    """
    kind = await asyncio.to_thread(protocol, wish.protocol, protocols)
    if wish.calibrate and wish.decoder is not None:
        raise BadRequest(f"The session is to calibrate and to use the decoder '{wish.decoder}'.", "Leave out `decoder`, or `calibrate`.")
    timing = _timing(wish, kind)
    seed = secrets.randbits(32) if wish.seed is None else wish.seed
    now = clock.utc_now()
    session_id = f"{now[:10].replace('-', '')}-{now[11:19].replace(':', '')}-{secrets.token_hex(3)}"
    async with database.write() as connection:
        consent = await consent_for(connection, wish.subject, required=require_consent)
        item_set = wish.item_set or kind.item_set
        responses = await responses_of(connection, item_set)
        marks = await _marks(connection, item_set, kind.shows)
        n_trials = wish.n_trials or kind.n_trials or len(responses)
        catch_set, caught, caught_marks = await _caught(connection, wish, kind, item_set)
        share = kind.catch_share if wish.catch_share is None else wish.catch_share
        responses, n_trials = with_catch(responses, caught, share=share, n_trials=n_trials, seed=seed)
        values = _values(session_id, now, wish, kind, timing, decoder, seed=seed, n_trials=n_trials)
        first, shown_before = await _calibration(connection, wish, calibration_for(kind.task, protocols)) if wish.calibrate else (None, [])
        n_first = first.rounds[0][1] if first is not None else 0
        marks_before = await _marks(connection, first.item_set, first.shows) if first is not None else {}
        values |= _under(consent, wish.consent)
        values["parameters"] |= {} if catch_set is None else {CATCH_ITEMS: catch_set}
        if first is not None:
            values["parameters"][KEY] = first.model_dump(mode="json")
        await enter(connection, values, who)
    common: dict[str, Any] = {"seed": seed, "in_all": n_first + n_trials}
    before: dict[str, Any] = {} if first is None else {"trials_per_block": first.trials_per_block, "shows": first.shows, "marks": marks_before}
    texts: dict[str, Any] = {
        "trials_per_block": kind.trials_per_block,
        "shows": kind.shows,
        "marks": marks | caught_marks,
        "first": n_first,
        "catch_set": catch_set,
    }
    plan = chain(
        planned_trials(session_id, shown_before, timing, n_trials=n_first, **({"trials_per_block": 1} | before), **common),
        planned_trials(session_id, responses, timing, n_trials=n_trials, **texts, **common),
    )
    try:
        # Each part in a thread: pages, lab and worker are answered meanwhile.
        while rows := await asyncio.to_thread(lambda: [_trial_row(session_id, p) for p in islice(plan, TRIALS_AT_ONCE)]):
            async with database.write() as connection:
                await connection.execute(sa.insert(trials), rows)
        async with database.write() as connection:
            planned = f"{n_trials} trials planned" + (f", after {n_first} to calibrate" if n_first else "")
            await move(connection, session_id, "check" if wish.calibrate else "prepare", planned, who)
    except BaseException:
        async with database.write() as connection:
            await abandon(connection, session_id)
        raise
    return session_id


async def _marks(connection: AsyncConnection, item_set: str, shows: Shows) -> dict[str, dict[str, list[int]]]:
    """Read the marks that decide about signs; none where no sign is shown.

    Raises
    ------
    BadRequest
        Signs are to contradict the marks, and there are none.
    """
    if shows.verdict is None:
        return {}
    marked = await marks_of(connection, item_set)
    if shows.verdict.wrong_share is not None and not any("wrong" in marks for marks in marked.values()):
        raise BadRequest(f"No word of the item set '{item_set}' is marked as wrong.", "Calibrate with items whose errors are marked.")
    return marked


async def _caught(
    connection: AsyncConnection, wish: NewSession, kind: Protocol, item_set: str
) -> tuple[str | None, list[dict[str, Any]], dict[str, dict[str, list[int]]]]:
    """Look the catch trials' item set up: its name, responses and marks; None and nothing where none are wanted.

    Raises
    ------
    BadRequest
        It is the set that is annotated, or nothing is marked as wrong in it.
    """
    if not (kind.catch_share if wish.catch_share is None else wish.catch_share):
        return None, [], {}
    found = wish.catch_items or kind.catch_items
    if found == item_set:
        raise BadRequest(
            f"Catch trials and texts both come from '{item_set}'; nobody could tell them apart.", "Name another set in `catch_items`, or `catch_share` 0."
        )
    rows, marked = await responses_of(connection, found), await marks_of(connection, found)
    if not any("wrong" in marks for marks in marked.values()):
        raise BadRequest(f"No word of the item set '{found}' is marked as wrong.", "Take catch trials from items whose errors are marked.")
    return found, rows, marked


async def _calibration(connection: AsyncConnection, wish: NewSession, shows: Protocol) -> tuple[CalibrationCourse, list[dict[str, Any]]]:
    """Look the items of a calibration up.

    Raises
    ------
    BadRequest
        Nothing is marked as wrong in them.
    """
    item_set = wish.calibration_items or shows.item_set
    shown = await responses_of(connection, item_set)
    if not any("wrong" in marks for marks in (await marks_of(connection, item_set)).values()):
        raise BadRequest(f"No word of the item set '{item_set}' is marked as wrong.", "Calibrate with items whose errors are marked.")
    n_trials = wish.n_calibration_trials or shows.n_trials or len(shown)
    return CalibrationCourse.of(shows, item_set, rounds=((0, n_trials),)), shown


async def plan_again(connection: AsyncConnection, row: dict[str, Any], course: CalibrationCourse | None) -> CalibrationCourse:
    """Plan one more round of calibration after all other trials; a session that had none gets its first."""
    if course is None:
        shows = calibration_for(row["task"])
        course = CalibrationCourse.of(shows, shows.item_set, rounds=())
    shown = await responses_of(connection, course.item_set)
    n_trials = course.rounds[-1][1] if course.rounds else course.n_trials or len(shown)
    first = int((await connection.execute(sa.select(sa.func.max(trials.c.trial)).where(trials.c.session_id == row["session_id"]))).scalar() or 0) + 1
    known = row["parameters"]
    timing = Timing(**{name: known[name] for name in ("soa_ms", "jitter_ms", "fixation_ms", "blank_ms", "prompt_ms")})
    marks = await _marks(connection, course.item_set, course.shows)
    common: dict[str, Any] = {"trials_per_block": course.trials_per_block, "first": first, "in_all": first + n_trials, "shows": course.shows, "marks": marks}
    plan = planned_trials(row["session_id"], shown, timing, seed=known["seed"] + first, n_trials=n_trials, **common)
    await connection.execute(sa.insert(trials), [_trial_row(row["session_id"], p) for p in plan])
    return course.model_copy(update={"rounds": (*course.rounds, (first, n_trials)), "active": True, "result": None})


def _under(consent: dict[str, Any] | None, told: str | None) -> dict[str, Any]:
    """Say under which consent a session is made; one that does not cover training holds every label.

    Raises
    ------
    BadRequest
        Another consent was named than the one on file.
    """
    if consent is None:
        return {"consent": told, "consent_version": None}
    text = consent_text(consent)
    if told not in (None, text):
        raise BadRequest(f"The consent on file is '{text}', not '{told}'.", "Leave `consent` out: it is taken from the file.")
    return {"consent": text, "consent_version": consent["version"], "operator_hold": None if may_train(consent) else no_training(consent)}


def _timing(wish: NewSession, kind: Protocol) -> Timing:
    soa_ms = _given(wish.soa_ms, kind.soa_ms)
    return Timing(
        soa_ms=soa_ms,
        jitter_ms=min(_given(wish.jitter_ms, kind.jitter_ms), soa_ms / 2),
        fixation_ms=_given(wish.fixation_ms, kind.fixation_ms),
        blank_ms=_given(wish.blank_ms, kind.blank_ms),
        prompt_ms=kind.prompt_ms if wish.prompt_ms is None else wish.prompt_ms,
    )


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _values(
    session_id: str, now: str, wish: NewSession, kind: Protocol, timing: Timing, decoder: DecoderRef | None, *, seed: int, n_trials: int
) -> dict[str, Any]:
    parameters = {
        "seed": seed, "soa_ms": timing.soa_ms, "jitter_ms": timing.jitter_ms, "prompt_ms": timing.prompt_ms,
        "fixation_ms": timing.fixation_ms, "blank_ms": timing.blank_ms, "n_trials": n_trials,
        "instruction": kind.instruction,
    }  # fmt: skip
    return {
        "session_id": session_id, "recording_id": f"{session_id}-1", "subject": wish.subject, "protocol": kind.name, "task": kind.task,
        "state": SessionState.CREATED.value, "recording": RecordingState.NONE.value, "self_run": False, "source": None, "clock": None, "consent": wish.consent,
        "prior": _given(wish.prior, kind.prior), "soa_ms": timing.soa_ms, "item_set": wish.item_set or kind.item_set, "parameters": parameters,
        "decoder_name": decoder.name if decoder else None, "decoder_version": decoder.version if decoder else None, "created_at": now,
    }  # fmt: skip


def _trial_row(session_id: str, planned: PlannedTrial) -> dict[str, Any]:
    trial = planned.trial
    return {
        "session_id": session_id, "trial": trial.trial, "block": trial.block, "repeat": trial.repeat, "presentation": trial.presentation,
        "item_set": planned.item_set, "response_id": planned.response_id, "plan": trial.model_dump(mode="json"), "state": "pending", "page_life": None,
        "shown": 0,
    }  # fmt: skip


async def abandon(connection: AsyncConnection, session_id: str) -> None:
    """End a session whose plan was not completed; one that somebody aborted meanwhile stays as it is."""
    state = (await connection.execute(sa.select(sessions.c.state).where(sessions.c.session_id == session_id))).scalar()
    if state == SessionState.CREATED:
        await move(connection, session_id, "abort", "its trials were not planned to the end; make a new session", "server")


async def abandon_all_unplanned(connection: AsyncConnection) -> None:
    """End the sessions that a server left half planned when it died; only for a database that one server uses."""
    query = sa.select(sessions.c.session_id).where(sessions.c.state == SessionState.CREATED.value)
    for session_id in (await connection.execute(query)).scalars().all():
        await abandon(connection, session_id)
