"""The client against a real server: nothing lost and nothing doubled, whatever happens to the connection."""

import itertools
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from messaging.rewards import RewardBatch, WorkerHello
from rlhb_client import Client, ClientError, DamagedError, GoneError, Label, Patience, RefusedError, Superseded
from tests.integration.test_server_snapshots import read_response
from tests.reference.live_server import TOKEN, LiveServer, make_reward

QUICK = Patience(0.01, 0.05, 20.0)
_NAMES = (f"client{n}" for n in itertools.count())


@pytest.fixture
def live(tmp_path: Path) -> Any:
    server = LiveServer(tmp_path)
    yield server
    server.stop()


def client_of(live: LiveServer, port: int | None = None) -> Client:
    return Client(f"http://127.0.0.1:{port or live.port}", TOKEN, patience=QUICK)


def commit(live: LiveServer, n: int) -> str:
    session_id = next(_NAMES)
    with live.peer("/ws/v1/rewards", WorkerHello(worker_id="w", recording_id=f"{session_id}-1", session_id=session_id)) as worker:
        epoch = worker.expect("welcome")["epoch"] + 1
        worker.send(RewardBatch(batch=1, epoch=epoch, recording_id=f"{session_id}-1", items=tuple(make_reward(session_id, k) for k in range(n))))
        worker.expect("ack")
    return session_id


def test_rows_come_once_and_in_order_page_by_page(live: LiveServer) -> None:
    commit(live, 25)
    with client_of(live) as client:
        rows = list(client.labels(page_rows=4))
        assert [row.seq for row in rows] == list(range(1, 26))
        assert all(isinstance(row, Label) and row.unit is not None for row in rows)
        assert [row.seq for row in client.labels(after=20)] == [21, 22, 23, 24, 25]


def test_a_follower_waits_out_a_restart_and_hears_of_a_hold(live: LiveServer) -> None:
    session_id = commit(live, 3)
    with client_of(live) as client:
        stream = client.labels(follow=True, wait_s=1)
        assert [next(stream).seq for _ in range(3)] == [1, 2, 3]
        live.stop()
        later = threading.Thread(target=lambda: (live.start(), commit(live, 2)))
        later.start()
        assert [next(stream).seq for _ in range(2)] == [4, 5]
        later.join()
        live.post(f"/sessions/{session_id}/hold", {"text": "why"})
        told = [next(stream) for _ in range(3)]
    assert all(isinstance(row, Superseded) and row.release == "held" for row in told)


class CuttingProxy:
    """Passes connections on, and cuts the answers of the first ones in their middle."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self._to, self._cuts = port, list(cuts)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(near, self._cuts.pop(0) if self._cuts else None), daemon=True).start()

    def _pass_on(self, near: socket.socket, cut: int | None) -> None:
        with near, socket.create_connection(("127.0.0.1", self._to)) as far:
            threading.Thread(target=self._up, args=(near, far), daemon=True).start()
            left = cut
            while piece := far.recv(4096):
                piece = piece if left is None else piece[:left]
                near.sendall(piece)
                left = None if left is None else left - len(piece)
                if left == 0:
                    near.shutdown(socket.SHUT_RDWR)
                    return

    @staticmethod
    def _up(near: socket.socket, far: socket.socket) -> None:
        try:
            while piece := near.recv(4096):
                far.sendall(piece)
        except OSError:
            pass

    def close(self) -> None:
        self._socket.close()


def test_answers_cut_in_their_middle_lose_and_double_nothing(live: LiveServer) -> None:
    commit(live, 40)
    proxy = CuttingProxy(live.port, [60, 900, 2500, 30, 7000])
    try:
        with client_of(live, proxy.port) as client:
            assert [row.seq for row in client.labels(page_rows=7)] == list(range(1, 41))
    finally:
        proxy.close()


def test_a_file_grows_by_what_is_new(live: LiveServer, tmp_path: Path) -> None:
    commit(live, 3)
    with client_of(live) as client:
        assert client.save_ndjson(tmp_path / "rows.ndjson") == 3
        commit(live, 2)
        assert client.save_ndjson(tmp_path / "rows.ndjson") == 5
        assert client.save_ndjson(tmp_path / "rows.ndjson") == 5
        assert len((tmp_path / "rows.ndjson").read_text().splitlines()) == 5
        assert client.pandas()["llr"].tolist() == [0.5] * 5
        assert client.arrow().num_rows == 5


def test_a_snapshot_is_downloaded_whole_resumed_and_told_of_its_end(live: LiveServer, tmp_path: Path) -> None:
    for k in range(4):
        read_response(live, f"i{k}", f"r{k}", "one two three", [0.1, 0.2, 0.3])
    with client_of(live) as client:
        made = client.make_snapshot(["token-rewards", "labels"], fractions={"train": 1.0})
        assert client.snapshot(made.snapshot_id).manifest == made.manifest
        assert [s["snapshot_id"] for s in client.snapshots()] == [made.snapshot_id]
        proxy = CuttingProxy(live.port, [700, 1500])
        with client_of(live, proxy.port) as far:
            places = far.snapshot(made.snapshot_id).download(tmp_path)
        proxy.close()
        assert {p.name for p in places} == {"train-0.jsonl", "train-0.parquet"}
        assert made.dataset("token-rewards", tmp_path)["train"].num_rows == 4
        damaged = live.data_dir / "snapshots" / made.snapshot_id / "labels" / "train-0.jsonl"
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        (tmp_path / made.snapshot_id / "labels" / "train-0.jsonl").unlink()
        with pytest.raises(DamagedError, match="other bytes"):
            made.download(tmp_path)
        retire(live, made.snapshot_id)
        with pytest.raises(GoneError) as gone:
            client.snapshot(made.snapshot_id)
    assert gone.value.successor == "next"


def retire(live: LiveServer, snapshot_id: str) -> None:
    import sqlite3

    with sqlite3.connect(live.data_dir / "rlhb.sqlite3") as database:
        database.execute("UPDATE snapshots SET gone_at = '2026-01-01', gone_reason = 'erased', successor = 'next' WHERE snapshot_id = ?", (snapshot_id,))


def test_a_token_of_one_scope_is_enough_and_what_is_refused_is_said(live: LiveServer) -> None:
    commit(live, 1)
    token = live.post("/tokens", {"name": "training", "scopes": ["labels:read"]})["token"]
    with Client(f"http://127.0.0.1:{live.port}", token, patience=QUICK) as client:
        assert len(list(client.labels())) == 1
        with pytest.raises(RefusedError, match="snapshots:create"):
            client.make_snapshot(["labels"])
        with pytest.raises(RefusedError, match="Did you mean `session`"):
            list(client.labels(sesion="x"))
    with pytest.raises(ClientError, match="No token"):
        Client("http://127.0.0.1:1")
