"""Calibrating live, with every process real: shown, recorded, fitted by the worker's side, judged; through a killed server and a killed worker."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from decoders.registry import Registry
from rlhb.headless_page import HeadlessPage
from tests.reference.running_up import RunningUp

WAIT_S = 180


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningUp]:
    running = RunningUp(["--no-demo"], tmp_path / "lab")
    yield running
    running.stop()


def session(lab: RunningUp, session_id: str) -> dict[str, Any]:
    return dict(lab.http.get(f"/api/v1/sessions/{session_id}").json())


def until(lab: RunningUp, session_id: str, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Ask until a condition holds; a server that is away is asked again."""
    ends, row = monotonic() + WAIT_S, {}
    bell = threading.Event()
    while monotonic() < ends:
        try:
            row = session(lab, session_id)
            if condition(row):
                return row
        except httpx.HTTPError:
            pass
        bell.wait(0.2)
    raise AssertionError(f"state {row.get('state')} of {row}:\n" + "\n".join(lab.log[-30:]))


def test_a_session_calibrates_live_through_a_killed_server_and_a_killed_worker(lab: RunningUp) -> None:
    # Shown far too fast for a brain and with few errors, so that either verdict may come: each has its own way to the texts.
    times = {"soa_ms": 100, "jitter_ms": 5, "prompt_ms": 0, "fixation_ms": 20, "blank_ms": 100}
    wish = {"subject": "P 01"} | times | {"calibrate": True, "n_calibration_trials": 34, "n_trials": 2, "seed": 3, "consent": "c"}
    assert lab.http.post("/api/v1/sessions", json=wish).status_code == 422  # a pseudonym has no blanks
    made = lab.http.post("/api/v1/sessions", json=wish | {"subject": "P01"}).json()
    session_id, first, second = made["session_id"], f"{made['session_id']}-1", f"{made['session_id']}-2"
    lab.http.post(f"/api/v1/sessions/{session_id}/start")
    page = threading.Thread(target=lambda: asyncio.run(HeadlessPage(lab.url, lab.token, session_id).run()), daemon=True)
    page.start()

    until(lab, session_id, lambda row: row["trials_done"] >= 5)
    lab.kill("server")
    until(lab, session_id, lambda row: row["state"] == "validating" and row["recording"] == "stopped")
    lab.kill("worker")
    row = until(lab, session_id, lambda row: row["parameters"]["calibration"]["result"])
    result = row["parameters"]["calibration"]["result"]
    assert result["name"] == "p01-token_rsvp", result["sentence"]
    assert row["state"] == ("ready" if result["released"] else "validating"), result["sentence"]

    decoder = Registry(lab.data_dir / "decoders").load("p01-token_rsvp", result["version"])
    assert first in decoder.statement.trained_on
    assert decoder.statement.subjects == ("P01",)
    report = lab.http.get(f"/api/v1/decoders/p01-token_rsvp/{result['version']}/report.html")
    assert report.status_code == 200

    if not result["released"]:
        assert lab.http.post(f"/api/v1/sessions/{session_id}/accept", json={"text": "for the record"}).json()["state"] == "ready"
    assert lab.http.post(f"/api/v1/sessions/{session_id}/start").json()["state"] == "running"
    until(lab, session_id, lambda row: row["state"] == "finished" and row["recording"] == "stopped")
    rows = lab.labels(release="any", session=session_id)
    assert {r["recording_id"] for r in rows} == {first, second}
    texts = [r for r in rows if r["recording_id"] == second]
    assert {r["release"] for r in rows if r["recording_id"] == first} == {"held"}
    valued = [r for r in texts if r["llr"] is not None]
    assert valued
    assert {r["decoder"]["name"] for r in valued} == {"p01-token_rsvp"}
    if not result["released"]:
        assert all(r["release"] == "held" and r["release_reason"].startswith("gate: ") for r in valued)
    assert "in_training" not in {r["release_reason"] for r in texts}
    assert {r["protocol"] for r in rows if r["recording_id"] == first} == {"calibration_sentences"}
    assert {r["protocol"] for r in texts} == {"token_rsvp"}
    page.join(WAIT_S)
    assert not page.is_alive()
