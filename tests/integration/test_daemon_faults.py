"""Whatever fails beneath or beside the daemon is named to the operator in a sentence, and recording goes on when it is back."""

import asyncio
import resource
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from websockets.asyncio.server import serve

from acquisition.plan import DaemonPlan
from decoders.worker.checkpoint import Checkpoint, checkpoint_path, save_checkpoint
from decoders.worker.following import Following
from decoders.worker.plan import WorkerPlan
from messaging.bus import Bus
from messaging.lab import ClockPing, ClockPong, LabHello, LabUp, LabWelcome, SessionPlan, StartRecording, StopRecording
from messaging.records import Chunk, End, decode_record, encode_record
from recordings.log import read_log
from tests.reference.scripted_board import ScriptedBoard, running, until


class Lab:
    """The server's end of the lab socket: sends commands, keeps what comes up."""

    def __init__(self) -> None:
        self.up, self.connection, self.port, self._server = [], None, 0, None

    async def __aenter__(self):
        await self.open()
        return self

    async def open(self):
        self._server = await serve(self._converse, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self):
        self._server.close()
        await self._server.wait_closed()

    async def __aexit__(self, *_):
        await self.close()

    async def _converse(self, connection):
        async for raw in connection:
            if isinstance(raw, bytes):
                continue
            message = LabUp.validate_json(raw)
            self.up.append(message)
            if isinstance(message, LabHello):
                self.connection = connection
                await connection.send(LabWelcome(server_id="s").model_dump_json())
            elif isinstance(message, ClockPing):
                now = asyncio.get_running_loop().time()
                await connection.send(ClockPong(t0=message.t0, t1=now, t2=now).model_dump_json())

    async def tell(self, message):
        await until(lambda: self.connection)
        await self.connection.send(message.model_dump_json())

    @property
    def status(self):
        return next((m for m in reversed(self.up) if m.type == "status"), None)

    def alarms(self):
        return [m.what for m in self.up if m.type == "alarm"]


@pytest.fixture
def session():
    return SessionPlan(session_id="s1", recording_id="s1-r", subject="anna", protocol="token_rsvp", task="token_rsvp", prior=0.15)


@asynccontextmanager
async def recording_lab(tmp_path, valkey, session):
    board = ScriptedBoard()
    async with Lab() as lab:
        plan = DaemonPlan(data_dir=tmp_path, server_url=f"http://127.0.0.1:{lab.port}", token="t", bus_url=valkey.url)
        async with running(plan, board):
            await lab.tell(StartRecording(session=session))
            await until(lambda: lab.status and lab.status.state == "recording")
            yield board, lab
            await lab.tell(StopRecording(session_id="s1", reason="over"))
            await until(lambda: lab.status.session_id is None and lab.status.state == "streaming")


def recorded(tmp_path):
    log = list(read_log(tmp_path / "recordings" / "s1-r.xdf"))
    assert [r.ordinal for r in log] == list(range(1, len(log) + 1))
    assert isinstance(log[-1], End)
    return [r for r in log if isinstance(r, Chunk)]


@pytest.mark.parametrize("fault", ["silent", "gone"])
async def test_a_board_that_stalls_or_is_unplugged_is_named_and_the_gap_is_a_gap(tmp_path, valkey, session, fault):
    async with recording_lab(tmp_path, valkey, session) as (board, lab):
        await until(lambda: lab.status.sample_index > 50)
        board.fault = fault
        await until(lambda: lab.status.state == "stalled")
        assert {"silent": "board_stalled", "gone": "board_lost"}[fault] in lab.alarms()
        assert lab.status.sentence.endswith(".")
        opened = board.opened
        await until(lambda: fault == "gone" or board.opened > opened)  # a board that says nothing is opened again
        await asyncio.sleep(0.3)
        before = lab.status.sample_index
        board.fault = None
        await until(lambda: lab.status.state == "recording" and lab.status.sample_index > before)
    chunks = recorded(tmp_path)
    gaps = [b.sample_index - a.end_index for a, b in pairwise(chunks)]
    assert sum(g > 0 for g in gaps) >= 1
    assert max(gaps) > 0.25 * 250
    assert min(gaps) == 0


async def test_a_board_that_is_not_there_at_the_start_is_waited_for(tmp_path, valkey):
    board = ScriptedBoard(fault="gone")
    async with Lab() as lab, running(DaemonPlan(tmp_path, f"http://127.0.0.1:{lab.port}", "t", valkey.url), board):
        await until(lambda: lab.status and lab.status.state == "stalled")
        board.fault = None
        await until(lambda: lab.status.state == "streaming")


async def test_a_bus_that_is_gone_is_named_and_filled_again_when_it_is_back(tmp_path, valkey, session):
    async with recording_lab(tmp_path, valkey, session) as (_, lab):
        valkey.kill()
        await until(lambda: lab.status.bus == "away")
        assert lab.status.state == "recording"
        before = lab.status.ordinal
        await until(lambda: lab.status.ordinal > before + 20)
        valkey.start()
        await until(lambda: lab.status.bus == "connected")
        bus = Bus(valkey.url)
        rows = await bus.read("s1-r", 0, 100, count=10_000)
        assert [ordinal for ordinal, _ in rows] == list(range(1, len(rows) + 1))
        assert len(rows) > before
        assert decode_record(rows[0][1]).session_id == "s1"
        await bus.close()
    recorded(tmp_path)


async def test_a_server_that_is_gone_stops_nothing_and_is_found_again(tmp_path, valkey, session):
    async with recording_lab(tmp_path, valkey, session) as (_, lab):
        before = lab.status.ordinal
        await lab.close()
        path = tmp_path / "recordings" / "s1-r.xdf"
        size = path.stat().st_size
        await until(lambda: path.stat().st_size > size + 5000)
        lab.connection = None
        await lab.open()
        await until(lambda: lab.connection and lab.status.ordinal > before)
        assert lab.status.session_id == "s1"
    assert all(b.sample_index == a.end_index for a, b in pairwise(recorded(tmp_path)))


async def test_a_full_disk_stops_the_recording_with_an_alarm_and_it_goes_on_when_there_is_room(tmp_path, valkey, session):
    """The limit on the size of files stands in for the disk: the system refuses in the middle of a record."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with recording_lab(tmp_path, valkey, session) as (_, lab):
        path = tmp_path / "recordings" / "s1-r.xdf"
        await until(lambda: lab.status.sample_index > 100)
        bus = Bus(valkey.url)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 1300, unlimited[1]))
            await until(lambda: "disk_full" in lab.alarms())
            await until(lambda: lab.status.state == "stalled")
            assert lab.status.session_id == "s1"
            on_bus = await bus.last_ordinal("s1-r")
            await asyncio.sleep(1.2)
            assert [r.ordinal for r in read_log(path)][-1] >= on_bus  # nothing is published that is not recorded
            assert await bus.last_ordinal("s1-r") <= [r.ordinal for r in read_log(path)][-1]
            assert lab.alarms().count("disk_full") == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        await until(lambda: lab.status.state == "recording")
        after = lab.status.ordinal
        await until(lambda: lab.status.ordinal > after + 20)
        await bus.close()
    chunks = recorded(tmp_path)
    assert max(b.sample_index - a.end_index for a, b in pairwise(chunks)) > 100


async def test_an_end_that_a_full_disk_refuses_is_written_when_there_is_room_and_nothing_behind_it(tmp_path, valkey, session):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "recordings" / "s1-r.xdf"
    async with recording_lab(tmp_path, valkey, session) as (board, lab):
        await until(lambda: lab.status.sample_index > 100)
        board.fault = "silent"
        await until(lambda: lab.status.state == "stalled")
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, unlimited[1]))
            await lab.tell(StopRecording(session_id="s1", reason="over"))
            await until(lambda: "disk_full" in lab.alarms())
            board.fault = None
            before = len(lab.up)
            await until(lambda: sum(m.type == "quality" for m in lab.up[before:]) >= 1)  # a second of samples goes by
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        await until(lambda: lab.status.state == "streaming")
    recorded(tmp_path)


async def test_a_recording_that_a_dead_daemon_left_open_gets_its_end_from_the_next_one(tmp_path, valkey, session):
    plan = DaemonPlan(tmp_path, "", "t", valkey.url)
    async with Lab() as lab:
        plan.server_url = f"http://127.0.0.1:{lab.port}"
        async with running(plan, ScriptedBoard()):
            await lab.tell(StartRecording(session=session))
            await until(lambda: lab.status and lab.status.sample_index > 50)
    path = tmp_path / "recordings" / "s1-r.xdf"
    assert not any(isinstance(r, End) for r in read_log(path))
    for _ in range(2):  # the second time the recording has its end: nothing is recorded, and the answer is that nothing is
        async with Lab() as lab:
            plan.server_url = f"http://127.0.0.1:{lab.port}"
            async with running(plan, ScriptedBoard()):
                await lab.tell(StartRecording(session=session))
                await lab.tell(StopRecording(session_id="s1", reason="over"))
                await until(lambda: path.exists() and isinstance(list(read_log(path))[-1], End))
                lab.up.clear()
                await until(lambda: lab.status and lab.status.session_id is None)
                assert "recording_refused" not in lab.alarms()
        recorded(tmp_path)


async def test_a_power_cut_that_takes_records_from_the_disk_takes_them_from_a_bus_that_outlived_it(tmp_path, valkey, session):
    plan = DaemonPlan(tmp_path, "", "t", valkey.url)
    path, bus = tmp_path / "recordings" / "s1-r.xdf", Bus(valkey.url)
    async with Lab() as lab:
        plan.server_url = f"http://127.0.0.1:{lab.port}"
        async with running(plan, ScriptedBoard()):
            await lab.tell(StartRecording(session=session))
            await until(lambda: lab.status and lab.status.sample_index > 50)
    old = list(read_log(path))
    newest = await bus.last_ordinal("s1-r")  # the file may be one record ahead: it is written first
    assert old[-1].ordinal - 1 <= newest <= old[-1].ordinal
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 2500)
    assert list(read_log(path))[-1].ordinal < newest
    async with Lab() as lab:
        plan.server_url = f"http://127.0.0.1:{lab.port}"
        async with running(plan, ScriptedBoard()):
            await lab.tell(StartRecording(session=session))
            async with asyncio.timeout(20):
                while await bus.last_ordinal("s1-r") <= newest or await bus.generation("s1-r") is None:
                    await asyncio.sleep(0.01)
    on_bus = [raw for _, raw in await bus.read("s1-r", 0, 10, count=10_000)]
    assert await bus.cut("s1-r") is not None
    await bus.close()
    in_file = [encode_record(record) for record in read_log(path)]
    assert on_bus == in_file[: len(on_bus)]
    assert len(on_bus) > newest


async def test_a_worker_that_decoded_what_a_power_cut_took_begins_again_from_the_file(tmp_path, valkey, session):
    plan = DaemonPlan(tmp_path, "http://127.0.0.1:9", "t", valkey.url)
    path, bus = tmp_path / "recordings" / "s1-r.xdf", Bus(valkey.url)
    async with Lab() as lab:
        plan.server_url = f"http://127.0.0.1:{lab.port}"
        async with running(plan, ScriptedBoard()):
            await lab.tell(StartRecording(session=session))
            await until(lambda: lab.status and lab.status.sample_index > 50)
    log = list(read_log(path))
    (active,) = await bus.recordings()
    worker = WorkerPlan(data_dir=tmp_path, server_url="http://127.0.0.1:9", token="t", bus_url=valkey.url, worker_id="w", load_decoder=no_decoder)
    checkpoint = checkpoint_path(tmp_path, "s1-r")
    following = Following(worker, active)
    task = asyncio.create_task(following.run())
    on_bus = await bus.last_ordinal("s1-r")
    assert on_bus >= log[-1].ordinal - 1  # the file is written first
    await until(lambda: following._order.last == on_bus)
    save_checkpoint(checkpoint, Checkpoint(following._order.last, 1, *following._decoder.state()))
    await bus.discard("s1-r", "after the cut")
    async with asyncio.timeout(20):
        await task
    assert not checkpoint.exists()
    save_checkpoint(checkpoint, Checkpoint(following._order.last, 1, *following._decoder.state()))  # of a worker that died in the same cut
    shorter = [(record.ordinal, encode_record(record)) for record in log[:-2]]
    await bus.publish("s1-r", shorter, 0)
    again = Following(worker, active)
    task = asyncio.create_task(again.run())
    await until(lambda: again._order.last == log[-3].ordinal)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.close()


def no_decoder(reference):
    raise AssertionError(f"No decoder was named, but {reference} is loaded")
