"""The lab as its operator meets it: ends that a killed daemon left open, replays, impedance, faults, and what the pages are told."""

import json
from typing import Any

import pytest

from hardware_profiles import load_profile
from messaging.lab import (
    ChannelImpedance,
    ChannelQuality,
    LabAlarm,
    LabEnded,
    LabHello,
    LabImpedance,
    LabQuality,
    LabStatus,
    ReplayPosition,
    SessionPlan,
    StreamQuality,
)
from messaging.pages import OperatorCommand, OperatorHello, Ready, SubjectHello, SubjectRating
from messaging.words import ClockKind, Source
from tests.reference.live_server import Lab, LiveServer, Peer

_ITEM = {"item_id": "i", "prompt": "", "responses": [{"response_id": "r", "text": "one two three"}]}


def make_session(server: LiveServer, **wish: Any) -> str:
    assert server.http.post("/api/v1/items", params={"item_set": "tiny"}, content=json.dumps(_ITEM)).status_code == 201
    return str(server.post("/sessions", {"subject": "S1", "item_set": "tiny", "n_trials": 2} | wish)["session_id"])


def operator_of(server: LiveServer, session_id: str) -> Peer:
    return server.peer(f"/ws/v1/sessions/{session_id}/operator", OperatorHello())


def hello_of_a_replay(session_id: str) -> LabHello:
    plan = SessionPlan(session_id=session_id, recording_id=f"{session_id}-rec", subject="S9", protocol="replay", task="p300", prior=0.2)
    return LabHello(daemon_id="d", profile=load_profile("brainflow_synthetic"), source=Source.REPLAY, clock=ClockKind.VIRTUAL, session=plan)


def hello_with_impedance() -> LabHello:
    profile = load_profile("brainflow_synthetic")
    able = profile.model_copy(update={"driver": profile.driver.model_copy(update={"impedance": "openbci"})})
    return LabHello(daemon_id="d", profile=able, source=Source.LIVE, clock=ClockKind.REAL)


def refusal_of(operator: Peer, command: str, **more: Any) -> str:
    operator.send(OperatorCommand(command=command, **more))  # type: ignore[arg-type]
    return str(operator.until("alarm", what="command_refused")["sentence"])


# ------------------------------------------------------------ ends


@pytest.fixture
def stopping(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session whose daemon was killed after it was told to end the recording and before it did."""
    monkeypatch.setattr("server.sockets.steering.LAST_WINDOWS_S", 0.01)
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        lab.start()
        own_server.post(f"/sessions/{session_id}/finish")
        lab.take_events("session_end")
        lab.until("command", command="stop_recording")
    assert own_server.get(f"/sessions/{session_id}")["recording"] == "stopping"
    return session_id


def test_a_new_daemon_takes_a_recording_up_before_it_ends_it(own_server: LiveServer, stopping: str) -> None:
    with Lab(own_server) as lab:
        lab.status("streaming")
        assert lab.expect("command")["command"] == "start_recording"
        assert own_server.get(f"/sessions/{stopping}")["recording"] == "stopping"
        lab.status("recording", stopping)
        assert lab.expect("command") == {"type": "command", "command": "stop_recording", "session_id": stopping, "reason": "finished"}
        lab.status("streaming")
        following = make_session(own_server, start=True)
        assert lab.start()["session_id"] == following
    assert own_server.get(f"/sessions/{stopping}")["recording"] == "stopped"


def test_a_daemon_that_finds_the_recording_ended_or_has_another_board_holds_nobody_up(
    own_server: LiveServer, stopping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sockets.steering.RESUME_S", 0.05)
    with Lab(own_server) as lab:
        lab.status("streaming")
        assert lab.expect("command")["command"] == "start_recording"
        lab.status("streaming")
        assert lab.expect("command")["command"] == "stop_recording"
        following = make_session(own_server, start=True)
        assert lab.start()["session_id"] == following


def test_the_end_of_a_replay_is_taken_whenever_it_is_told_and_confirmed_each_time(own_server: LiveServer) -> None:
    hello = hello_of_a_replay("replay-1")
    with Lab(own_server, hello) as lab:
        lab.status("recording", "replay-1")
    own_server.stop()
    own_server.start()
    with Lab(own_server, hello) as lab:
        for _ in range(2):
            lab.status("ended", "replay-1")
            assert lab.expect("confirmed") == {"type": "confirmed", "session_id": "replay-1"}
    shown = own_server.get("/sessions/replay-1")
    assert [e["what"] for e in shown["events"]] == ["create", "finish"]
    assert shown["state"] == "finished"


def test_a_later_daemon_may_tell_the_end_of_a_replay_and_no_other_session_is_touched(own_server: LiveServer) -> None:
    with Lab(own_server, hello_of_a_replay("replay-1")) as lab:
        lab.status("recording", "replay-1")
    running = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        for session_id in ("replay-1", "never-heard-of", running):
            lab.send(LabEnded(session_id=session_id, sentence="The replay was stopped."))
            assert lab.expect("confirmed")["session_id"] == session_id
    assert own_server.get("/sessions/replay-1")["state"] == "finished"
    assert own_server.get(f"/sessions/{running}")["state"] == "running"


def test_a_replay_whose_daemon_stays_away_is_shown_as_interrupted_and_may_go_on(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.switchboard.INTERRUPTED_AFTER_S", 0.05)
    hello = hello_of_a_replay("replay-1")
    with Lab(own_server, hello) as lab:
        lab.status("recording", "replay-1")
        with operator_of(own_server, "replay-1") as operator:
            assert operator.expect("state")["session_state"] == "running"
    with operator_of(own_server, "replay-1") as operator:
        operator.until("state", session_state="interrupted")
        shown = own_server.get("/sessions/replay-1")
        assert (shown["state"], shown["interrupted"]) == ("running", True)
        with Lab(own_server, hello):
            operator.until("state", session_state="running")


# ------------------------------------------------------------ what the operator is told


def test_a_finished_session_does_not_show_the_processes_of_the_next_one(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.sockets.steering.LAST_WINDOWS_S", 0.01)
    first = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        lab.start()
        own_server.post(f"/sessions/{first}/finish")
        lab.take_events("session_end")
        lab.until("command", command="stop_recording")
        lab.status("streaming")
        second = make_session(own_server, start=True)
        lab.start()
        with operator_of(own_server, first) as old, operator_of(own_server, second) as new:
            state = old.until("state", over=True)
            assert (state["lab"], state["worker"], state["channels"], state["board"]) == (None, None, [], None)
            assert state["recording_id"] == f"{first}-1"
            assert new.expect("state")["lab"]["session_id"] == second
            lab.send(LabAlarm(what="disk_slow", sentence="The disk is slow."))
            lab.send(b"EEG1 of the lab as such")
            assert new.expect("alarm")["what"] == "disk_slow"
            own_server.post(f"/sessions/{first}/comment", {"text": "done"})
            seen = [old.receive()]
            while not (isinstance(seen[-1], dict) and any(n["text"] == "done" for n in seen[-1].get("notes", ()))):
                seen.append(old.receive())
            assert all(isinstance(m, dict) and m["type"] == "state" for m in seen)


def test_a_hold_shows_with_its_reason_until_it_is_released(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    with operator_of(own_server, session_id) as operator:
        assert operator.expect("state")["held"] is None
        operator.send(OperatorCommand(command="hold", text="electrode off"))
        operator.until("state", held="electrode off")
        operator.send(OperatorCommand(command="release"))
        operator.until("state", held=None)


def test_comments_and_ratings_are_listed_newest_first_with_their_time(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    subject_path = f"/ws/v1/sessions/{session_id}/subject"
    with Lab(own_server) as lab, own_server.peer(subject_path, SubjectHello(page_life="a")) as page, operator_of(own_server, session_id) as operator:
        lab.start()
        page.send(Ready())
        rating = SubjectRating(presentation=page.expect("trial")["presentation"], value=4, scale="1-5", rt_ms=800)
        page.send(rating)
        page.send(rating)  # a page that was not sure
        lab.take_events("rating")
        operator.send(OperatorCommand(command="comment", text="yawned"))
        notes = operator.when("state", lambda state: state["notes"][0]["text"] == "yawned")["notes"]
    assert [n["what"] for n in notes] == ["comment", "rating", "start", "prepare", "create"]
    assert notes[1]["text"] == "4 on the scale 1-5, text 1"
    assert all(n["at"].endswith("Z") for n in notes)


def test_the_stream_s_quality_reaches_the_operator_with_the_channels(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    channel = ChannelQuality(name="Cz", rms_uv=212.0, bad=True, reasons=("RMS 212 uV, limit 100 uV",))
    stream = StreamQuality(loss_fraction=0.02, jitter_ms=4.0, drift_ppm=12.0, blinks_per_min=14.0, reasons=("2 % lost",))
    with Lab(own_server) as lab, operator_of(own_server, session_id) as operator:
        operator.expect("state")
        lab.send(LabQuality(session_id=session_id, channels=(channel,), stream=stream))
        message = operator.expect("quality")
    assert message["channels"][0]["reasons"] == ["RMS 212 uV, limit 100 uV"]
    assert StreamQuality.model_validate(message["stream"]) == stream


def test_what_is_wrong_stays_in_the_state_while_it_lasts_and_alarms_wait_for_a_page_opened_later(own_server: LiveServer) -> None:
    session_id = make_session(own_server, start=True)
    with Lab(own_server) as lab:
        lab.start()
        sentence = "The board has sent no sample for a second. Check power, battery and connection."
        lab.send(LabAlarm(session_id=session_id, what="board_stalled", sentence=sentence))
        lab.send(LabStatus(state="stalled", sentence=sentence, session_id=session_id, bus="away"))
        with operator_of(own_server, session_id) as operator:
            assert operator.expect("alarm")["sentence"] == sentence
            faults = operator.when("state", lambda state: len(state["faults"]) == 2)["faults"]
            assert [f["what"] for f in faults] == ["board_stalled", "bus_away"]
            assert faults[0]["sentence"] == sentence
            lab.status("recording", session_id)
            operator.until("state", faults=[])
    with operator_of(own_server, session_id) as operator:
        faults = operator.when("state", lambda state: state["faults"])["faults"]
    assert faults[0]["what"] == "lab_away"
    assert "rlhb acquire" in faults[0]["sentence"]


# ------------------------------------------------------------ commands for the lab


def test_impedance_is_measured_outside_blocks_and_no_text_is_shown_meanwhile(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    names = hello_with_impedance().profile.eeg_names
    page_path = f"/ws/v1/sessions/{session_id}/subject"
    with Lab(own_server, hello_with_impedance()) as lab, operator_of(own_server, session_id) as operator:
        board = operator.when("state", lambda state: state["board"])["board"]
        assert (board["impedance"], board["impedance_limit_kohm"]) == (True, 50.0)
        assert "no EEG channel 'Xx'" in refusal_of(operator, "measure_impedance", channels=("Xx",))
        operator.send(OperatorCommand(command="measure_impedance", channels=names[:2]))
        assert lab.expect("command") == {"type": "command", "command": "measure_impedance", "on": True, "channels": list(names[:2])}
        measured = LabImpedance(measuring=names[0], channels=(ChannelImpedance(name=names[0], impedance_kohm=7.5),))
        lab.send(measured)
        assert operator.expect("impedance")["channels"] == [{"name": names[0], "impedance_kohm": 7.5, "bad": False}]
        own_server.post(f"/sessions/{session_id}/start")
        lab.start()
        with own_server.peer(page_path, SubjectHello(page_life="a")) as page:
            page.send(Ready())
            assert "electrodes are being measured" in page.expect("pause")["reason"]
            lab.send(measured.model_copy(update={"measuring": None}))
            page.expect("trial")
            assert "Texts are being presented" in refusal_of(operator, "measure_impedance")
            operator.send(OperatorCommand(command="stop_impedance"))
            assert lab.until("command", command="measure_impedance")["on"] is False


def test_lab_commands_that_do_not_fit_are_refused_in_a_sentence(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    with operator_of(own_server, session_id) as operator:
        assert "No acquisition daemon is connected" in refusal_of(operator, "measure_impedance")
        with Lab(own_server):
            assert "cannot measure impedance" in refusal_of(operator, "measure_impedance")
            assert "no replay" in refusal_of(operator, "replay_pause")
        with Lab(own_server, hello_of_a_replay("replay-1")) as lab:
            lab.status("recording", "replay-1")
            assert "replays another session" in refusal_of(operator, "replay_pause")
            with operator_of(own_server, "replay-1") as own:
                assert "position to go to is missing" in refusal_of(own, "replay_seek")


def test_a_replay_is_paused_moved_and_resumed(own_server: LiveServer) -> None:
    with Lab(own_server, hello_of_a_replay("replay-1")) as lab, operator_of(own_server, "replay-1") as operator:
        position = ReplayPosition(position_s=3.5, duration_s=60.0)
        lab.send(LabStatus(state="recording", sentence="Playing.", session_id="replay-1", replay=position))
        state = operator.when("state", lambda state: state["lab"])
        assert ReplayPosition.model_validate(state["lab"]["replay"]) == position
        for command, more, wanted in (
            ("replay_pause", {}, {"action": "pause", "position_s": None}),
            ("replay_seek", {"position_s": 12.5}, {"action": "seek", "position_s": 12.5}),
            ("replay_resume", {}, {"action": "resume", "position_s": None}),
        ):
            operator.send(OperatorCommand(command=command, **more))  # type: ignore[arg-type]
            assert lab.until("command", command="replay") == {"type": "command", "command": "replay", **wanted}


def test_a_refusal_says_in_a_word_for_programs_why(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    path = f"/ws/v1/sessions/{session_id}/subject"
    with own_server.peer(path, SubjectHello(page_life="a")) as first:
        first.expect("welcome")
        assert own_server.peer(path, SubjectHello(page_life="b")).goodbye()[1][-1]["code"] == "conflict"
        with own_server.peer(path, SubjectHello(page_life="b", take_over=True)):
            assert first.goodbye()[1][-1]["code"] == "replaced"
    assert own_server.peer("/ws/v1/sessions/none/subject", SubjectHello(page_life="a")).goodbye()[1][-1]["code"] == "not_found"
    assert own_server.peer(path, SubjectHello(page_life="a"), token="wrong").goodbye()[1][-1]["code"] == "unauthorized"


def test_a_session_whose_electrodes_carry_nothing_starts_only_with_a_reason_which_is_kept(own_server: LiveServer) -> None:
    session_id = make_session(own_server)
    flat = ChannelQuality(name="Cz", rms_uv=0.01, flat=True, bad=True, reasons=("flat: 0.05 uV peak to peak",))
    noisy = ChannelQuality(name="Pz", rms_uv=90.0, bad=True, reasons=("mains 0.8",))
    with Lab(own_server) as lab, operator_of(own_server, session_id) as operator:
        operator.expect("state")
        lab.send(LabQuality(channels=(flat, noisy)))
        operator.expect("quality")
        refused = own_server.http.post(f"/api/v1/sessions/{session_id}/start")
        assert (refused.status_code, refused.json()["detail"]) == (409, "The signal check fails: Cz flat: 0.05 uV peak to peak.")
        new = {"subject": "S1", "item_set": "tiny", "n_trials": 1, "start": True}
        before = len(own_server.get("/sessions")["items"])
        assert own_server.http.post("/api/v1/sessions", json=new).status_code == 409
        assert len(own_server.get("/sessions")["items"]) == before
        operator.send(OperatorCommand(command="start"))
        assert "signal check fails" in operator.until("alarm", what="command_refused")["sentence"]
        started = own_server.post(f"/sessions/{session_id}/start", {"text": "only Pz is looked at"})
    assert started["state"] == "running"
    (entry,) = [e for e in own_server.get(f"/sessions/{session_id}")["events"] if e["what"] == "start"]
    assert entry["text"] == "Started although the signal check fails (Cz flat: 0.05 uV peak to peak): only Pz is looked at"


def test_noise_and_old_news_hold_no_start_up(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = make_session(own_server)
    dead = ChannelQuality(name="Cz", rms_uv=0.0, missing=0.9, bad=True)
    with Lab(own_server) as lab, operator_of(own_server, session_id) as operator:
        operator.expect("state")
        lab.send(LabQuality(channels=(dead,)))
        operator.expect("quality")
        assert own_server.http.post(f"/api/v1/sessions/{session_id}/start").status_code == 409
        monkeypatch.setattr("server.sessions.signal_check.FRESH_S", -1.0)
        assert own_server.post(f"/sessions/{session_id}/start")["state"] == "running"
