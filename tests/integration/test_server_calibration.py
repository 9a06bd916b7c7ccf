"""A session that calibrates first: its trials, its recordings, its verdict, and what the operator decides."""

import json
from typing import Any

import pytest

from messaging.pages import OperatorHello, Ready
from messaging.rewards import CalibrationProgress, CalibrationResult, WorkerHello
from tests.integration.test_server_lab import hello_of_a_replay
from tests.integration.test_server_sessions import Page
from tests.reference.live_server import Lab, LiveServer, Peer

_MARKED = [{"item_id": f"c{k}", "prompt": "", "responses": [{"response_id": f"c{k}", "text": "right wrong", "wrong": [1]}]} for k in range(2)]
_PLAIN = [{"item_id": "t", "prompt": "", "responses": [{"response_id": "t", "text": "one two"}]}]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.sockets.steering.LAST_WINDOWS_S", 0.01)


def upload(server: LiveServer, name: str, items: list[dict[str, Any]]) -> None:
    lines = "\n".join(json.dumps(item) for item in items)
    assert server.http.post("/api/v1/items", params={"item_set": name}, content=lines).status_code == 201


def make(server: LiveServer, **wish: Any) -> str:
    upload(server, "marked", _MARKED)
    upload(server, "plain", _PLAIN)
    body = {"subject": "S1", "item_set": "plain", "calibrate": True, "calibration_items": "marked", "prompt_ms": 0} | wish
    return str(server.post("/sessions", body)["session_id"])


def state_of(server: LiveServer, session_id: str) -> tuple[str, str]:
    row = server.get(f"/sessions/{session_id}")
    return row["state"], row["recording"]


def wait_for(server: LiveServer, session_id: str, state: str, recording: str) -> None:
    with operator_of(server, session_id) as operator:
        operator.until("state", session_state=state, recording=recording)


def operator_of(server: LiveServer, session_id: str) -> Peer:
    return server.peer(f"/ws/v1/sessions/{session_id}/operator", OperatorHello())


def worker_of(server: LiveServer, session_id: str, recording_id: str) -> tuple[Peer, Any]:
    worker = server.peer("/ws/v1/rewards", WorkerHello(worker_id="w", recording_id=recording_id, session_id=session_id))
    return worker, worker.expect("welcome")["calibration"]


def result_of(recording_id: str, *, released: bool) -> CalibrationResult:
    verdict = "passed" if released else "failed"
    line = {"name": "information_gain", "verdict": verdict, "sentence": "Gain."}
    return CalibrationResult.model_validate(
        {"recording_id": recording_id, "name": "s1-token_rsvp", "version": 1, "released": released, "auc": 0.7, "gate": [line], "sentence": f"It {verdict}."}
    )


def show_calibration(server: LiveServer, lab: Lab, screen: Page, session_id: str) -> list[dict[str, Any]]:
    """Show both texts of the calibration and end its recording as a daemon does; gives the trials."""
    shown = []
    for _ in _MARKED:
        screen.send(Ready())
        trial = screen.expect("trial")
        screen.show(trial)
        shown.append(trial)
    screen.send(Ready())  # the calibration is over then
    lab.take_events("trial_end", count=len(shown))
    lab.take_events("comment")
    lab.until("command", command="stop_recording")
    lab.status("streaming")
    wait_for(server, session_id, "validating", "stopped")
    return shown


@pytest.mark.parametrize("released", [True, False])
def test_a_session_calibrates_is_judged_and_goes_on_with_the_decoder_in_a_recording_of_its_own(own_server: LiveServer, released: bool) -> None:
    session_id = make(own_server)
    assert state_of(own_server, session_id) == ("checking", "none")
    with Lab(own_server) as lab, Page(own_server, session_id) as screen:
        assert own_server.post(f"/sessions/{session_id}/start")["state"] == "calibrating"
        plan = lab.start()
        assert (plan["recording_id"], plan["protocol"], plan["decoder"]) == (f"{session_id}-1", "calibration_sentences", None)
        worker, wish = worker_of(own_server, session_id, plan["recording_id"])
        assert wish == {"recording_id": plan["recording_id"], "item_set": "marked", "name": "s1-token_rsvp"}
        shown = show_calibration(own_server, lab, screen, session_id)
        assert [t["trial"] for t in shown] == [0, 1]
        with operator_of(own_server, session_id) as operator:
            worker.send(CalibrationProgress(recording_id=plan["recording_id"], what="filtering", fraction=0.25))
            seen = operator.when("state", lambda m: m["calibration"]["what"])["calibration"]
            assert (seen["what"], seen["fraction"], seen["trials_done"], seen["n_trials"]) == ("filtering", 0.25, 2, 2)
        worker.send(result_of(plan["recording_id"], released=released))
        assert worker.expect("calibration_taken")["recording_id"] == plan["recording_id"]
        if not released:
            assert state_of(own_server, session_id)[0] == "validating"  # the operator decides
            own_server.post(f"/sessions/{session_id}/accept", {"text": "only to record"})
        assert state_of(own_server, session_id)[0] == "ready"
        assert own_server.post(f"/sessions/{session_id}/start")["state"] == "running"
        plan = lab.start()
        assert (plan["recording_id"], plan["protocol"]) == (f"{session_id}-2", "token_rsvp")
        assert plan["decoder"] == {"name": "s1-token_rsvp", "version": 1}
        assert screen.expect("trial")["units"][0]["text"] == "one"  # without being asked again
        worker.close()
    told = [(e["what"], e["state"]) for e in own_server.get(f"/sessions/{session_id}")["events"]]
    expected = [("create", "created"), ("check", "checking"), ("start", "calibrating"), ("validate", "validating"), ("verdict", "validating")]
    assert told == [*expected, ("accept", "ready"), ("start", "running")]


def test_a_calibration_that_fails_is_done_again_with_other_trials_in_another_recording(own_server: LiveServer) -> None:
    session_id = make(own_server)
    with Lab(own_server) as lab, Page(own_server, session_id) as screen:
        own_server.post(f"/sessions/{session_id}/start")
        first = lab.start()["recording_id"]
        before = {t["presentation"] for t in show_calibration(own_server, lab, screen, session_id)}
        worker, _ = worker_of(own_server, session_id, first)
        worker.send(CalibrationResult(recording_id=first, sentence="No decoder was fitted. Too few trials."))
        worker.expect("calibration_taken")
        own_server.post(f"/sessions/{session_id}/calibrate")
        second = lab.start()["recording_id"]
        assert second == f"{session_id}-2"
        again = screen.expect("trial")
        assert again["presentation"] not in before
        assert [u["text"] for u in again["units"]] == ["right", "wrong"]
        # The outcome of the first is wanted no more, and the worker of the second is asked for its own.
        worker.send(result_of(first, released=True))
        worker.expect("calibration_taken")
        assert state_of(own_server, session_id)[0] == "calibrating"
        worker.close()
        other, wish = worker_of(own_server, session_id, second)
        assert wish["recording_id"] == second
        other.close()


def test_a_server_that_was_started_anew_goes_on_with_the_validation(own_server: LiveServer) -> None:
    session_id = make(own_server)
    with Lab(own_server) as lab, Page(own_server, session_id) as screen:
        own_server.post(f"/sessions/{session_id}/start")
        recording_id = lab.start()["recording_id"]
        show_calibration(own_server, lab, screen, session_id)
    own_server.stop()
    own_server.start()
    worker, wish = worker_of(own_server, session_id, recording_id)
    assert wish["recording_id"] == recording_id
    for _ in range(2):  # an answer that was lost is asked for again
        worker.send(result_of(recording_id, released=True))
        worker.expect("calibration_taken")
    worker.close()
    row = own_server.get(f"/sessions/{session_id}")
    assert (row["state"], row["decoder_name"], row["decoder_version"]) == ("ready", "s1-token_rsvp", 1)
    assert [e["what"] for e in row["events"]].count("verdict") == 1


def test_a_pause_of_a_calibration_leads_back_to_it(own_server: LiveServer) -> None:
    session_id = make(own_server)
    with Lab(own_server) as lab:
        own_server.post(f"/sessions/{session_id}/start")
        lab.start()
        assert own_server.post(f"/sessions/{session_id}/pause")["state"] == "paused"
        assert own_server.post(f"/sessions/{session_id}/resume")["state"] == "calibrating"


def test_a_calibration_out_of_a_pause_waits_for_the_end_of_the_recording_before_it(own_server: LiveServer) -> None:
    upload(own_server, "plain", _PLAIN)
    session_id = str(own_server.post("/sessions", {"subject": "S1", "item_set": "plain", "n_trials": 2, "start": True})["session_id"])
    with Lab(own_server) as lab, Page(own_server, session_id) as page:
        lab.start()
        own_server.post(f"/sessions/{session_id}/pause")
        own_server.post(f"/sessions/{session_id}/calibrate")
        page.send(Ready())
        lab.take_events("comment")
        assert lab.until("command", command="stop_recording")["session_id"] == session_id
        assert own_server.get(f"/sessions/{session_id}")["recording_id"] == f"{session_id}-1"
        lab.status("streaming")
        assert lab.start()["recording_id"] == f"{session_id}-2"
        assert page.expect("trial")["units"][0]["item_id"].startswith("calibration")


def test_the_outcome_of_an_aborted_calibration_changes_nothing(own_server: LiveServer) -> None:
    session_id = make(own_server)
    with Lab(own_server) as lab:
        own_server.post(f"/sessions/{session_id}/start")
        recording_id = lab.start()["recording_id"]
        own_server.post(f"/sessions/{session_id}/abort")
    worker, wish = worker_of(own_server, session_id, recording_id)
    assert wish is None
    worker.send(result_of(recording_id, released=True))
    worker.expect("calibration_taken")
    worker.close()
    row = own_server.get(f"/sessions/{session_id}")
    assert (row["state"], row["decoder_name"]) == ("aborted", None)


def test_a_calibration_without_marks_or_beside_a_decoder_is_refused(own_server: LiveServer) -> None:
    upload(own_server, "plain", _PLAIN)
    body = {"subject": "S1", "calibrate": True, "calibration_items": "plain"}
    answer = own_server.http.post("/api/v1/sessions", json=body)
    assert answer.status_code == 400
    assert "marked as wrong" in answer.json()["detail"]
    folder = own_server.data_dir / "decoders" / "lda" / "1"
    folder.mkdir(parents=True)
    answer = own_server.http.post("/api/v1/sessions", json={"subject": "S1", "calibrate": True, "decoder": "lda@1"})
    assert answer.status_code in (400, 404)
    assert own_server.get("/sessions")["items"] == []


def test_a_labs_own_protocol_is_listed_and_shown_and_a_wrong_one_is_named(own_server: LiveServer) -> None:
    upload(own_server, "plain", _PLAIN)
    folder = own_server.data_dir / "protocols"
    folder.mkdir()
    (folder / "slow.toml").write_text('name = "slow"\ntask = "slow_rsvp"\ntitle = "Slow"\nitem_set = "plain"\nsoa_ms = 700\njitter_ms = 0\n')
    (folder / "wrong.toml").write_text("soa = 1")
    listed = {row["name"]: row for row in own_server.get("/protocols")["items"]}
    assert listed["slow"]["soa_ms"] == 700
    assert "soa" in listed["wrong"]["damaged"]
    made = own_server.post("/sessions", {"subject": "S1", "protocol": "slow"})
    assert (made["task"], made["parameters"]["soa_ms"], made["item_set"]) == ("slow_rsvp", 700, "plain")
    refused = own_server.http.post("/api/v1/sessions", json={"subject": "S1", "protocol": "wrong"})
    assert refused.status_code == 409
    assert "wrong.toml" in refused.json()["detail"]
    no_calibration = own_server.http.post("/api/v1/sessions", json={"subject": "S1", "protocol": "slow", "calibrate": True})
    assert no_calibration.status_code == 404


def test_a_replay_is_not_calibrated(own_server: LiveServer) -> None:
    with Lab(own_server, hello_of_a_replay("replayed")):
        assert own_server.post("/sessions/replayed/pause")["state"] == "paused"
        refused = own_server.http.post("/api/v1/sessions/replayed/calibrate")
    assert refused.status_code == 409
    assert "rlhb fit" in refused.json()["remedy"]
