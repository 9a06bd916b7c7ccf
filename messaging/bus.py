"""The bus of one lab: the last minutes of the ordered log as a Redis stream, leases, and who has come how far.

The stream of a recording is ``rlhb:log:{recording_id}``; a record's stream id is its ordinal, so publishing twice is harmless and a
reader's position is a number. The bus may lose everything (it has no persistence): `generation` is gone then, and the daemon
publishes the last ten minutes again from the recording.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

KEEP_RECORDS_S = 600.0
"""How much of the log the stream keeps, in seconds of stream time."""


class BusError(Exception):
    """The bus cannot be reached or refused a command; the message names the address and the remedy."""


class _Line:
    """A connection of our own for what happens at every chunk of the board: redis-py's commands and pipelines take twice the time."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._connection: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, commands: Sequence[tuple[str | bytes | int, ...]]) -> list[Any]:
        """Send commands and return their answers; one that was refused is a `ResponseError`, not raised."""
        async with self._one_at_a_time:
            if self._connection is None:
                self._connection = await self._client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            connection = self._connection
            try:
                await connection.send_packed_command(connection.pack_commands(commands))
                return [await self._answer(connection) for _ in commands]
            except BaseException:  # answers that were not read must not be taken for those of the next commands
                await self.close()
                raise

    async def _answer(self, connection: Any) -> Any:
        try:
            return await connection.read_response()
        except ResponseError as error:
            return error

    async def close(self) -> None:
        """Close the connection; the next command opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._client.connection_pool.release(connection)


@dataclass(frozen=True, slots=True)
class ActiveRecording:
    """A recording that the daemon has announced."""

    recording_id: str
    session_id: str
    path: str
    generation: str
    """Changes whenever the bus had to be filled again."""


class Bus:
    """A connection to the bus.

    Parameters
    ----------
    url : str
        ``redis://host:port``, or ``unix:///path/to/socket``.

    Notes
    -----
    redis-py's own retries are off: an ``XADD`` whose reply was lost would be sent twice without our knowing. Callers reconnect by
    calling again.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._redis: redis.Redis = redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=2.0)
        self._writing, self._reading = _Line(self._redis), _Line(self._redis)

    @asynccontextmanager
    async def _sentence(self, what: str) -> AsyncIterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise BusError(f"The bus at {self.url} cannot {what}: {error}. Check that it runs (`rlhb up` starts one) or set RLHB_BUS_URL.") from error

    async def ping(self) -> None:
        """Check the connection.

        Raises
        ------
        BusError
            The bus does not answer.
        """
        async with self._sentence("be reached"):
            await self._redis.ping()

    async def close(self) -> None:
        """Close the connection."""
        await self._writing.close()
        await self._reading.close()
        await self._redis.aclose()

    # ------------------------------------------------------------ the daemon's side

    async def announce(self, recording: ActiveRecording) -> None:
        """Tell workers of a recording; harmless when repeated."""
        async with self._sentence("announce the recording"):
            await self._redis.hset("rlhb:recordings", recording.recording_id, json.dumps(asdict(recording)))
            await self._redis.set(f"rlhb:generation:{recording.recording_id}", recording.generation)

    async def generation(self, recording_id: str) -> str | None:
        """Return the generation that the bus holds of a recording; None after the bus lost it."""
        async with self._sentence("tell its generation"):
            raw: Any = await self._redis.get(f"rlhb:generation:{recording_id}")
        return raw.decode() if raw is not None else None

    async def publish(self, recording_id: str, records: Sequence[tuple[int, bytes]], keep_after: int) -> None:
        """Append records under their ordinals and trim what is older than `keep_after`.

        Parameters
        ----------
        recording_id : str
        records : sequence of (ordinal, bytes)
            Rising ordinals; those that the stream already holds are left as they are.
        keep_after : int
            Records with a lower ordinal may be dropped from the bus.
        """
        key, keep = f"rlhb:log:{recording_id}", f"{max(keep_after, 0)}-0"
        commands = [("XADD", key, "MINID", "~", keep, f"{ordinal}-0", b"r", raw) for ordinal, raw in records]
        async with self._sentence("take records"):
            for answer in await self._writing.ask(commands):
                if isinstance(answer, ResponseError) and "equal or smaller" not in str(answer):
                    raise answer  # the others were published before: the reply was lost, or the bus is being filled again

    async def discard(self, recording_id: str, cut: str) -> None:
        """Drop what the bus holds of a recording whose file ends earlier; `cut` tells workers that what they have decoded may not be in it."""
        async with self._sentence("drop the recording"):
            await self._redis.set(f"rlhb:cut:{recording_id}", cut)
            await self._redis.delete(f"rlhb:log:{recording_id}", f"rlhb:generation:{recording_id}", f"rlhb:progress:{recording_id}")

    async def cut(self, recording_id: str) -> str | None:
        """Return the last cut of a recording (`discard`); None for none, also after the bus lost its memory."""
        async with self._sentence("tell of a cut"):
            raw: Any = await self._redis.get(f"rlhb:cut:{recording_id}")
        return raw.decode() if raw is not None else None

    async def forget(self, recording_id: str) -> None:
        """Remove a recording from the list of announced ones (its end is in the stream)."""
        async with self._sentence("forget the recording"):
            await self._redis.hdel("rlhb:recordings", recording_id)
            await self._redis.delete(f"rlhb:cut:{recording_id}")
            await self._redis.expire(f"rlhb:log:{recording_id}", int(KEEP_RECORDS_S))

    async def erase(self, recording_id: str) -> None:
        """Drop everything the bus holds of a recording, at its subject's wish."""
        kinds = ("log", "generation", "cut", "progress", "lease", "epoch")
        async with self._sentence("erase the recording"):
            await self._redis.hdel("rlhb:recordings", recording_id)
            await self._redis.delete(*(f"rlhb:{kind}:{recording_id}" for kind in kinds))

    async def last_ordinal(self, recording_id: str) -> int:
        """Return the ordinal of the newest record that the bus holds; 0 for none."""
        async with self._sentence("be read"):
            newest: Any = await self._redis.xrevrange(f"rlhb:log:{recording_id}", count=1)
        return int(newest[0][0].split(b"-")[0]) if newest else 0

    # ------------------------------------------------------------ the worker's side

    async def recordings(self) -> list[ActiveRecording]:
        """Return the announced recordings."""
        async with self._sentence("list recordings"):
            found = await self._redis.hgetall("rlhb:recordings")
        return [ActiveRecording(**json.loads(raw)) for raw in found.values()]

    async def read(self, recording_id: str, after: int, block_ms: int, count: int = 256) -> list[tuple[int, bytes]]:
        """Wait for records after an ordinal.

        Returns
        -------
        list of (ordinal, bytes)
            Empty when none came within `block_ms`. The first may be more than ``after + 1`` when the stream was trimmed.
        """
        async with self._sentence("be read"):
            key = f"rlhb:log:{recording_id}"
            (found,) = await self._reading.ask([("XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", key, f"{after}-0")])
            if isinstance(found, ResponseError):
                raise found
        if not found:
            return []
        entries = found[key.encode()] if isinstance(found, dict) else found[0][1]
        return [(int(entry.split(b"-")[0]), fields[1]) for entry, fields in entries]

    async def take_lease(self, recording_id: str, worker_id: str, at_least: int, ttl_ms: int) -> int | None:
        """Try to own a recording.

        Parameters
        ----------
        at_least : int
            The epoch taken is higher than this (what the server and the checkpoint have seen), also after the bus lost its own count.

        Returns
        -------
        int or None
            The epoch of the lease, or None while somebody else holds it.
        """
        async with self._sentence("lease the recording"):
            if not await self._redis.set(f"rlhb:lease:{recording_id}", worker_id, nx=True, px=ttl_ms):
                return None
            epoch = max(int(await self._redis.get(f"rlhb:epoch:{recording_id}") or 0), at_least) + 1
            await self._redis.set(f"rlhb:epoch:{recording_id}", epoch)
        return epoch

    async def renew_lease(self, recording_id: str, worker_id: str, ttl_ms: int) -> bool:
        """Keep a lease; False when it is lost (expired, taken by another, or the bus was restarted)."""
        async with self._sentence("renew the lease"):
            if await self._redis.get(f"rlhb:lease:{recording_id}") != worker_id.encode():
                return False
            await self._redis.pexpire(f"rlhb:lease:{recording_id}", ttl_ms)
        return True

    async def drop_lease(self, recording_id: str, worker_id: str) -> None:
        """Give a lease back so that another worker need not wait for its end."""
        async with self._sentence("give the lease back"):
            if await self._redis.get(f"rlhb:lease:{recording_id}") == worker_id.encode():
                await self._redis.delete(f"rlhb:lease:{recording_id}")

    async def set_progress(self, recording_id: str, ordinal: int) -> None:
        """Tell how far the worker has come: all rewards up to this ordinal are committed."""
        async with self._sentence("take the progress"):
            await self._redis.set(f"rlhb:progress:{recording_id}", ordinal)

    async def progress(self, recording_id: str) -> int:
        """Return how far the worker has come; 0 for not yet."""
        async with self._sentence("tell the progress"):
            return int(await self._redis.get(f"rlhb:progress:{recording_id}") or 0)
