"""`POST /score`: what readers have said about a text so far."""

import math
from typing import Any

from messaging.records import UnitShown
from messaging.words import ReleaseState
from tests.integration.test_server_access import is_problem
from tests.integration.test_server_calibration import upload
from tests.integration.test_server_labels import Worker
from tests.reference.live_server import LiveServer, make_reward

TEXT = "zwei drei 🙂 vier"
_ITEMS = [
    {"item_id": "t", "prompt": "Zähle.", "responses": [{"response_id": "t1", "text": TEXT}, {"response_id": "t2", "text": "zwei drei fünf"}]},
]


def read(server: LiveServer, subject: str, response_id: str, llrs: list[float], **more: Any) -> str:
    """A session in which a subject read a response, with these llr."""
    upload(server, "texts", _ITEMS)
    session_id = str(server.post("/sessions", {"subject": subject, "item_set": "texts", "seed": 1})["session_id"])
    trial = next(t for t in server.get(f"/sessions/{session_id}/trials")["items"] if t["response_id"] == response_id)
    words = next(r["text"] for r in _ITEMS[0]["responses"] if r["response_id"] == response_id).split()
    starts = [sum(len(w) + 1 for w in words[:k]) for k in range(len(words))]
    rewards = []
    for k, llr in enumerate(llrs):
        unit = UnitShown(index=k, text=words[k], item_id="t", response_id=response_id, char_start=starts[k], char_end=starts[k] + len(words[k]))
        extra = {"unit": unit, "presentation": trial["presentation"], "trial": trial["trial"], "subject": subject, "llr": llr}
        rewards.append(make_reward(session_id, k, **(extra | more)))
    with Worker(server, session_id) as worker:
        worker.publish(*rewards)
    return session_id


def test_a_text_is_scored_by_all_its_readers(own_server: LiveServer) -> None:
    assert own_server.post("/score", {"text": TEXT})["responses"] == []
    read(own_server, "S1", "t1", [-1.0, 2.0, 0.5, -0.5])
    read(own_server, "S2", "t1", [-2.0, 1.0])
    read(own_server, "S3", "t1", [9.0, 9.0], release=ReleaseState.HELD, release_reason="gate: failed")
    (found,) = own_server.post("/score", {"text": TEXT, "prompt": "Zähle."})["responses"]
    assert (found["subjects"], found["simulated"], found["response"]) == (["S1", "S2"], True, TEXT)
    assert [u["llr"] for u in found["units"]] == [-1.5, 1.5, 0.5, -0.5]  # rho 1: the mean
    assert [u["labels"] for u in found["units"]] == [2, 2, 1, 1]
    assert [TEXT[u["char_start"] : u["char_end"]] for u in found["units"]] == TEXT.split()
    assert math.isclose(found["score"], sum(u["reward"] for u in found["units"]))
    (independent,) = own_server.post("/score", {"text": TEXT, "correlation": {"readers": 0}})["responses"]
    assert independent["units"][0]["llr"] == -3.0
    (own,) = own_server.post("/score", {"text": TEXT, "subjects": ["S2"]})["responses"]
    assert len(own["units"]) == 2
    assert own_server.post("/score", {"text": TEXT, "prompt": "another"})["responses"] == []
    assert own_server.post("/score", {"text": TEXT[:-1]})["responses"] == []


def test_a_beginning_is_scored_by_the_units_inside_it(own_server: LiveServer) -> None:
    read(own_server, "S1", "t1", [1.0, 1.0, 1.0, 1.0])
    read(own_server, "S1", "t2", [-1.0, -1.0, -1.0])
    found = own_server.post("/score", {"text": "zwei drei ", "prefix": True})["responses"]
    assert [(r["response_id"], [u["text"] for u in r["units"]]) for r in found] == [("t1", ["zwei", "drei"]), ("t2", ["zwei", "drei"])]
    assert own_server.post("/score", {"text": "zwei dr", "prefix": True})["responses"][0]["units"][-1]["text"] == "zwei"


def test_a_held_session_counts_no_more(own_server: LiveServer) -> None:
    session_id = read(own_server, "S1", "t1", [1.0])
    own_server.post(f"/sessions/{session_id}/hold", {"text": "cap moved"})
    assert own_server.post("/score", {"text": TEXT})["responses"] == []
    for body in ({}, {"text": ""}, {"text": TEXT, "nonsense": 1}, {"text": "a\x00"}):
        assert is_problem(own_server.http.post("/api/v1/score", json=body), 422)
