"""The database: SQLite in the data folder, or PostgreSQL by its address; the same tables and tests for both."""

import asyncio
import contextlib
import importlib.resources
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from messaging.settings import Settings
from server import tables
from server.errors import ServerError

log = logging.getLogger(__name__)

_GREW = "rlhb_label_log"
"""Channel of PostgreSQL's NOTIFY: a transaction's notice goes out with its commit."""
_LISTEN_AGAIN_S = 1.0
_CHECKPOINT_TRIES, _CHECKPOINT_WAIT_S = 50, 0.1
_MIGRATION_LOCK = 0x726C6862
"""Advisory lock on PostgreSQL ("rlhb"), so that servers starting together migrate one after the other."""


def database_url(settings: Settings) -> sa.URL:
    """Address of the database in SQLAlchemy's form.

    Raises
    ------
    ServerError
        `RLHB_DATABASE_URL` is neither a PostgreSQL nor a SQLite address.
    """
    if settings.database_url is None:
        return sa.URL.create("sqlite+aiosqlite", database=str(settings.data_dir / "rlhb.sqlite3"))
    try:
        url = sa.make_url(settings.database_url)
    except sa.exc.ArgumentError as error:
        raise ServerError("RLHB_DATABASE_URL is not a database address. Write postgresql://user:password@host/name.") from error
    drivers = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
    backend = url.drivername.partition("+")[0]
    if backend not in drivers:
        raise ServerError(f"RLHB_DATABASE_URL names the database '{backend}'. Supported are postgresql and sqlite.")
    return url.set(drivername=drivers[backend])


class Database:
    """Connections to the database.

    Parameters
    ----------
    url : sqlalchemy.URL
        ``sqlite+aiosqlite`` or ``postgresql+asyncpg``.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite and url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine: AsyncEngine = create_async_engine(url, pool_pre_ping=not self.is_sqlite)
        self._writers = self._engine.execution_options(rlhb_write=True)
        # One writer of this process at a time: SQLite has one anyway, and waiting here costs no busy loop.
        self._write_lock = asyncio.Lock()
        if self.is_sqlite:
            sa.event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    async def open(self) -> None:
        """Bring the tables up to date.

        Raises
        ------
        ServerError
            The database cannot be reached or migrated.
        """
        try:
            async with self.write() as connection:
                await connection.run_sync(_migrate)
                await _ensure_head(connection)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            where = self.url.render_as_string(hide_password=True)
            raise ServerError(f"The database {where} cannot be used: {error}. Check that it is there, and RLHB_DATABASE_URL.") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    async def forget_deleted(self) -> None:
        """Let what was deleted or overwritten go from the disk too, as far as the database can.

        Notes
        -----
        SQLite overwrites deleted content with zeros (``secure_delete``); here its write-ahead log, which holds older pages, is emptied.
        PostgreSQL rewrites the tables (``VACUUM FULL``). Backups and what the disk itself keeps are beyond both.
        """
        if self.is_sqlite:
            async with self._write_lock, self._engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                for _ in range(_CHECKPOINT_TRIES):  # not through while somebody reads an older state
                    (busy, *_), *_ = await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                    if not busy:
                        return
                    await asyncio.sleep(_CHECKPOINT_WAIT_S)
            log.warning("Readers kept the write-ahead log of the database from being emptied; erased pages stay in it until the next checkpoint.")
            return
        async with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for table in ("labels", "trials", "outbox", "session_events", "consents"):
                await connection.exec_driver_sql(f"VACUUM FULL {table}")

    async def follow_other_servers(self, ring: Callable[[], None]) -> None:
        """Ring at every commit to the label log, whichever server made it; only PostgreSQL has others. Runs until it is cancelled."""
        if self.is_sqlite:
            return
        while True:
            with contextlib.suppress(sa.exc.SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._hear(ring)
            await asyncio.sleep(_LISTEN_AGAIN_S)

    async def _hear(self, ring: Callable[[], None]) -> None:
        """Ring at every notice until the connection is lost."""
        lost = asyncio.Event()

        def heard(*_: object) -> None:
            ring()

        async with self._engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            driver.add_termination_listener(lambda *_: lost.set())
            await driver.add_listener(_GREW, heard)
            try:
                ring()  # for what was committed while nobody listened
                await lost.wait()
            finally:
                if not driver.is_closed():
                    await driver.remove_listener(_GREW, heard)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that is committed at the end of the block, or not at all."""
        async with self._write_lock, self._writers.connect() as connection, connection.begin():
            yield connection


def _prepare_sqlite(dbapi_connection: Any, _: object) -> None:
    # The driver would begin transactions by itself, late and deferred; ours begin where `begin` says.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("rlhb_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Configure alembic for this package's migrations, on a connection."""
    config = Config()
    folder = str(importlib.resources.files("server") / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    command.upgrade(alembic_config(connection), "head")


async def _ensure_head(connection: AsyncConnection) -> None:
    row = {"id": 1, "seq": 0, "log_id": secrets.token_hex(8), "cookie_key": secrets.token_hex(32)}
    await insert_new(connection, tables.log_head, [row])


async def tell_other_servers(connection: AsyncConnection) -> None:
    """Let other servers on the database know of rows of the label log, once they are committed."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"NOTIFY {_GREW}")


async def insert_new(connection: AsyncConnection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Insert rows whose key is not there yet; the others are left as they are.

    Returns
    -------
    int
        How many rows were new.
    """
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = 0
    for row in rows:
        result = await connection.execute(dialect.insert(table).values(row).on_conflict_do_nothing())
        new += max(result.rowcount, 0)
    return new
