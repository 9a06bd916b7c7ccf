"""Passwords: hashed with Argon2id (RFC 9106, the library's low-memory profile), verified in the same time whether or not the account exists."""

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from server.errors import BadRequest

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 200
_hasher = PasswordHasher()
_at_once = asyncio.Semaphore(2)
"""Each takes 64 MiB and tens of milliseconds: a burst of sign-ins must not take the machine from the acquisition daemon."""


def check_password(password: str, name: str) -> None:
    """Check that a new password is not guessed at once.

    Raises
    ------
    BadRequest
        It is too short, or the account's name.
    """
    if len(password) < LEAST_CHARACTERS:
        raise BadRequest(f"The password has {len(password)} characters.", f"Take at least {LEAST_CHARACTERS}; a few words do well.")
    if name in password.lower() and len(password) < len(name) + LEAST_CHARACTERS:
        raise BadRequest("The password is little more than the account's name.", f"Take at least {LEAST_CHARACTERS} characters beside it.")


async def hash_password(password: str) -> str:
    """Hash a password, beside the event loop."""
    async with _at_once:
        return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Compare; None (no such account) takes as long as a comparison does."""
    async with _at_once:
        return await asyncio.to_thread(_compare, password, password_hash)


def _compare(password: str, password_hash: str | None) -> bool:
    try:
        return _hasher.verify(password_hash or _nobodys(), password) and password_hash is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_urlsafe(24))
