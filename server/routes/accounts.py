"""`/login` and `/tokens`."""

import secrets
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import JSONResponse, Response

from server import clock
from server.access import COOKIE_AGE_S, COOKIE_NAME, Caller, Scope, token_hash
from server.audit import audit
from server.errors import NotFound
from server.routes.common import needs, service_of
from server.tables import tokens

router = APIRouter(tags=["accounts"])

Admin = Annotated[Caller, Depends(needs(Scope.ADMIN))]


class Login(BaseModel):
    """The token that a page exchanges for a cookie."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, StringConstraints(min_length=1, max_length=500)]


@router.post("/login")
async def login(request: Request, body: Login) -> Response:
    """Exchange a token for an HttpOnly, SameSite=strict cookie."""
    gatekeeper = service_of(request).gatekeeper
    caller = await gatekeeper.caller_of_token(body.token)
    answer = JSONResponse({"name": caller.name, "scopes": sorted(caller.scopes)})
    answer.set_cookie(
        COOKIE_NAME, gatekeeper.cookie_for(caller), max_age=COOKIE_AGE_S, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


@router.post("/logout", status_code=204)
async def logout() -> Response:
    """Forget the cookie."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE_NAME, path="/", httponly=True, samesite="strict")
    return answer


class NewToken(BaseModel):
    """What a new token may do."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_at: datetime | None = None


@router.post("/tokens", status_code=201)
async def create_token(request: Request, body: NewToken, caller: Admin) -> dict[str, Any]:
    """Make a token; it is shown this once and kept only as a hash."""
    token = f"rlhb_{secrets.token_urlsafe(32)}"
    row = {
        "token_id": secrets.token_hex(8),
        "sha256": token_hash(token),
        "name": body.name,
        "scopes": sorted(body.scopes),
        "created_at": clock.utc_now(),
        "expires_at": clock.as_stored(body.expires_at) if body.expires_at else None,
        "revoked_at": None,
    }
    async with service_of(request).database.write() as connection:
        await connection.execute(sa.insert(tokens).values(row))
        await audit(connection, caller.name, "token created", str(row["token_id"]), f"{body.name}: {', '.join(sorted(body.scopes))}")
    return {key: row[key] for key in ("token_id", "name", "scopes", "created_at", "expires_at")} | {"token": token}


@router.get("/tokens", dependencies=[Depends(needs(Scope.ADMIN))])
async def list_tokens(request: Request) -> dict[str, Any]:
    """List tokens, without the tokens themselves."""
    query = sa.select(*(c for c in tokens.c if c.name != "sha256")).order_by(tokens.c.created_at)
    async with service_of(request).database.read() as connection:
        rows = [dict(r) for r in (await connection.execute(query)).mappings()]
    return {"items": rows, "next_cursor": None, "has_more": False}


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(request: Request, token_id: str, caller: Admin) -> Response:
    """Revoke a token; doing it again is harmless."""
    async with service_of(request).database.write() as connection:
        revoke = sa.update(tokens).where(tokens.c.token_id == token_id)
        found = await connection.execute(revoke.values(revoked_at=sa.func.coalesce(tokens.c.revoked_at, clock.utc_now())))
        if found.rowcount:
            await audit(connection, caller.name, "token revoked", token_id)
    if not found.rowcount:
        raise NotFound(f"There is no token '{token_id[:64]}'.", "GET /api/v1/tokens lists them.")
    return Response(status_code=204)
