"""Who may do what: bearer tokens, the page's cookie, scopes, and where a page may come from."""

import hashlib
import hmac
import time
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.requests import HTTPConnection

from server import clock
from server.accounts.signing_in import caller_of_account
from server.callers import Caller, Scope
from server.database import Database
from server.errors import Forbidden, Unauthorized
from server.tables import log_head, tokens

COOKIE_NAME = "rlhb_login"
LINK_COOKIE = "rlhb_subject"
"""Of a subject's link: sent to that session's websocket alone, so that it does not sign an operator out of the same browser."""
COOKIE_AGE_S = 7 * 24 * 3600


def token_hash(token: str) -> str:
    """SHA-256 of a token; only this is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


_NO_TOKEN = "No token was given."  # noqa: S105 - a sentence, not a token
_REMEDY = "Send `Authorization: Bearer TOKEN`; the `ready` line of `rlhb up` shows the token, POST /api/v1/tokens makes others."


_SIGN_IN = "Sign in again, or open the address of the `ready` line again."


class Gatekeeper:
    """Decides who calls.

    Parameters
    ----------
    database : Database
    token : str
        The ready token of this installation: all scopes, while the process lives.
    """

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._ready_sha256 = token_hash(token)
        self._cookie_key = b""

    async def open(self) -> None:
        """Read the key that cookies are signed with; it is the database's, so logins outlive a restart."""
        async with self._database.read() as connection:
            key = (await connection.execute(sa.select(log_head.c.cookie_key))).scalar_one()
        self._cookie_key = str(key).encode()

    async def caller_of_token(self, token: str) -> Caller:
        """Find whose token this is.

        Raises
        ------
        Unauthorized
            Unknown, expired or revoked.
        """
        return await self._caller_of_hash(token_hash(token))

    async def _caller_of_hash(self, sha256: str) -> Caller:
        if hmac.compare_digest(sha256, self._ready_sha256):
            return Caller("ready token", frozenset(Scope), sha256)
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(tokens).where(tokens.c.sha256 == sha256))).mappings().first()
        if row is None:
            raise Unauthorized("The token is not known.", _REMEDY)
        if row["revoked_at"] is not None:
            raise Unauthorized(f"The token '{row['name']}' was revoked on {row['revoked_at']}.", _REMEDY)
        if row["expires_at"] is not None and row["expires_at"] <= clock.utc_now():
            raise Unauthorized(f"The token '{row['name']}' ran out on {row['expires_at']}.", _REMEDY)
        known = {s.value for s in Scope}
        return Caller(row["name"], frozenset(Scope(s) for s in row["scopes"] if s in known), sha256, row["session_id"])

    def cookie_for(self, caller: Caller, now_s: float | None = None) -> str:
        """Make the value of the login cookie: who, end of life, signature; never a token or a password."""
        ends = int((time.time() if now_s is None else now_s) + COOKIE_AGE_S)
        text = f"{caller.identity}.{ends}"
        return f"{text}.{self._sign(text)}"

    async def caller_of_cookie(self, value: str, now_s: float | None = None) -> Caller:
        """Find who logged in with this cookie.

        Raises
        ------
        Unauthorized
            Forged, too old, or its token counts no more.
        """
        text, _, signature = value.rpartition(".")
        identity, _, ends = text.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(text).encode()) or not ends.isdigit():
            raise Unauthorized("The login cookie does not count here.", _SIGN_IN)
        if int(ends) < (time.time() if now_s is None else now_s):
            raise Unauthorized("The login has run out.", _SIGN_IN)
        if identity.startswith("account:"):
            return await caller_of_account(self._database, identity)
        return await self._caller_of_hash(identity)

    def _sign(self, text: str) -> str:
        return hmac.new(self._cookie_key, text.encode(), hashlib.sha256).hexdigest()

    async def caller_of(self, connection: HTTPConnection, *, changes: bool) -> Caller | None:
        """Find who makes a request or opens a websocket, by header or cookie.

        Parameters
        ----------
        connection : starlette.requests.HTTPConnection
        changes : bool
            The request may change something (anything but GET and HEAD; every websocket): with a cookie its Origin is checked.

        Returns
        -------
        Caller or None
            None when neither a header nor a cookie came.

        Raises
        ------
        Unauthorized
            A token or cookie that does not count.
        Forbidden
            A cookie together with a page from elsewhere.
        """
        header = connection.headers.get("authorization")
        if header is not None:
            kind, _, token = header.partition(" ")
            if kind.lower() != "bearer" or not token.strip():
                raise Unauthorized("The Authorization header is not of the form `Bearer TOKEN`.", _REMEDY)
            return await self.caller_of_token(token.strip())
        cookie = connection.cookies.get(LINK_COOKIE) or connection.cookies.get(COOKIE_NAME)
        if cookie is None:
            return None
        if changes:
            check_origin(connection)
        return await self.caller_of_cookie(cookie)

    async def need(self, connection: HTTPConnection, scope: Scope, *, changes: bool) -> Caller:
        """Find who makes a request and check the scope.

        Raises
        ------
        Unauthorized
            No token or cookie, or one that does not count.
        Forbidden
            Without the scope, or from a page from elsewhere.
        """
        caller = await self.caller_of(connection, changes=changes)
        if caller is None:
            raise Unauthorized(_NO_TOKEN, _REMEDY)
        caller.need(scope)
        return caller


def check_origin(connection: HTTPConnection) -> None:
    """Check that a page of this server is calling, not one from elsewhere that rides on the cookie.

    Raises
    ------
    Forbidden
        Origin is missing or names another host than Host does.
    """
    origin = connection.headers.get("origin")
    if origin is None or urlsplit(origin).netloc.lower() != connection.headers.get("host", "").lower():
        raise Forbidden(
            f"The request comes from {origin or 'a page that does not say its origin'}.", "Call from this server's own page, or with a bearer token."
        )
