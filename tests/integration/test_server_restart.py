"""The server is killed with -9 while labels and onsets come in: what it acknowledged is there afterwards, once."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from messaging.pages import Onsets, Ready, ShownUnit, SubjectHello
from messaging.records import ClockFit
from messaging.rewards import RewardBatch, WorkerHello
from messaging.settings import Settings
from server import ServerError, serve
from server.serving import bind
from tests.reference.live_server import TOKEN, Lab, LiveServer, Peer, make_reward

ROOT = Path(__file__).resolve().parents[2]


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.start()

    def start(self) -> None:
        environment = os.environ | {"RLHB_DATA_DIR": str(self.data_dir), "RLHB_PORT": "0", "RLHB_TOKEN": TOKEN, "RLHB_LOG_LEVEL": "warning"}
        code = "from messaging.settings import Settings; from server import serve; serve(Settings())"
        self.process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening http://127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1].strip("/\n"))
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def kill(self) -> None:
        self.http.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def peer(self, path: str, hello: object) -> Peer:
        return Peer(f"ws://127.0.0.1:{self.port}{path}", hello)  # type: ignore[arg-type]


@pytest.mark.processes
def test_no_acknowledged_label_is_lost_or_doubled(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    acknowledged: set[int] = set()
    n_batches, size = 60, 5
    try:
        for kill_after in (7, 23, None):
            server_down = False
            with server.peer("/ws/v1/rewards", WorkerHello(worker_id="w", recording_id="s-1", session_id="s")) as worker:
                worker.expect("welcome")
                try:
                    todo = [b for b in range(n_batches) if b not in acknowledged]
                    for batch in todo:
                        items = tuple(make_reward("s", batch * size + k) for k in range(size))
                        worker.send(RewardBatch(batch=batch, epoch=1, recording_id="s-1", items=items))
                    while len(acknowledged) < n_batches:
                        acknowledged.add(worker.expect("ack")["batch"])
                        if kill_after is not None and len(acknowledged) >= kill_after and not server_down:
                            server_down = True
                            server.kill()  # in the middle of the batches that follow
                except ConnectionClosed:
                    assert server_down
            if kill_after is not None:
                if not server_down:
                    server.kill()
                server.start()
                stored = {r["unit"]["index"] for r in server.http.get("/labels", params={"limit": 5000}).json()["items"]}
                assert {b * size + k for b in acknowledged for k in range(size)} <= stored
        page = server.http.get("/labels", params={"limit": 5000}).json()
        assert [r["seq"] for r in page["items"]] == list(range(1, n_batches * size + 1))
        assert sorted(r["unit"]["index"] for r in page["items"]) == list(range(n_batches * size))
    finally:
        server.kill()


@pytest.mark.processes
def test_no_acknowledged_onset_is_lost(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    fit = ClockFit(offset_s=1.0, sd_ms=1.0, rtt_ms=1.0)
    try:
        line = json.dumps({"item_id": "i", "prompt": "", "responses": [{"response_id": "r", "text": " ".join(f"w{k}" for k in range(40))}]})
        assert server.http.post("/items", params={"item_set": "t"}, content=line).status_code == 201
        session_id = server.http.post("/sessions", json={"subject": "s", "item_set": "t", "n_trials": 2, "start": True}).json()["session_id"]
        path = f"/ws/v1/sessions/{session_id}/subject"
        with Lab(server) as lab:  # type: ignore[arg-type]
            lab.start()
            with server.peer(path, SubjectHello(page_life="a")) as page:
                page.send(Ready())
                trial = page.expect("trial")
                acked = []
                for k in range(25):
                    unit = ShownUnit(index=k, onset_page_ms=450.0 * k)
                    page.send(Onsets(batch=k, page_life="a", presentation=trial["presentation"], units=(unit,), page_to_server=fit))
                    acked.append(page.expect("ack")["batch"])
                server.kill()
                with suppress(ConnectionClosed):
                    page.receive()
        server.start()
        with Lab(server) as lab:  # type: ignore[arg-type]
            assert lab.start()["session_id"] == session_id
            events = lab.take_events("unit", count=25)
            assert [e["unit"]["index"] for e in events if e["type"] == "unit"] == acked
            with server.peer(path, SubjectHello(page_life="b")) as page:
                page.send(Ready())
                assert page.expect("trial")["trial"] == 1
    finally:
        server.kill()


def test_a_taken_port_is_told_in_a_sentence(tmp_path: Path) -> None:
    taken = bind("127.0.0.1", 0)
    with taken, pytest.raises(ServerError, match=r"cannot listen on 127\.0\.0\.1 port \d+: .*RLHB_PORT"):
        serve(Settings(data_dir=tmp_path, port=taken.getsockname()[1]))


def test_a_database_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ServerError):
        LiveServer(tmp_path, f"postgresql://nobody:secret@/none?host={tmp_path}")
    with pytest.raises(ServerError, match="names the database 'mysql'"):
        LiveServer(tmp_path, "mysql://x/y")
