"""`/login`, `/me`, `/accounts` and `/tokens`."""

import secrets
import time
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import JSONResponse, Response

from server import clock
from server.access import COOKIE_AGE_S, COOKIE_NAME, LINK_COOKIE, token_hash
from server.accounts.signing_in import sign_in
from server.accounts.store import AccountName, Password, Role, change_account, create_account, list_accounts
from server.audit import audit
from server.callers import Caller, Scope
from server.errors import BadRequest, Forbidden, NotFound, Unauthorized
from server.routes.common import needs, service_of
from server.service import Service
from server.tables import tokens

router = APIRouter(tags=["accounts"])

Admin = Annotated[Caller, Depends(needs(Scope.ADMIN))]


class Login(BaseModel):
    """What a page exchanges for a cookie: a token, or a name and a password."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    password: Password | None = None


@router.post("/login", responses={429: {"description": "Too many sign-ins failed; `Retry-After` says how long to wait."}})
async def login(request: Request, body: Login) -> Response:
    """Exchange a token, or a name and a password, for an HttpOnly, SameSite=strict cookie."""
    service = service_of(request)
    address = request.client.host if request.client else "unknown"
    if body.token is not None and body.name is None and body.password is None:
        caller = await _caller_of_token(service, body.token, address)
    elif body.token is None and body.name is not None and body.password is not None:
        caller = await sign_in(service.database, service.attempts, body.name.strip().lower(), body.password, address)
    else:
        raise BadRequest("A login has either a token, or a name and a password.", "Send one of the two.")
    answer = JSONResponse(_who(caller))
    link = caller.session_id
    answer.set_cookie(
        COOKIE_NAME if link is None else LINK_COOKIE,
        service.gatekeeper.cookie_for(caller),
        max_age=COOKIE_AGE_S,
        path="/" if link is None else f"/ws/v1/sessions/{quote(link, safe='')}/subject",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


async def _caller_of_token(service: Service, token: str, address: str) -> Caller:
    service.attempts.check(None, address, time.monotonic())
    try:
        return await service.gatekeeper.caller_of_token(token)
    except Unauthorized:
        service.attempts.failed(None, address, time.monotonic())
        raise


def _who(caller: Caller) -> dict[str, Any]:
    return {"name": caller.name, "scopes": sorted(caller.scopes), "account": caller.identity.startswith("account:"), "session_id": caller.session_id}


@router.post("/logout", status_code=204)
async def logout() -> Response:
    """Forget the cookie."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE_NAME, path="/", httponly=True, samesite="strict")
    return answer


@router.get("/me")
async def me(request: Request) -> dict[str, Any]:
    """Say who is calling and what they may do."""
    caller = await service_of(request).gatekeeper.caller_of(request, changes=False)
    if caller is None:
        raise Unauthorized("Nobody is signed in.", "Sign in, or send `Authorization: Bearer TOKEN`.")
    return _who(caller)


class NewPassword(BaseModel):
    """One's own password, changed."""

    model_config = ConfigDict(extra="forbid")

    old: Password
    new: Password


@router.post("/me/password", status_code=204)
async def change_own_password(request: Request, body: NewPassword) -> Response:
    """Change one's own password; every login from before counts no more."""
    service = service_of(request)
    caller = await service.gatekeeper.caller_of(request, changes=True)
    if caller is None or not caller.identity.startswith("account:"):
        raise Forbidden("Only somebody who signed in with a password has one to change.", "Sign in with name and password.")
    await sign_in(service.database, service.attempts, caller.name, body.old, request.client.host if request.client else "unknown")
    await change_account(service.database, caller.name, caller.name, password=body.new)
    return Response(status_code=204)


class NewAccount(BaseModel):
    """Somebody who may sign in."""

    model_config = ConfigDict(extra="forbid")

    name: AccountName
    role: Role
    password: Password


class AccountChange(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    password: Password | None = None
    disabled: bool | None = None


@router.get("/accounts", dependencies=[Depends(needs(Scope.ADMIN))])
async def show_accounts(request: Request) -> dict[str, Any]:
    """List accounts."""
    async with service_of(request).database.read() as connection:
        return {"items": await list_accounts(connection), "next_cursor": None, "has_more": False}


@router.post("/accounts", status_code=201)
async def make_account(request: Request, body: NewAccount, caller: Admin) -> dict[str, Any]:
    """Make an account; its password is kept as an Argon2id hash."""
    return await create_account(service_of(request).database, body.name, body.role, body.password, caller.name)


@router.patch("/accounts/{name}")
async def patch_account(request: Request, name: str, body: AccountChange, caller: Admin) -> dict[str, Any]:
    """Change role or password, disable or enable; every login of the account from before counts no more."""
    database = service_of(request).database
    return await change_account(database, name, caller.name, role=body.role, password=body.password, disabled=body.disabled)


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
    query = sa.select(*(c for c in tokens.c if c.name not in ("sha256", "session_id"))).where(tokens.c.session_id.is_(None)).order_by(tokens.c.created_at)
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
