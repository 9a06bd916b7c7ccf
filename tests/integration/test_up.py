"""`rlhb up` as `make run` starts it: labels without hardware or human, again after a second start, and nothing left behind."""

import signal

import psutil
import pytest

from tests.reference.running_up import RunningUp

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


def test_the_demo_gives_released_labels_with_nobody_touching_anything(folder):
    up = RunningUp([], folder)
    try:
        rows = up.labels_when(12, within_s=60, source="simulated")
        assert {r["source"] for r in rows} == {"simulated"}
        assert {r["clock"] for r in rows} == {"real"}
        assert {r["release"] for r in rows if r["llr"] is not None} == {"ok"}
        assert all(r["response"][r["unit"]["char_start"] : r["unit"]["char_end"]] == r["unit"]["text"] for r in rows)
        assert all(r["onset_sd_ms"] < 15 for r in rows)
        assert up.http.get("/readyz").json()["ready"] is True
        assert up.http.get("/healthz").status_code == 200
    finally:
        assert up.stop() == 0


def test_a_second_start_goes_on_and_a_killed_supervisor_leaves_nobody_behind(folder):
    up = RunningUp([], folder)
    before = up.labels()
    rows = up.labels_when(len(before) + 5, within_s=60)
    while len({r["session_id"] for r in rows}) == 1:  # the last windows of the first session may still come
        rows = up.labels_when(len(rows) + 1, within_s=60)
    assert rows[: len(before)] == before
    assert [r["seq"] for r in rows] == list(range(1, len(rows) + 1))
    assert len({r["session_id"] for r in rows}) == 2
    children = psutil.Process(up.process.pid).children(recursive=True)
    assert len(children) >= 4
    up.process.send_signal(signal.SIGKILL)
    up.process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
