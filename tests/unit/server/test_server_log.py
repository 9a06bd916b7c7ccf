"""Cursors, rows, settings, tables against migrations, connections that do not read."""

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocketState

from messaging.settings import Settings
from messaging.words import ReleaseState
from server import create_app
from server.access import Gatekeeper
from server.clock import as_stored
from server.database import Database, database_url
from server.errors import BadRequest, Unauthorized
from server.labels.arrow import ARROW_SCHEMA
from server.labels.cursor import Cursors
from server.labels.log import content_sha256, own_verdict, with_hold
from server.labels.row import LabelRow, row_of
from server.outlet import QUEUE_LENGTH, Outlet
from server.serving import WithoutQuery
from server.shell import host_name
from server.tables import metadata
from tests.reference.live_server import make_reward

_CURSORS = Cursors("log", "f" * 64)


@given(st.integers(0, 10**15))
def test_a_cursor_gives_back_its_seq(seq: int) -> None:
    assert _CURSORS.read(_CURSORS.write(seq), 10**15) == seq
    assert _CURSORS.read(str(seq), 10**15) == seq


@given(st.integers(0, 999), st.data())
def test_a_cursor_that_was_changed_is_refused(seq: int, data: st.DataObject) -> None:
    cursor = _CURSORS.write(seq)
    place = data.draw(st.integers(0, len(cursor) - 2))
    letter = data.draw(st.sampled_from("ABCxyz019-_"))
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(BadRequest):
            _CURSORS.read(changed, 10**9)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_a_bad_request(text: str) -> None:
    with suppress(BadRequest):
        assert _CURSORS.read(text, 10**20) >= 0


@pytest.mark.parametrize("other", [Cursors("another log", "f" * 64), Cursors("log", "e" * 64)])
def test_a_foreign_cursor_is_refused(other: Cursors) -> None:
    with pytest.raises(BadRequest, match=r"another (server|filter)"):
        _CURSORS.read(other.write(1), 10)


def test_a_row_has_the_keys_of_the_contract_in_arrow_too() -> None:
    row = row_of(make_reward("s", 0), seq=1, revision=1, current=True, release=ReleaseState.OK, reason=None, created_at="2026-01-01T00:00:00.000000Z")
    assert list(row) == list(LabelRow.model_fields)
    assert ARROW_SCHEMA.names == [*LabelRow.model_fields, "superseded"]
    table = pa.Table.from_pylist([row], schema=ARROW_SCHEMA)
    back = table.to_pylist()[0]
    assert {k: back[k] for k in row} == row


def test_only_late_is_left_out_of_the_content() -> None:
    reward = make_reward("s", 0)
    assert content_sha256(reward) == content_sha256(reward.model_copy(update={"late": True}))
    for change in ({"llr": 0.1}, {"release": ReleaseState.HELD}, {"release_reason": "x"}, {"onset_sd_ms": 3.0}):
        assert content_sha256(reward) != content_sha256(reward.model_copy(update=change))


def test_a_hold_covers_only_what_was_released() -> None:
    assert with_hold(ReleaseState.OK, None, "x") == (ReleaseState.HELD, "operator: x")
    assert with_hold(ReleaseState.HELD, "gate", "x") == (ReleaseState.HELD, "gate")
    assert with_hold(ReleaseState.OK, None, None) == (ReleaseState.OK, None)
    passed_on = make_reward("s", 0, release=ReleaseState.HELD, release_reason="hold: x")
    assert own_verdict(passed_on) == (ReleaseState.OK, None)
    own = make_reward("s", 0, release=ReleaseState.HELD, release_reason="in_training")
    assert own_verdict(own) == (ReleaseState.HELD, "in_training")


async def test_migrations_make_the_tables_that_the_code_speaks_of(tmp_path: Path) -> None:
    database = Database(database_url(Settings(data_dir=tmp_path)))
    await database.open()
    await database.open()  # a second start finds nothing to do
    async with database.read() as connection:
        assert await connection.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []
        assert (await connection.execute(sa.text("PRAGMA journal_mode"))).scalar() == "wal"
        assert (await connection.execute(sa.text("PRAGMA synchronous"))).scalar() == 2
    await database.close()


async def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(database_url(Settings(data_dir=tmp_path)))
    await database.open()

    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(sa.text("UPDATE log_head SET seq = 7"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.read() as connection:
        assert (await connection.execute(sa.text("SELECT seq FROM log_head"))).scalar() == 0
    await database.close()


async def test_a_cookie_ends_and_cannot_be_forged(tmp_path: Path) -> None:
    database = Database(database_url(Settings(data_dir=tmp_path)))
    await database.open()
    gatekeeper = Gatekeeper(database, "token")
    await gatekeeper.open()
    caller = await gatekeeper.caller_of_token("token")
    cookie = gatekeeper.cookie_for(caller, now_s=0.0)
    assert await gatekeeper.caller_of_cookie(cookie, now_s=1.0) == caller
    with pytest.raises(Unauthorized, match="run out"):
        await gatekeeper.caller_of_cookie(cookie, now_s=8 * 24 * 3600.0)
    longer = cookie.split(".")
    longer[1] = str(int(longer[1]) + 1)
    for wrong in (".".join(longer), "", "..", "a.b.c", cookie + "0"):
        with pytest.raises(Unauthorized):
            await gatekeeper.caller_of_cookie(wrong, now_s=1.0)
    await database.close()


class _DeafSocket:
    """A websocket whose peer reads nothing."""

    application_state = WebSocketState.CONNECTED

    def __init__(self) -> None:
        self.closed: list[Any] = []
        self.sending = asyncio.Event()

    async def send_text(self, _: str) -> None:
        self.sending.set()
        await asyncio.Event().wait()

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


async def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.outlet.CLOSING_S", 0.01)
    socket = _DeafSocket()
    outlet = Outlet(socket)  # type: ignore[arg-type]
    running = asyncio.create_task(outlet.run())
    outlet.offer("first")
    await socket.sending.wait()
    assert all(outlet.offer("x") for _ in range(QUEUE_LENGTH))
    assert not outlet.offer("one too many")
    assert not outlet.offer("after the end")
    await asyncio.wait_for(running, 5)


def test_query_strings_are_taken_out_of_the_log() -> None:
    import logging

    record = logging.LogRecord("uvicorn.error", logging.INFO, "", 0, '%s - "WebSocket %s" [accepted]', ("1.2.3.4", "/ws?token=secret&x=1"), None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == '1.2.3.4 - "WebSocket /ws?…" [accepted]'


@pytest.mark.parametrize(
    ("host", "name"), [("localhost:8765", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]:80", "::1"), ("::1", "::1"), ("A.b:1", "a.b"), ("", "")]
)
def test_host_names(host: str, name: str) -> None:
    assert host_name(host) == name


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"RLHB_DATA_DIR": str(tmp_path), "RLHB_PORT": "9", "RLHB_TOKEN": "secret", "RLHB_LOG_LEVEL": "DEBUG", "RLHB_DATABASE_URL": ""}.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.data_dir, settings.port, settings.log_level, settings.database_url) == (tmp_path, 9, "debug", None)
    assert settings.http_url == "http://127.0.0.1:9"
    assert settings.websocket_url == "ws://127.0.0.1:9"
    assert "secret" not in repr(settings)


def test_every_route_of_the_rest_interface_is_documented(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "server.md").read_text(encoding="utf-8")
    paths = create_app(Settings(data_dir=tmp_path)).openapi()["paths"]
    missing = [p for p in paths if p.removeprefix("/api/v1") not in text]
    assert missing == []
    for name in Settings.model_fields:
        if not name.startswith("test_"):
            assert f"RLHB_{name.upper()}" in text, name


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_moments_at_the_ends_of_time_are_kept_inside(text):
    assert as_stored(datetime.fromisoformat(text))[:4] in {"9999", "0001"}
