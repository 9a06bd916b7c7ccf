"""Ratings: asked with the trial, kept until acknowledged, one label each."""

from typing import Any

import pytest

from messaging.pages import RatingGiven, Ready
from tests.integration.test_server_sessions import Page
from tests.reference.live_server import Lab, LiveServer

_RATING = RatingGiven(value=80, scale="slider", rt_ms=1234.5)


@pytest.fixture
def rated(own_server: LiveServer) -> str:
    body = {"subject": "S1", "protocol": "ratings_only", "n_trials": 2, "seed": 1, "start": True, "consent": "c2"}
    return str(own_server.post("/sessions", body)["session_id"])


def labels(server: LiveServer, session_id: str) -> list[dict[str, Any]]:
    return list(server.get(f"/labels?session={session_id}&release=any")["items"])


def test_a_rating_is_an_event_and_a_label_however_often_it_is_sent(own_server: LiveServer, rated: str) -> None:
    with Lab(own_server) as lab, Page(own_server, rated) as screen:
        lab.start()
        screen.send(Ready())
        trial = screen.expect("trial")
        assert trial["units"] == []
        assert trial["rating"]["scale"] == "slider"
        assert trial["rating"]["text"]
        screen.show(trial)
        for _ in range(2):  # the same batch, as after a lost acknowledgement
            screen.send(screen.onsets(trial, [], rating=_RATING))
            screen.expect("ack")
        screen.send(screen.onsets(trial, [], rating=_RATING.model_copy(update={"value": 3.0})))  # the first answer counts
        screen.expect("ack")
        event = lab.take_events("rating")[-1]
        assert (event["value"], event["text"]) == (80, "slider")
        (row,) = labels(own_server, rated)
    assert (row["kind"], row["signal"], row["llr"], row["decoder"], row["release"], row["consent"]) == ("rating", "value", None, None, "ok", "c2")
    assert row["rating"] == {"value": 80.0, "scale": "slider", "rt_ms": 1234.5, "scope": "response"}
    assert row["value"] == pytest.approx(0.6)
    assert row["response"] == trial["rating"]["text"]
    assert row["response_id"]
    assert row["item_id"]
    assert row["source"] == "simulated"


def test_a_thumb_that_points_nowhere_is_refused(own_server: LiveServer, rated: str) -> None:
    with Lab(own_server) as lab, Page(own_server, rated) as screen:
        lab.start()
        screen.send(Ready())
        trial = screen.expect("trial")
        wrong = screen.onsets(trial, [], rating=_RATING).model_dump_json().replace('"slider"', '"thumbs"')
        screen.send(wrong)
        refusal = screen.expect("refused")
    assert "thumb" in refusal["reason"]
    assert labels(own_server, rated) == []


def test_a_question_is_asked_after_the_share_of_the_texts_that_the_protocol_names() -> None:
    from server.sessions.planning import Timing, plan_trials
    from server.sessions.protocols import Ratings, Shows

    rows = [{"item_set": "t", "item_id": f"i{k}", "response_id": f"r{k}", "prompt": "", "text": "a b"} for k in range(400)]
    timing = Timing(soa_ms=450, jitter_ms=50, fixation_ms=0, blank_ms=0)
    common: dict[str, Any] = {"seed": 3, "n_trials": None, "trials_per_block": 10}
    plan = plan_trials("s", rows, timing, shows=Shows(rating=Ratings(share=0.25)), **common)
    asked = sum(p.trial.rating is not None for p in plan)
    assert abs(asked / 400 - 0.25) < 4 * (0.25 * 0.75 / 400) ** 0.5
    silent = plan_trials("s", rows, timing, **common)
    assert [p.trial.units for p in plan] == [p.trial.units for p in silent]  # whether something is asked changes no onset
    assert all(p.trial.rating.text is None for p in plan if p.trial.rating is not None)
