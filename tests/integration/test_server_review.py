"""The EEG of a label over REST: from the recording, beside averages, refused in sentences."""

import numpy as np

from messaging.records import Chunk
from messaging.rewards import RewardBatch, WorkerHello
from recordings.writer import LogWriter
from tests.reference.live_server import LiveServer, Peer, make_reward
from tests.reference.random_logs import RATE_HZ, header, profile

_SESSION = "review-1"


def _publish(server: LiveServer, session_id: str, *rewards: object) -> None:
    hello = WorkerHello(worker_id="w", recording_id=f"{session_id}-1", session_id=session_id)
    with Peer(f"ws://127.0.0.1:{server.port}/ws/v1/rewards", hello) as worker:
        epoch = worker.expect("welcome")["epoch"] + 1
        worker.send(RewardBatch(batch=1, epoch=epoch, recording_id=f"{session_id}-1", items=rewards))  # type: ignore[arg-type]
        worker.expect("ack")


def _record(server: LiveServer, session_id: str) -> None:
    """Channel Cz carries 10 µV from onset on in the odd seconds; all else is constant."""
    folder = server.data_dir / "recordings"
    folder.mkdir(exist_ok=True)
    samples = np.full((2500, 3), 7.0, dtype=np.float32)
    for second in (1, 3, 5, 7):
        samples[250 * second : 250 * second + 250, 1] += 10
    with LogWriter.create(folder / f"{session_id}-1.xdf", header(profile(("Fz", "Cz", "EOG1")), recording_id=f"{session_id}-1", session_id=session_id)) as log:
        for k in range(100):
            log.write(Chunk(k + 2, 25 * k, 1000 + 25 * k / RATE_HZ, samples[25 * k : 25 * k + 25]))


def test_a_label_is_shown_with_its_window_and_the_averages_of_its_session(server: LiveServer) -> None:
    rewards = [make_reward(_SESSION, k, reward=-0.1 if k % 2 else 0.1) for k in range(1, 9)]
    _publish(server, _SESSION, *rewards)
    path = f"/sessions/{_SESSION}/labels/{rewards[0].label_id}/epoch"

    missing = server.http.get(f"/api/v1{path}")
    assert missing.status_code == 404
    assert "is not on the server's machine" in missing.json()["detail"]

    _record(server, _SESSION)
    shown = server.get(path)
    assert shown["channels"] == ["Fz", "Cz"]
    after = [k for k, t in enumerate(shown["times_ms"]) if t > 0]
    assert all(shown["epoch_uv"][1][k] == 10.0 for k in after)
    assert all(value == 0.0 for value in shown["epoch_uv"][0])
    assert (shown["error"]["n_windows"], shown["good"]["n_windows"]) == (4, 4)
    assert all(shown["error"]["mean_uv"][1][k] == 10.0 for k in after)
    assert all(shown["good"]["mean_uv"][1][k] == -10.0 for k in after)
    assert shown["window_ms"] == [100.0, 800.0]


def test_labels_that_are_not_there_and_callers_without_the_scope_are_refused(server: LiveServer) -> None:
    _publish(server, "review-2", make_reward("review-2", 0, sample_index=None))
    label = server.get("/labels", session="review-2")["items"][0]["label_id"]
    placeless = server.http.get(f"/api/v1/sessions/review-2/labels/{label}/epoch")
    assert (placeless.status_code, placeless.json()["detail"]) == (404, "This label has no place in the recording.")
    assert server.http.get("/api/v1/sessions/review-2/labels/nothing/epoch").status_code == 404
    assert server.http.get(f"/api/v1/sessions/nowhere/labels/{label}/epoch").status_code == 404
    reader = server.post("/tokens", {"name": "reader", "scopes": ["labels:read"]})["token"]
    refused = server.http.get(f"/api/v1/sessions/review-2/labels/{label}/epoch", headers={"Authorization": f"Bearer {reader}"})
    assert refused.status_code == 403


def test_every_page_of_the_navigation_has_an_address(server: LiveServer) -> None:
    for path in ("/", "/sessions", "/sessions/a-b", "/operator/a", "/decoders", "/protocols", "/items", "/access"):
        answer = server.http.get(path)
        assert answer.status_code in (200, 503), path  # 503: the page has not been built on this machine
        assert answer.headers["content-type"].startswith(("text/html", "text/plain"))
