"""Accounts in the database."""

from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from server import clock
from server.accounts.passwords import MOST_CHARACTERS, check_password, hash_password
from server.audit import audit
from server.callers import Scope
from server.database import Database, insert_new
from server.errors import Conflict, NotFound
from server.tables import accounts

AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_\-]{0,63}$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS)]


class Role(StrEnum):
    """What an account is for."""

    OPERATOR = "operator"
    """Runs sessions, enters consent, reads labels, makes snapshots."""
    ADMIN = "admin"
    """Everything: accounts, tokens, audit, erasure too."""


SCOPES = {
    Role.OPERATOR: frozenset({Scope.SESSIONS_OPERATE, Scope.LABELS_READ, Scope.REWARDS_READ, Scope.SNAPSHOTS_CREATE}),
    Role.ADMIN: frozenset(Scope),
}
_SHOWN = [c for c in accounts.c if c.name not in ("password_hash", "epoch")]


async def create_account(database: Database, name: str, role: Role, password: str, who: str) -> dict[str, Any]:
    """Make an account.

    Raises
    ------
    Conflict
        There is one of this name.
    BadRequest
        The password is too easy.
    """
    check_password(password, name)
    values = {"name": name, "role": role.value, "password_hash": await hash_password(password), "epoch": 0, "created_at": clock.utc_now(), "disabled_at": None}
    async with database.write() as connection:
        if not await insert_new(connection, accounts, [values]):
            raise Conflict(f"There is an account '{name}' already.", "Choose another name, or change that one.")
        await audit(connection, who, "account created", name, role.value)
        return await account_row(connection, name)


async def change_account(
    database: Database, name: str, who: str, *, role: Role | None = None, password: str | None = None, disabled: bool | None = None
) -> dict[str, Any]:
    """Change an account; logins from before count no more.

    Raises
    ------
    NotFound
        There is none.
    Conflict
        It is the last admin that can sign in.
    BadRequest
        The password is too easy.
    """
    values: dict[str, Any] = {"epoch": accounts.c.epoch + 1}
    if role is not None:
        values["role"] = role.value
    if password is not None:
        check_password(password, name)
        values["password_hash"] = await hash_password(password)
    if disabled is not None:
        values["disabled_at"] = clock.utc_now() if disabled else None
    async with database.write() as connection:
        was = await account_row(connection, name)
        if was["role"] == Role.ADMIN and (disabled or role is Role.OPERATOR):
            others = sa.select(sa.func.count()).where(accounts.c.role == Role.ADMIN.value, accounts.c.disabled_at.is_(None), accounts.c.name != name)
            if not (await connection.execute(others)).scalar_one():
                raise Conflict(f"'{name}' is the last admin that can sign in.", "Make another admin first.")
        await connection.execute(sa.update(accounts).where(accounts.c.name == name).values(values))
        what = ([f"role {role.value}"] if role is not None else []) + ["password"] * (password is not None)
        what += ["disabled" if disabled else "enabled"] * (disabled is not None)
        await audit(connection, who, "account changed", name, ", ".join(what))
        return await account_row(connection, name)


async def account_row(connection: AsyncConnection, name: str) -> dict[str, Any]:
    """Read an account, without its password's hash.

    Raises
    ------
    NotFound
        There is none.
    """
    row = (await connection.execute(sa.select(*_SHOWN).where(accounts.c.name == name))).mappings().first()
    if row is None:
        raise NotFound(f"There is no account '{name[:64]}'.", "GET /api/v1/accounts lists them.")
    return dict(row)


async def list_accounts(connection: AsyncConnection) -> list[dict[str, Any]]:
    """List accounts by name, without their passwords' hashes."""
    return [dict(row) for row in (await connection.execute(sa.select(*_SHOWN).order_by(accounts.c.name))).mappings()]
