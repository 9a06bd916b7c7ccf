"""Signing in with a name and a password."""

import time

import sqlalchemy as sa

from server.accounts.attempts import Attempts
from server.accounts.passwords import is_password
from server.accounts.store import SCOPES, Role
from server.audit import audit
from server.callers import Caller
from server.database import Database
from server.errors import Unauthorized
from server.tables import accounts

_REMEDY = "Check both; an admin can set a new password."


async def sign_in(database: Database, attempts: Attempts, name: str, password: str, address: str) -> Caller:
    """Find whose name and password these are.

    Raises
    ------
    Unauthorized
        They do not fit; the answer does not tell whether there is such an account.
    TooMany
        Too many failures of this account or from this address.
    """
    attempts.check(name, address, time.monotonic())
    async with database.read() as connection:
        row = (await connection.execute(sa.select(accounts).where(accounts.c.name == name))).mappings().first()
    counts = row is not None and row["disabled_at"] is None
    if not await is_password(password, row["password_hash"] if row is not None and counts else None) or row is None:
        attempts.failed(name, address, time.monotonic())
        async with database.write() as connection:
            await audit(connection, "nobody", "sign-in failed", name, f"from {address}")
        raise Unauthorized("Name and password do not fit.", _REMEDY)
    attempts.succeeded(name)
    async with database.write() as connection:
        await audit(connection, name, "signed in", name, f"from {address}")
    return Caller(name, SCOPES[Role(row["role"])], account_identity(name, row["epoch"]))


def account_identity(name: str, epoch: int) -> str:
    """Say for a login cookie whose it is; a change of the account makes it void."""
    return f"account:{name}:{epoch}"


async def caller_of_account(database: Database, identity: str) -> Caller:
    """Find who signed in with what a cookie says.

    Raises
    ------
    Unauthorized
        The account was disabled or changed since.
    """
    _, name, epoch = identity.split(":")
    async with database.read() as connection:
        row = (await connection.execute(sa.select(accounts).where(accounts.c.name == name))).mappings().first()
    if row is None or row["disabled_at"] is not None or str(row["epoch"]) != epoch:
        raise Unauthorized(f"The login of '{name}' counts no more.", "Sign in again.")
    return Caller(name, SCOPES[Role(row["role"])], identity)
