"""A session of phrases or steps with verdicts, from the page's trial to the label row."""

from typing import Any

import pytest

from messaging.pages import Ready
from messaging.words import LabelKind, TimeLock
from tests.integration.test_server_calibration import upload
from tests.integration.test_server_sessions import Page
from tests.reference.live_server import Lab, LiveServer, make_reward

_ITEMS = [{"item_id": "t", "prompt": "", "responses": [{"response_id": "t", "text": "one two\nthree four", "wrong": [3], "rejected": [2], "accepted": [0]}]}]


def make(server: LiveServer, protocol: str, **wish: Any) -> str:
    upload(server, "steps", _ITEMS)
    body = {"subject": "S1", "protocol": protocol, "item_set": "steps", "prompt_ms": 0, "start": True}
    return str(server.post("/sessions", body | wish)["session_id"])


@pytest.mark.parametrize(("protocol", "kind"), [("phrase_verdict", LabelKind.UNIT), ("cot_steps", LabelKind.STEP)])
def test_what_is_shown_is_logged_and_stands_in_the_label(own_server: LiveServer, protocol: str, kind: LabelKind) -> None:
    session_id = make(own_server, protocol)
    with Lab(own_server) as lab, Page(own_server, session_id) as screen:
        assert "judge the verdict" in screen.expect("welcome")["instruction"]
        plan = lab.start()
        assert plan["task"] == "phrase_verdict"
        screen.send(Ready())
        trial = screen.expect("trial")
        assert [(u["text"], u["sign"], u["marker"]["source"]) for u in trial["units"]] == [("one two", "✓", "verifier"), ("three four", "✗", "verifier")]
        screen.show(trial)
        events = lab.take_events("trial_end")
        units = [event["unit"] for event in events if event["type"] == "unit"]
        assert [(u["words"], u["marker"]["polarity"], u["time_lock"]) for u in units] == [([0, 2], "accept", "marker"), ([2, 4], "reject", "marker")]
        assert [u["step"] for u in units] == (
            [None, None] if kind is LabelKind.UNIT else [{"step_id": "t.0", "parent_id": None}, {"step_id": "t.1", "parent_id": "t.0"}]
        )
        assert "wrong" not in str(events)


def test_the_label_row_names_the_sign_and_the_step(server: LiveServer) -> None:
    from messaging.records import MarkerShown, StepShown, UnitShown
    from server.labels.row import row_of

    unit = UnitShown(
        index=1,
        text="three four",
        response_id="t",
        words=(2, 4),
        time_lock=TimeLock.MARKER,
        marker=MarkerShown(polarity="reject", source="verifier"),
        step=StepShown(step_id="t.1", parent_id="t.0"),
    )
    reward = make_reward("s", 1, unit=unit, kind=LabelKind.STEP)
    row = row_of(reward, seq=1, revision=1, current=True, release=reward.release, reason=None, created_at="2026-01-01T00:00:00.000Z")
    assert row["marker"] == {"kind": "verdict", "polarity": "reject", "source": "verifier"}
    assert row["step"] == {"step_id": "t.1", "parent_id": "t.0", "first_error_p": None, "action": None}
    assert (row["unit"]["text"], row["kind"]) == ("three four", "step")


def test_a_calibration_with_verdicts_needs_marked_errors(own_server: LiveServer) -> None:
    upload(own_server, "plain", [{"item_id": "p", "prompt": "", "responses": [{"response_id": "p", "text": "a b"}]}])
    body = {"subject": "S1", "protocol": "calibration_verdict", "item_set": "plain"}
    answer = own_server.http.post("/api/v1/sessions", json=body)
    assert answer.status_code == 400
    assert "marked as wrong" in answer.json()["detail"]


def test_a_session_with_verdicts_calibrates_with_verdicts_too(own_server: LiveServer) -> None:
    session_id = make(own_server, "cot_steps", calibrate=True, start=False, calibration_items="steps", n_calibration_trials=1)
    course = own_server.get(f"/sessions/{session_id}")["parameters"]["calibration"]
    assert (course["protocol"], course["shows"]["units"]) == ("calibration_verdict", "phrase")
    assert course["shows"]["verdict"]["wrong_share"] == 0.25
