"""Two servers on one PostgreSQL: nothing lost, nothing doubled, and each knows at once what the other has committed."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.test_server_labels import Worker
from tests.reference.live_server import LiveServer, make_reward, new_postgres_database
from tests.reference.serve_process import ServeProcess

BATCHES, AT_ONCE = 30, 4


@pytest.fixture
def pair(postgres_folder: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[ServeProcess, ServeProcess]]:
    binaries, folder = postgres_folder
    url = new_postgres_database(binaries, folder, f"many{abs(hash(request.node.name)) % 10**8}")
    first = ServeProcess(tmp_path / "first", url)
    try:
        second = ServeProcess(tmp_path / "second", url)
        try:
            yield first, second
        finally:
            second.stop()
    finally:
        first.stop()


def publish_all(server: LiveServer, session_id: str, acked: list[str], halfway: threading.Event | None = None) -> None:
    """Send batches one by one; keeps the labels of those that were acknowledged, until the server is gone."""
    try:
        with Worker(server, session_id) as worker:
            for batch in range(BATCHES):
                rewards = [make_reward(session_id, batch * AT_ONCE + k) for k in range(AT_ONCE)]
                assert worker.publish(*rewards, epoch=1)["type"] == "ack"
                acked += [r.label_id for r in rewards]
                if halfway is not None and batch == BATCHES // 2:
                    halfway.set()
    except (ConnectionClosed, OSError, TimeoutError):
        return


def everything(server: LiveServer) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = server.get("/labels", after=rows[-1]["seq"] if rows else 0, limit=200, release="any")
        rows += page["items"]
        if not page["has_more"]:
            return rows


def test_concurrent_commits_to_both_lose_and_double_nothing(pair: tuple[ServeProcess, ServeProcess]) -> None:
    acked: list[list[str]] = [[] for _ in range(4)]
    # Two sessions, each sent to both servers at once: the same labels come twice.
    plan = [(pair[0], "a", acked[0]), (pair[1], "a", acked[1]), (pair[0], "b", acked[2]), (pair[1], "b", acked[3])]
    threads = [threading.Thread(target=publish_all, args=one) for one in plan]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [len(a) for a in acked] == [BATCHES * AT_ONCE] * 4
    rows = everything(pair[0])
    assert [r["seq"] for r in rows] == list(range(1, 2 * BATCHES * AT_ONCE + 1))
    assert len({r["label_id"] for r in rows}) == len(rows)
    assert {r["revision"] for r in rows} == {1}
    assert everything(pair[1]) == rows


def test_a_server_that_is_killed_takes_nothing_with_it(pair: tuple[ServeProcess, ServeProcess]) -> None:
    acked: list[str] = []
    halfway = threading.Event()
    thread = threading.Thread(target=publish_all, args=(pair[0], "a", acked, halfway))
    thread.start()
    assert halfway.wait(60)
    pair[0].kill()
    thread.join(60)
    kept = {r["label_id"] for r in everything(pair[1])}
    assert kept >= set(acked)
    again: list[str] = []
    publish_all(pair[1], "a", again)  # the worker sends what was not acknowledged, and more than that
    rows = everything(pair[1])
    assert [r["seq"] for r in rows] == list(range(1, BATCHES * AT_ONCE + 1))
    assert {r["label_id"] for r in rows} == set(again)


def test_who_waits_at_one_server_hears_of_a_commit_at_the_other(pair: tuple[ServeProcess, ServeProcess]) -> None:
    pages: list[Any] = []
    waiting = threading.Thread(target=lambda: pages.append(pair[1].get("/labels", after=0, wait=25)))
    waiting.start()
    with Worker(pair[0], "a") as worker:
        worker.publish(make_reward("a", 0))
    waiting.join(60)
    assert [r["session_id"] for r in pages[0]["items"]] == ["a"]
