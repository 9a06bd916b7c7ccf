"""Catch trials: planned among the texts, told apart in the labels, left out unless asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.records import UnitShown
from server.labels.catch import catch_of
from server.sessions.catch import LYING_SHARE, shows_of_catch, with_catch
from server.sessions.protocols import Shows, Verdicts
from tests.integration.test_server_calibration import upload
from tests.integration.test_server_labels import Worker, pull
from tests.reference.live_server import LiveServer, make_reward

_TEXTS = [{"item_id": f"t{k}", "prompt": "", "responses": [{"response_id": f"t{k}", "text": "one two"}]} for k in range(10)]
_KNOWN = [{"item_id": f"c{k}", "prompt": "", "responses": [{"response_id": f"c{k}", "text": "right wrong", "wrong": [1]}]} for k in range(4)]


def make(server: LiveServer, **wish: Any) -> dict[str, Any]:
    upload(server, "texts", _TEXTS)
    upload(server, "known", _KNOWN)
    body = {"subject": "S1", "item_set": "texts", "catch_items": "known", "catch_share": 0.2, "seed": 5}
    return dict(server.post("/sessions", body | wish))


def test_labels_of_catch_trials_say_so_and_are_pulled_only_when_asked_for(own_server: LiveServer) -> None:
    session_id = make(own_server)["session_id"]
    trials = own_server.get(f"/sessions/{session_id}/trials")["items"]
    assert len(trials) == 12
    caught = [t for t in trials if t["response_id"].startswith("c")]
    assert len(caught) == 2
    assert [t["trial"] for t in caught] != [10, 11]  # among the others
    plain = next(t for t in trials if t["response_id"].startswith("t"))
    rewards = []
    for trial in (caught[0], plain):
        for k in range(2):
            unit = UnitShown(index=k, text="w", item_id=trial["response_id"], response_id=trial["response_id"])
            rewards.append(make_reward(session_id, k, unit=unit, presentation=trial["presentation"], trial=trial["trial"]))
    with Worker(own_server, session_id) as worker:
        worker.publish(*rewards)
    assert [(r["response_id"], r["catch"]) for r in pull(own_server, session_id, catch="any")] == [
        (caught[0]["response_id"], "good"),
        (caught[0]["response_id"], "bad"),
        (plain["response_id"], "none"),
        (plain["response_id"], "none"),
    ]
    assert {r["response_id"] for r in pull(own_server, session_id)} == {plain["response_id"]}
    assert [r["unit"]["index"] for r in pull(own_server, session_id, catch="bad")] == [1]


@pytest.mark.parametrize(("wish", "what"), [({"catch_items": "texts"}, "tell them apart"), ({"item_set": "known", "catch_items": "texts"}, "marked as wrong")])
def test_catch_trials_that_cannot_be_scored_are_refused(own_server: LiveServer, wish: dict[str, Any], what: str) -> None:
    make(own_server)
    body = {"subject": "S1", "item_set": "texts", "catch_share": 0.1} | wish
    answer = own_server.http.post("/api/v1/sessions", json=body)
    assert answer.status_code == 400
    assert what in answer.json()["detail"]


def test_without_a_share_there_are_none(own_server: LiveServer) -> None:
    made = make(own_server, catch_share=0)
    assert len(own_server.get(f"/sessions/{made['session_id']}/trials")["items"]) == 10


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 30), st.sampled_from([0.0, 0.05, 0.1, 0.2]), st.integers(0, 2**32))
def test_every_round_has_its_share_and_every_text_stays(n_texts: int, n_trials: int, n_known: int, share: float, seed: int) -> None:
    texts, known = [{"response_id": f"t{k}"} for k in range(n_texts)], [{"response_id": f"c{k}"} for k in range(n_known)]
    mixed, n_all = with_catch(texts, known, share=share, n_trials=n_trials, seed=seed)
    assert (mixed, n_all) == with_catch(texts, known, share=share, n_trials=n_trials, seed=seed)
    shown = [row for row in mixed if row["response_id"].startswith("t")]
    n_caught = len(mixed) - len(shown)
    assert n_caught == min(round(share * min(n_trials, n_texts)), n_known)
    assert len({row["response_id"] for row in mixed}) == len(mixed)
    if n_caught:
        assert len(shown) == min(n_texts, n_trials)
        assert n_trials <= n_all <= n_trials + n_caught * -(-n_trials // len(shown))
    else:
        assert (shown, n_all) == (texts, n_trials)


def test_verdicts_of_catch_trials_go_by_the_truth() -> None:
    shows = shows_of_catch(Shows(verdict=Verdicts(reject_share=0.1)))
    assert shows.verdict is not None
    assert shows.verdict.wrong_share == LYING_SHARE
    assert shows_of_catch(Shows()) == Shows()


def test_a_phrase_is_bad_if_a_word_of_it_is() -> None:
    phrase = UnitShown(index=1, text="p", words=(3, 6))
    assert [catch_of(phrase, frozenset(w)) for w in ({5}, {6}, {1})] == ["bad", "good", "good"]
    assert [catch_of(UnitShown(index=1, text="w"), frozenset(w)) for w in ({1}, {0})] == ["bad", "good"]
    assert [catch_of(None, frozenset(w)) for w in ({1}, ())] == ["bad", "good"]
