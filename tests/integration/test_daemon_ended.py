"""Labels of the last seconds: an ended recording is published until its last reward is committed, whoever dies in between."""

import math

import pytest

from acquisition.plan import DaemonPlan
from acquisition.replay_board import ReplayBoard
from messaging.bus import Bus
from messaging.records import End, decode_record
from recordings.log import read_log
from rlhb.commands.lab import replay_plan
from tests.reference.live_server import TOKEN, LiveServer
from tests.reference.scripted_board import ScriptedBoard, running, short_recording, until


@pytest.fixture
def lab(tmp_path, valkey):
    recording = short_recording(tmp_path)
    session = replay_plan(recording, "r1", None, 0.2)
    plan = DaemonPlan(
        data_dir=tmp_path,
        server_url="http://127.0.0.1:9",
        token="t",
        bus_url=valkey.url,
        own_session=session,
        replayed_sha256=recording.sha256,
        stay_until_committed=True,
    )
    return plan, lambda: ReplayBoard(recording, session.session_id, math.inf)


async def log_on_bus(bus: Bus, recording_id: str) -> list[object]:
    return [decode_record(raw) for _, raw in await bus.read(recording_id, 0, 10, count=10_000)]


async def until_announced(bus: Bus) -> str:
    while not (found := await bus.recordings()):
        pass
    return found[0].recording_id


async def end_on_bus(bus: Bus, recording_id: str) -> int:
    while not ((log := await log_on_bus(bus, recording_id)) and isinstance(log[-1], End)):
        pass
    return log[-1].ordinal


async def test_a_bus_lost_after_the_end_gets_the_recording_again_until_it_is_committed(lab, valkey, tmp_path):
    plan, board = lab
    async with running(plan, board()):
        bus = Bus(valkey.url)
        recording_id = await until_announced(bus)
        end = await end_on_bus(bus, recording_id)
        await bus.close()
        valkey.kill()
        valkey.start()
        bus = Bus(valkey.url)
        assert await until_announced(bus) == recording_id
        assert await end_on_bus(bus, recording_id) == end
        mark = tmp_path / "recordings" / f"{recording_id}.uncommitted"
        assert mark.exists()
        await bus.set_progress(recording_id, end)
        await until(lambda: not mark.exists())
        await bus.close()


async def test_the_next_daemon_publishes_what_an_earlier_one_left_uncommitted(lab, valkey, tmp_path):
    plan, board = lab
    bus = Bus(valkey.url)
    async with running(plan, board()):
        recording_id = await until_announced(bus)
        end = await end_on_bus(bus, recording_id)
    await bus.close()
    valkey.kill()
    valkey.start()
    bus = Bus(valkey.url)
    live = DaemonPlan(data_dir=tmp_path, server_url="http://127.0.0.1:9", token="t", bus_url=valkey.url)
    async with running(live, ScriptedBoard()):
        assert await until_announced(bus) == recording_id
        assert await end_on_bus(bus, recording_id) == end
        await bus.set_progress(recording_id, end)
        await until(lambda: not list((tmp_path / "recordings").glob("*.uncommitted")))
    await bus.close()


async def test_a_replay_stopped_by_a_person_has_its_end_and_a_later_daemon_tells_the_server(lab, valkey, tmp_path):
    plan, _ = lab
    plan.stay_until_committed = False
    recording = short_recording(tmp_path, seconds=60)
    server = LiveServer(tmp_path)
    try:
        plan.server_url, plan.token = f"http://127.0.0.1:{server.port}", TOKEN
        path = tmp_path / "recordings" / f"{plan.own_session.recording_id}.xdf"
        async with running(plan, ReplayBoard(recording, plan.own_session.session_id, 1.0)):
            await until(lambda: path.exists() and path.stat().st_size > 20_000)
            await until(lambda: server.http.get(f"/api/v1/sessions/{plan.own_session.session_id}").status_code == 200)
        last = list(read_log(path))[-1]
        assert isinstance(last, End)
        assert "stopped" in last.reason
        live = DaemonPlan(data_dir=tmp_path, server_url=plan.server_url, token=TOKEN, bus_url=valkey.url)
        async with running(live, ScriptedBoard()):
            await until(lambda: server.get(f"/sessions/{plan.own_session.session_id}")["state"] == "finished")
    finally:
        server.stop()
