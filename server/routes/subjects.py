"""`/subjects`: pseudonyms, what they agreed to, withdrawal, erasure; and `/audit`."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from server import clock
from server.audit import audit, read_audit
from server.callers import Caller, Scope
from server.database import insert_new
from server.errors import BadRequest
from server.items import Identity
from server.labels.holds import count_labels
from server.routes.common import needs, page_of, service_of
from server.subjects.consent import NewConsent, consent_text, consents_of, give_consent
from server.subjects.taking_back import erase, subject_row, withdraw
from server.tables import sessions, subjects

router = APIRouter(tags=["subjects"])

Operator = Annotated[Caller, Depends(needs(Scope.SESSIONS_OPERATE))]
Admin = Annotated[Caller, Depends(needs(Scope.ADMIN))]


class NewSubject(BaseModel):
    """A pseudonym, with the consent that was given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Identity
    consent: NewConsent | None = None


class Withdrawal(BaseModel):
    """Why; may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, StringConstraints(max_length=500)] = ""


@router.get("/subjects")
async def list_subjects(
    request: Request, caller: Operator, limit: Annotated[int, Query(ge=1, le=500)] = 100, after: Annotated[str | None, Query(max_length=200)] = None
) -> dict[str, Any]:
    """List subjects by pseudonym, with the newest version of what each agreed to."""
    query = sa.select(subjects).order_by(subjects.c.subject).limit(limit + 1)
    if after is not None:
        query = query.where(subjects.c.subject > after)
    async with service_of(request).database.read() as connection:
        rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        for row in rows:
            row["consent"] = next(iter(await consents_of(connection, row["subject"])), None)
    return page_of(rows, limit, "subject")


@router.post("/subjects", status_code=201)
async def create_subject(request: Request, body: NewSubject, caller: Operator) -> dict[str, Any]:
    """Enter a pseudonym, and the consent that was given; one that is there already gets a new version of the consent."""
    async with service_of(request).database.write() as connection:
        await insert_new(connection, subjects, [{"subject": body.subject, "created_at": clock.utc_now()}])
        if body.consent is not None:
            await _enter(connection, body.subject, body.consent, caller.name)
    return await _shown(request, body.subject)


@router.get("/subjects/{subject}")
async def show_subject(request: Request, subject: str, caller: Operator) -> dict[str, Any]:
    """Show a subject: every version of the consent, sessions, labels."""
    return await _shown(request, subject)


@router.post("/subjects/{subject}/consents", status_code=201)
async def add_consent(request: Request, subject: str, body: NewConsent, caller: Operator) -> dict[str, Any]:
    """Enter a new version of a subject's consent; sessions that begin from now on are made under it."""
    async with service_of(request).database.write() as connection:
        await subject_row(connection, subject)
        await _enter(connection, subject, body, caller.name)
    return await _shown(request, subject)


@router.post("/subjects/{subject}/withdraw")
async def withdraw_consent(request: Request, subject: str, caller: Operator, body: Withdrawal | None = None) -> dict[str, Any]:
    """Take the consent back: every label of every session so far is revoked, snapshots that held one answer 410 with their successor."""
    return await withdraw(service_of(request), subject, body.reason.strip() if body else "", caller.name)


@router.delete("/subjects/{subject}")
async def erase_subject(request: Request, subject: str, caller: Admin) -> dict[str, Any]:
    """Erase what is kept of a subject. It cannot be undone; doing it again is harmless."""
    return await erase(service_of(request), subject, caller.name)


async def _enter(connection: Any, subject: str, consent: NewConsent, who: str) -> None:
    version = await give_consent(connection, subject, consent, who)
    await audit(connection, who, "consent entered", subject, consent_text({"version": version, "scopes": sorted(consent.scopes)}))


async def _shown(request: Request, subject: str) -> dict[str, Any]:
    async with service_of(request).database.read() as connection:
        row = await subject_row(connection, subject)
        known = await consents_of(connection, subject)
        session_ids = (await connection.execute(sa.select(sessions.c.session_id).where(sessions.c.subject == subject))).scalars().all()
        counted = [await count_labels(connection, session_id) for session_id in session_ids]
    n_labels, n_ok = sum(n for n, _ in counted), sum(ok for _, ok in counted)
    return row | {"consents": known, "sessions": sorted(session_ids), "labels": n_labels, "labels_ok": n_ok}


@router.get("/audit")
async def list_audit(
    request: Request, caller: Admin, limit: Annotated[int, Query(ge=1, le=500)] = 100, after: Annotated[str | None, Query(max_length=20)] = None
) -> dict[str, Any]:
    """List the audit log, the newest entry first."""
    if after is not None and not (after.isascii() and after.isdigit()):
        raise BadRequest(f"The cursor '{after}' is none of this list.", "Begin again without `after`.")
    async with service_of(request).database.read() as connection:
        rows = await read_audit(connection, limit + 1, int(after[:18]) if after is not None else None)
    return page_of(rows, limit, "position")
