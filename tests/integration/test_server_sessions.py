"""A session from its making to its end: subject page, lab, worker and operator at real sockets, on both databases."""

import json
from typing import Any

import pytest

from hardware_profiles import load_profile
from messaging.identity import event_id
from messaging.lab import ClockPing, LabAck, LabAlarm, LabHello, LabQuality, SessionPlan
from messaging.pages import Onsets, OperatorCommand, OperatorHello, Pause, Ready, Resume, ShownUnit, SubjectHello, SubjectRating, SubjectResponse
from messaging.records import ClockFit
from messaging.rewards import RewardBatch, WorkerHello
from messaging.words import ClockKind, EventType, Source
from tests.reference.live_server import Lab, LiveServer, Peer, make_reward

_FIT = ClockFit(offset_s=100.0, sd_ms=0.7, rtt_ms=1.5)
_ITEMS = [
    {
        "item_id": f"i{k}",
        "category": "c",
        "prompt": f"Prompt {k}?",
        "responses": [{"response_id": f"r{k}", "text": f"  Ünit one{k} 𝛑 end.", "wrong": [1], "surprisal_bits": [1, 2, 3, 4]}],
    }
    for k in range(4)
]


def make_session(server: LiveServer, **wish: Any) -> str:
    raw = "\n".join(json.dumps(i) for i in _ITEMS)
    assert server.http.post("/api/v1/items", params={"item_set": "tiny"}, content=raw).status_code == 201
    body = {"subject": "S1", "item_set": "tiny", "seed": 5, "n_trials": 3} | wish
    return str(server.post("/sessions", body)["session_id"])


class Page(Peer):
    """A subject page that shows a trial in no time."""

    def __init__(self, server: LiveServer, session_id: str, life: str = "life1", *, take_over: bool = False) -> None:
        self.life = life
        self.batch = 0
        super().__init__(f"ws://127.0.0.1:{server.port}/ws/v1/sessions/{session_id}/subject", SubjectHello(page_life=life, take_over=take_over))

    def onsets(self, trial: dict[str, Any], indexes: list[int], **more: Any) -> Onsets:
        self.batch += 1
        units = tuple(ShownUnit(index=k, onset_page_ms=1000.0 + 450 * k) for k in indexes)
        return Onsets(batch=self.batch, page_life=self.life, presentation=trial["presentation"], units=units, page_to_server=_FIT, **more)

    def show(self, trial: dict[str, Any]) -> Onsets:
        message = self.onsets(trial, list(range(len(trial["units"]))), trial_ended=True)
        self.send(message)
        assert self.expect("ack") == {"type": "ack", "page_life": self.life, "batch": self.batch}
        return message

    def next(self) -> dict[str, Any]:
        self.send(Ready())
        return dict(self.expect("trial"))


def test_a_whole_session(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    with Page(own_server, session_id) as page, Lab(own_server) as lab:
        welcome = page.expect("welcome")
        assert (welcome["n_trials"], welcome["trials_done"], welcome["protocol"]) == (3, 0, "token_rsvp")
        page.send(Ready())
        assert "not started" in page.expect("pause")["reason"]
        own_server.post(f"/sessions/{session_id}/start")
        plan = lab.until("command", command="start_recording")["session"]
        assert plan["session_id"] == session_id
        assert "recording" in page.expect("pause")["reason"]
        lab.status("recording", session_id)
        page.expect("resume")
        trial = page.expect("trial")
        for k in range(3):
            trial = trial if k == 0 else page.next()
            assert [u["text"] for u in trial["units"]][0::2] == ["Ünit", "𝛑"]
            page.show(trial)
        page.send(Ready())
        events = lab.take_events("session_end")
        assert lab.expect("command") == {"type": "command", "command": "stop_recording", "session_id": session_id, "reason": "finished"}
        assert "finished" in page.expect("end")["reason"]
        lab.status("streaming")
    kinds = [e["type"] for e in events]
    assert kinds == ["session_start", *(["trial_start", *["unit"] * 4, "trial_end"] * 3), "session_end"]
    unit = next(e for e in events if e["type"] == "unit")
    assert unit["time"]["onset_server_s"] == pytest.approx(101.0)
    assert unit["time"]["onset_sd_ms"] == 0.7
    assert unit["unit"] == {
        "index": 0,
        "text": "Ünit",
        "item_id": unit["unit"]["item_id"],
        "response_id": unit["unit"]["response_id"],
        "char_start": 2,
        "char_end": 6,
        "time_lock": "unit",
        "words": None,
        "marker": None,
        "step": None,
    }
    assert "wrong" not in json.dumps(events)
    assert unit["event_id"] == event_id(session_id, unit["presentation"], EventType.UNIT, 0)
    shown = own_server.get(f"/sessions/{session_id}")
    assert (shown["state"], shown["trials_done"], shown["source"]) == ("finished", 3, "simulated")
    assert [e["what"] for e in shown["events"]] == ["create", "prepare", "start", "finish"]


def test_labels_carry_the_text_that_was_shown(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab, Page(own_server, session_id) as page:
        lab.start()
        trial = page.next()
        page.show(trial)
        hello = WorkerHello(worker_id="w", recording_id=f"{session_id}-1", session_id=session_id)
        with own_server.peer("/ws/v1/rewards", hello) as worker:
            worker.expect("welcome")
            worker.send(RewardBatch(batch=1, epoch=1, recording_id=f"{session_id}-1", items=(make_reward(session_id, 0, presentation=trial["presentation"]),)))
            worker.expect("ack")
    (row,) = own_server.get("/labels", session=session_id)["items"]
    assert row["prompt"] == trial["prompt"]
    assert row["response"].startswith("  Ünit one")
    assert own_server.get("/labels", session=session_id, include="")["items"][0]["response"] is None


def test_unrecorded_events_come_again_in_their_order(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    with Page(own_server, session_id) as page:
        with Lab(own_server) as lab:
            lab.start()
            message = page.show(page.next())
            first = lab.take_events("trial_end", ack=False)
            lab.send(LabAck(recorded=(first[0]["event_id"], first[1]["event_id"])))
            lab.send(ClockPing(t0=1.0))
            lab.expect("clock_pong")
        page.send(message)
        assert page.expect("ack")["batch"] == message.batch
        own_server.stop()
    own_server.start()
    with Lab(own_server) as lab:
        assert lab.start()["session_id"] == session_id
        again = lab.take_events("trial_end")
    assert again == first[2:]


def test_a_reload_breaks_the_presentation_off(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        lab.start()
        with Page(own_server, session_id) as page:
            broken = page.next()
            message = page.onsets(broken, [0, 1])
            page.send(message)
            page.expect("ack")
        with Page(own_server, session_id, "life2") as page:
            page.send(message)  # what the old page kept
            assert page.expect("ack")["page_life"] == "life1"
            trial = page.next()
            assert (trial["trial"], broken["trial"]) == (1, 0)
            aborted = next(e for e in lab.take_events("trial_aborted") if e["type"] == "trial_aborted")
            assert (aborted["presentation"], aborted["n_units"]) == (broken["presentation"], 2)
            page.show(trial)
            assert lab.take_events("trial_end")[-1]["presentation"] == trial["presentation"]


def test_a_trial_lost_with_the_connection_is_sent_again(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        lab.start()
        with Page(own_server, session_id) as page:
            lost = page.next()
            page.drop()
        with Page(own_server, session_id) as page:
            assert page.next() == lost
            page.send(Ready())  # asks for nothing more while the trial is on its way
            page.send(page.onsets(lost, [0], aborted=True))
            page.expect("ack")
            assert page.next()["trial"] == 1


def test_a_second_page_is_refused_until_it_takes_over(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    with Page(own_server, session_id) as first:
        first.expect("welcome")
        code, seen = Page(own_server, session_id, "life2").goodbye()
        assert (code, seen[-1]["type"]) == (4409, "refused")
        with Page(own_server, session_id, "life2", take_over=True) as second:
            second.expect("welcome")
            assert first.goodbye()[0] == 4409
            with Page(own_server, session_id, "life2") as again:  # the same page on a new connection
                again.expect("welcome")


def test_pause_holds_the_next_trial_back(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab, Page(own_server, session_id) as page:
        lab.start()
        trial = page.next()
        page.send(Pause(reason="water"))
        page.expect("pause")
        page.show(trial)
        page.send(Ready())
        page.send(ClockPing(t0=3.5))
        assert page.receive()["type"] == "clock_pong"  # no trial
        page.send(Resume())
        page.expect("resume")
        trial = page.expect("trial")
        page.send(SubjectResponse(presentation=trial["presentation"], key="j", page_ms=2000.0))
        page.send(SubjectRating(presentation=trial["presentation"], value=3, scale="1-5", rt_ms=900))
        events = lab.take_events("rating")
        assert [e["type"] for e in events if e["type"] not in ("unit", "trial_start", "trial_end")] == [
            "session_start",
            "pause",
            "resume",
            "response",
            "rating",
        ]
        assert (events[-1]["value"], events[-1]["text"]) == (3.0, "1-5")


def test_an_operator_sees_and_commands(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    path = f"/ws/v1/sessions/{session_id}/operator"
    with Lab(own_server) as lab, own_server.peer(path, OperatorHello()) as operator:
        assert operator.expect("state")["session_state"] == "ready"
        operator.send(OperatorCommand(command="resume"))
        assert operator.expect("alarm")["what"] == "command_refused"
        operator.send(OperatorCommand(command="start"))
        operator.until("state", session_state="running")
        lab.start()
        lab.send(LabQuality(session_id=session_id, channels=()))
        operator.expect("quality")
        lab.send(LabAlarm(session_id=session_id, what="board_stalled", sentence="The board sends nothing."))
        assert operator.expect("alarm")["what"] == "board_stalled"
        lab.send(b"EEG1 preview")
        while operator.receive() != b"EEG1 preview":
            pass
        with Page(own_server, session_id) as page:
            trial = page.next()
            page.send(page.onsets(trial, [0, 1]))
            page.expect("ack")
            while (state := operator.until("state", subject_page=True))["current"] is None or state["current"]["shown"] < 2:
                pass
            assert state["lab"]["state"] == "recording"
            assert [u["text"] for u in state["current"]["units"]] == [u["text"] for u in trial["units"]]
            operator.send(OperatorCommand(command="comment", text="eyes closed"))
            assert lab.take_events("comment")[-1]["text"] == "eyes closed"
            operator.send(OperatorCommand(command="abort"))
            assert "ended" in page.expect("end")["reason"]
        lab.take_events("session_end")
        assert lab.expect("command")["reason"] == "aborted"


def test_a_replay_is_entered_as_running_and_ends_with_its_daemon(own_server: LiveServer) -> None:
    plan = SessionPlan(session_id="replay-1", recording_id="replay-1-rec", subject="S9", protocol="replay", task="p300", prior=0.2)
    hello = LabHello(daemon_id="d", profile=load_profile("brainflow_synthetic"), source=Source.REPLAY, clock=ClockKind.VIRTUAL, session=plan)
    waiting = make_session(own_server, start=True)
    with Lab(own_server, hello) as lab:
        lab.status("recording", "replay-1")
        shown = own_server.get("/sessions/replay-1")
        assert (shown["state"], shown["source"], shown["clock"]) == ("running", "replay", "virtual")
        own_server.post("/sessions/replay-1/hold", {"text": "look"})
        event = lab.expect("event", "command")
        assert [e["type"] for e in event["events"]] == ["hold"]  # and nothing of the session that waits for a board
        lab.status("ended", "replay-1")
        with own_server.peer("/ws/v1/sessions/replay-1/operator", OperatorHello()) as operator:
            operator.until("state", session_state="finished")
    with Lab(own_server) as lab:
        assert lab.start()["session_id"] == waiting


def test_a_newer_daemon_replaces_the_older_one(own_server: LiveServer) -> None:
    with Lab(own_server) as old, Lab(own_server) as new:
        assert old.goodbye()[0] == 4409
        new.send(ClockPing(t0=1.0))
        assert new.expect("clock_pong")["t0"] == 1.0


def test_what_a_daemon_does_not_answer_goes_out_again(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that was not able to record yet drops what it gets; nothing is lost by that."""
    monkeypatch.setattr("server.sockets.steering.ASK_AGAIN_S", 0.05)
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        for _ in range(2):
            assert lab.until("command", command="start_recording")["session"]["session_id"] == session_id
        lab.status("recording", session_id)
        first = lab.take_events("session_start", ack=False)
        assert lab.take_events("session_start") == first


def test_a_session_begins_when_the_one_before_is_recorded_to_its_end(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.sockets.steering.LAST_WINDOWS_S", 0.01)
    first = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        lab.start()
        own_server.post(f"/sessions/{first}/finish")
        second = make_session(own_server, start=True)
        events = lab.take_events("session_end")
        assert {e["session_id"] for e in events} == {first}
        assert lab.expect("command")["command"] == "stop_recording"
        lab.status("streaming")
        assert lab.start()["session_id"] == second
        assert {e["session_id"] for e in lab.take_events("session_start")} == {second}


def test_one_lab_records_one_session(own_server: LiveServer) -> None:
    make_session(own_server, start=True)
    other = make_session(own_server)
    answer = own_server.http.post(f"/api/v1/sessions/{other}/start")
    assert answer.status_code == 409
    assert "Finish or abort" in answer.json()["remedy"]


def test_onsets_of_an_unknown_presentation_are_let_go(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    with Page(own_server, session_id) as page:
        page.send(page.onsets({"presentation": "0" * 32}, [0]))
        assert page.expect("ack")["batch"] == 1


def test_a_failure_beside_the_reading_ends_the_connection_with_a_reason(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that hears nothing any more must not look alive."""

    async def fail(*_: object) -> None:
        raise RuntimeError

    session_id = make_session(own_server)
    monkeypatch.setattr("server.sockets.subject.Showing.advance", fail)
    with Page(own_server, session_id) as page:
        code, seen = page.goodbye()
    assert (code, seen[-1]["type"]) == (1011, "refused")
