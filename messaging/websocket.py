"""A websocket client that opens outward, says hello, and comes back by itself."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The server refused us for good: wrong token, wrong scope. Trying again is of no use."""


class ReconnectingSocket:
    """Keeps a websocket open for as long as `run` runs.

    Parameters
    ----------
    url : str
        ``ws://`` or ``wss://`` address.
    token : str
        Sent as ``Authorization: Bearer``.
    on_open : coroutine function
        Called with the connection after every (re)connection, before messages are delivered: say hello and resend what is not
        acknowledged.
    on_message : coroutine function
        Called with each message, text or binary.
    on_close : callable, optional
        Called when the connection is gone, with a sentence.
    first_wait_s, longest_wait_s : float
        Back-off between tries; doubled from try to try, with jitter.
    """

    def __init__(
        self,
        url: str,
        token: str,
        on_open: Callable[["ReconnectingSocket"], Awaitable[None]],
        on_message: Callable[[str | bytes], Awaitable[None]],
        on_close: Callable[[str], None] | None = None,
        first_wait_s: float = 0.1,
        longest_wait_s: float = 2.0,
    ) -> None:
        self.url = url
        self._token = token
        self._on_open = on_open
        self._on_message = on_message
        self._on_close = on_close
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._connection: ClientConnection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    async def send(self, message: str | bytes) -> bool:
        """Send a message; False when there is no connection (the caller keeps what must not be lost)."""
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.send(message)
        except ConnectionClosed:
            return False
        return True

    async def close(self) -> None:
        """Close the present connection; `run` opens another one."""
        if self._connection is not None:
            await self._connection.close()

    async def run(self) -> None:
        """Connect, deliver messages, reconnect; until cancelled.

        Raises
        ------
        Refused
            The server answered 401 or 403, or closed with 4401 or 4403.
        """
        wait_s = self._first_wait_s
        while True:
            try:
                async with connect(
                    self.url,
                    additional_headers={"Authorization": f"Bearer {self._token}"},
                    max_size=MAX_MESSAGE_BYTES,
                    open_timeout=5,
                    ping_interval=5,
                    ping_timeout=20,
                    compression=None,
                    proxy=None,
                ) as connection:
                    self._connection = connection
                    await self._on_open(self)
                    wait_s = self._first_wait_s
                    async for message in connection:
                        await self._on_message(message)
                    self._check_refusal(connection.close_code, connection.close_reason)
                    sentence = f"The server at {self.url} closed the connection: {connection.close_reason or connection.close_code}."
            except ConnectionClosed as error:
                self._check_refusal(error.rcvd.code if error.rcvd else None, error.rcvd.reason if error.rcvd else "")
                sentence = f"The connection to {self.url} broke: {error}."
            except InvalidHandshake as error:
                status = getattr(getattr(error, "response", None), "status_code", None)
                if status in (401, 403):
                    raise Refused(f"The server at {self.url} refused the token (HTTP {status}). Check RLHB_TOKEN.") from error
                sentence = f"The server at {self.url} does not answer as a websocket: {error}."
            except InvalidURI as error:
                raise Refused(f"{self.url!r} is not the address of a websocket. Check RLHB_SERVER_URL.") from error
            except (OSError, TimeoutError) as error:
                sentence = f"The server at {self.url} cannot be reached: {error}."
            finally:
                self._connection = None
            log.info(sentence)
            if self._on_close is not None:
                self._on_close(sentence)
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))  # noqa: S311 - jitter, not a secret
            wait_s = min(wait_s * 2, self._longest_wait_s)

    def _check_refusal(self, code: int | None, reason: str | None) -> None:
        if code in (4401, 4403):
            raise Refused(f"The server at {self.url} refused the connection: {reason or code}. Check RLHB_TOKEN.")
