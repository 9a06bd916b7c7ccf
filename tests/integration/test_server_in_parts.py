"""Long work is done in parts: others are answered in between, and nobody sees half of it."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from messaging.rewards import RewardBatch, WorkerHello
from server.errors import Conflict
from tests.reference.live_server import TOKEN, LiveServer, make_reward

ENOUGH = 5


def meanwhile(server: LiveServer, work: Callable[[httpx.Client], httpx.Response], ask: Callable[[httpx.Client], Any]) -> list[Any]:
    """Do something long in a thread and ask again and again until it is answered; gives what was answered before that."""
    answered = threading.Event()
    outcome: list[httpx.Response] = []

    def run() -> None:
        with _client(server) as client:
            outcome.append(work(client))
        answered.set()

    thread = threading.Thread(target=run)
    thread.start()
    seen = []
    with _client(server) as client:
        while not answered.is_set():
            seen.append(ask(client))
    thread.join()
    assert outcome[0].is_success, outcome[0].text
    return seen[:-1]  # the last answer may be younger than the work


def fail(*_: object) -> None:
    """Something goes wrong in the middle."""
    raise Conflict("It broke.", "Mend it.")


def _client(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/v1", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)


def test_others_write_while_a_session_of_10000_trials_is_planned(own_server: LiveServer) -> None:
    other = own_server.post("/sessions", {"subject": "S1", "n_trials": 1})["session_id"]

    def comment(client: httpx.Client) -> str:
        client.post(f"/sessions/{other}/comment", json={"text": "x"}).raise_for_status()
        return str(client.get("/sessions", params={"limit": 1}).json()["items"][0]["state"])

    states = meanwhile(own_server, lambda client: client.post("/sessions", json={"subject": "S1", "n_trials": 10_000}), comment)
    assert states.count("created") >= ENOUGH  # and each of them after a comment that was committed
    newest = own_server.get("/sessions", limit=1)["items"][0]
    assert (newest["state"], newest["n_trials"]) == ("ready", 10_000)


def test_a_session_that_is_being_planned_takes_no_start(own_server: LiveServer) -> None:
    def start(client: httpx.Client) -> int | None:
        newest = client.get("/sessions", params={"limit": 1}).json()["items"]
        return client.post(f"/sessions/{newest[0]['session_id']}/start").status_code if newest and newest[0]["state"] == "created" else None

    codes = meanwhile(own_server, lambda client: client.post("/sessions", json={"subject": "S1", "n_trials": 3000}), start)
    assert 409 in codes
    assert own_server.get("/sessions", limit=1)["items"][0]["n_trials"] == 3000


@pytest.mark.parametrize("own_server", ["sqlite"], indirect=True)
def test_a_session_whose_planning_died_with_the_server_is_aborted_at_the_next_start(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        """A server that is killed ends nothing."""

    with monkeypatch.context() as broken:
        broken.setattr("server.sessions.making.abandon", nothing)
        broken.setattr("server.sessions.making._trial_row", fail)
        assert own_server.http.post("/api/v1/sessions", json={"subject": "S1", "n_trials": 3}).status_code == 409
    assert own_server.get("/sessions")["items"][0]["state"] == "created"
    own_server.stop()
    own_server.start()
    assert own_server.get("/sessions")["items"][0]["state"] == "aborted"


def test_a_plan_that_fails_leaves_an_aborted_session_and_says_so(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.sessions.making._trial_row", fail)
    assert own_server.http.post("/api/v1/sessions", json={"subject": "S1", "n_trials": 3}).status_code == 409
    (session,) = own_server.get("/sessions")["items"]
    assert session["state"] == "aborted"


def test_a_hold_of_many_labels_lets_others_read_and_shows_all_or_nothing(own_server: LiveServer) -> None:
    n_labels = 3000
    with own_server.peer("/ws/v1/rewards", WorkerHello(worker_id="w", recording_id="s-1", session_id="s")) as worker:
        worker.expect("welcome")
        for batch in range(10):
            items = tuple(make_reward("s", batch * 300 + k) for k in range(300))
            worker.send(RewardBatch(batch=batch, epoch=1, recording_id="s-1", items=items))
            worker.expect("ack")

    def look(client: httpx.Client) -> tuple[int, int]:
        page = client.get("/labels", params={"session": "s", "after": n_labels, "release": "held", "limit": 5000}).json()
        return page["high_watermark"], len(page["items"])

    with own_server.peer("/ws/v1/rewards", None) as consumer:
        consumer.send('{"type": "hello", "role": "consumer"}')
        consumer.send('{"type": "subscribe", "sessions": ["s"]}')
        consumer.send('{"type": "clock_ping", "t0": 1.0}')
        consumer.expect("clock_pong")
        seen = meanwhile(own_server, lambda client: client.post("/sessions/s/hold", json={"text": "x"}), look)
        told = []
        while len(told) < n_labels:
            rows = consumer.expect("rewards")["items"]
            assert len(rows) <= 100  # some 150 kB at a time
            told += [row["seq"] for row in rows]
    assert len(seen) >= ENOUGH
    assert set(seen) <= {(n_labels, 0), (2 * n_labels, n_labels)}
    assert (n_labels, 0) in seen
    assert told == list(range(n_labels + 1, 2 * n_labels + 1))
