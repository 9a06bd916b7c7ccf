"""`/sessions/{session_id}/link`: an address for the subject's screen, which opens that session and nothing else."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from server import clock
from server.access import token_hash
from server.audit import audit
from server.callers import Caller, Scope
from server.routes.common import needs, service_of
from server.sessions.store import session_row
from server.tables import tokens

router = APIRouter(tags=["sessions"])


class NewLink(BaseModel):
    """How long the link counts."""

    model_config = ConfigDict(extra="forbid")

    hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12.0


@router.post("/sessions/{session_id}/link", status_code=201)
async def make_link(
    request: Request, session_id: str, caller: Annotated[Caller, Depends(needs(Scope.SESSIONS_OPERATE))], body: NewLink | None = None
) -> dict[str, Any]:
    """Make a link for the subject's screen, on this machine or another one. It is shown this once; a new one makes those of before void."""
    token = f"rlhb_{secrets.token_urlsafe(32)}"
    ends = clock.as_stored(datetime.now(UTC) + timedelta(hours=(body or NewLink()).hours))
    row: dict[str, Any] = {
        "token_id": secrets.token_hex(8), "sha256": token_hash(token), "name": f"subject of {session_id}"[:128], "scopes": [], "created_at": clock.utc_now(),
        "expires_at": ends, "revoked_at": None, "session_id": session_id,
    }  # fmt: skip
    async with service_of(request).database.write() as connection:
        await session_row(connection, session_id)
        before = sa.update(tokens).where(tokens.c.session_id == session_id, tokens.c.revoked_at.is_(None))
        await connection.execute(before.values(revoked_at=clock.utc_now()))
        await connection.execute(sa.insert(tokens).values(row))
        await audit(connection, caller.name, "link created", session_id, f"until {ends}")
    return {"path": f"/subject/{quote(session_id, safe='')}?token={token}", "expires_at": ends}
