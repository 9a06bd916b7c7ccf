"""Consent in versions: what a subject agreed to, until when, and whether a session may begin under it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from server import clock
from server.errors import BadRequest, Conflict
from server.tables import consents, subjects


class ConsentScope(StrEnum):
    """What a subject may agree to."""

    RECORDING = "recording"
    """EEG is recorded and decoded. No session begins without it."""
    TRAINING = "training"
    """Labels may be pulled for training. Without it every label of a session is held."""


class NewConsent(BaseModel):
    """A consent as it was given; every one is a new version, and none is ever changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scopes: Annotated[frozenset[ConsentScope], Field(min_length=1)]
    expires_at: datetime | None = None
    """None: until it is withdrawn."""
    note: Annotated[str, StringConstraints(max_length=2000)] = ""
    """For example the form's name and where the signed one is kept. No name of the person."""


async def give_consent(connection: AsyncConnection, subject: str, given: NewConsent, who: str) -> int:
    """Enter a consent; returns its version, counted from 1 for each subject.

    Raises
    ------
    Conflict
        The subject's data were erased.
    BadRequest
        It would have run out already.
    """
    row = (await connection.execute(sa.select(subjects).where(subjects.c.subject == subject).with_for_update())).mappings().first()
    refuse_erased(subject, row)
    now, ends = clock.utc_now(), clock.as_stored(given.expires_at) if given.expires_at else None
    if ends is not None and ends <= now:
        raise BadRequest(f"The consent ran out on {ends}, before it was entered.", "Give a later `expires_at`, or none.")
    last = (await connection.execute(sa.select(sa.func.max(consents.c.version)).where(consents.c.subject == subject))).scalar()
    version = int(last or 0) + 1
    values: dict[str, Any] = {
        "subject": subject, "version": version, "scopes": sorted(given.scopes), "note": given.note, "given_at": now, "expires_at": ends,
        "withdrawn_at": None, "entered_by": who[:128],
    }  # fmt: skip
    await connection.execute(sa.insert(consents).values(values))
    return version


async def consents_of(connection: AsyncConnection, subject: str) -> list[dict[str, Any]]:
    """All versions, the newest first."""
    query = sa.select(consents).where(consents.c.subject == subject).order_by(consents.c.version.desc())
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def refuse_erased(subject: str, row: Any) -> None:
    """Refuse a pseudonym whose data were erased.

    Raises
    ------
    Conflict
        They were, or are being.
    """
    if row is not None and row["erasing_since"] is not None:
        raise Conflict(f"The data of '{subject}' were erased.", "Use another pseudonym; this one stays closed.")


async def consent_for(connection: AsyncConnection, subject: str, *, required: bool) -> dict[str, Any] | None:
    """Find the consent under which a session of a subject may begin now.

    Parameters
    ----------
    connection : AsyncConnection
    subject : str
    required : bool
        A subject without any consent on file is refused too.

    Returns
    -------
    dict or None
        The newest version; None where none was ever entered.

    Raises
    ------
    Conflict
        There is none that counts: withdrawn, run out, without recording, or missing while it is required.
    """
    row = (await connection.execute(sa.select(subjects).where(subjects.c.subject == subject))).mappings().first()
    refuse_erased(subject, row)
    known = await consents_of(connection, subject)
    remedy = f"Enter a new one: `rlhb subject consent {subject}`, or POST /api/v1/subjects/{subject}/consents."
    if not known:
        if row is not None and row["withdrawn_at"] is not None:
            raise Conflict(f"'{subject}' took their consent back on {row['withdrawn_at']}.", remedy)
        if required:
            raise Conflict(f"No consent of '{subject}' is on file.", remedy)
        return None
    newest = known[0]
    if newest["withdrawn_at"] is not None:
        raise Conflict(f"'{subject}' took their consent back on {newest['withdrawn_at']}.", remedy)
    if newest["expires_at"] is not None and newest["expires_at"] <= clock.utc_now():
        raise Conflict(f"The consent of '{subject}' (version {newest['version']}) ran out on {newest['expires_at']}.", remedy)
    if ConsentScope.RECORDING not in newest["scopes"]:
        raise Conflict(f"The consent of '{subject}' (version {newest['version']}) does not cover recording.", remedy)
    return newest


async def check_still_given(connection: AsyncConnection, session: dict[str, Any], *, required: bool) -> None:
    """Check, before a session records, that the consent it was made under still counts.

    Raises
    ------
    Conflict
        It does not, or the session's labels were withdrawn.
    """
    if session["withdrawn"] is not None:
        raise Conflict(f"The labels of session {session['session_id']} were withdrawn: {session['withdrawn']}.", "Make a new session under a new consent.")
    now = await consent_for(connection, session["subject"], required=required)
    if now is not None and session["consent_version"] is not None and now["version"] != session["consent_version"]:
        raise Conflict(
            f"The session was made under version {session['consent_version']} of the consent; now version {now['version']} counts.", "Make a new session."
        )


def may_train(consent: dict[str, Any] | None) -> bool:
    """Whether labels under a consent may be handed out for training; a lab that keeps none here decides by itself."""
    return consent is None or ConsentScope.TRAINING in consent["scopes"]


def consent_text(consent: dict[str, Any]) -> str:
    """Write what a label says of the consent it was made under."""
    return f"version {consent['version']}: {', '.join(consent['scopes'])}"


def no_training(consent: dict[str, Any]) -> str:
    """Say why a session's labels are held."""
    return f"the consent (version {consent['version']}) does not cover training"
