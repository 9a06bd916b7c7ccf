"""Consent, its withdrawal, and erasure: against a real server, on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rlhb.commands.subjects import consent, erase, list_subjects, withdraw
from rlhb.errors import CommandError
from tests.integration.test_server_access import is_problem
from tests.integration.test_server_calibration import upload
from tests.integration.test_server_labels import Worker, pull
from tests.reference.live_server import TOKEN, LiveServer, make_reward

_TEXTS = [{"item_id": "t", "prompt": "", "responses": [{"response_id": "t", "text": "one two three"}]}]


def give(server: LiveServer, subject: str, *scopes: str, **more: Any) -> dict[str, Any]:
    return dict(server.post("/subjects", {"subject": subject, "consent": {"scopes": scopes, **more}}))


def make(server: LiveServer, subject: str, **more: Any) -> dict[str, Any]:
    upload(server, "texts", _TEXTS)
    return dict(server.post("/sessions", {"subject": subject, "item_set": "texts", "seed": 1, **more}))


def refused(server: LiveServer, subject: str, **more: Any) -> str:
    upload(server, "texts", _TEXTS)
    answer = server.http.post("/api/v1/sessions", json={"subject": subject, "item_set": "texts", **more})
    assert is_problem(answer, answer.status_code)
    return f"{answer.status_code} {answer.json()['detail']}"


def publish(server: LiveServer, session_id: str, subject: str, ordinals: range) -> None:
    with Worker(server, session_id) as worker:
        worker.publish(*[make_reward(session_id, k, subject=subject) for k in ordinals])


def follow(server: LiveServer, **filters: Any) -> dict[str, dict[str, Any]]:
    """What a follower from the beginning holds of every label: its last row."""
    after, held = 0, {}
    while True:
        page = server.get("/labels", after=after, limit=2, **filters)
        for row in page["items"]:
            held[row["label_id"]] = row
        after = page["next_cursor"]
        if not page["has_more"]:
            return held


def test_a_session_is_made_under_the_newest_consent(own_server: LiveServer) -> None:
    give(own_server, "S1", "recording")
    shown = give(own_server, "S1", "recording", "training", note="form 3")
    assert [c["version"] for c in shown["consents"]] == [2, 1]
    session = make(own_server, "S1")
    assert session["consent"] == "version 2: recording, training"
    assert session["operator_hold"] is None
    assert "on file" in refused(own_server, "S1", consent="mine")
    assert make(own_server, "S2", consent="paper 7")["consent"] == "paper 7"  # a lab that keeps consent elsewhere


def test_without_training_every_label_is_held_and_release_is_refused(own_server: LiveServer) -> None:
    give(own_server, "S1", "recording")
    session_id = make(own_server, "S1")["session_id"]
    publish(own_server, session_id, "S1", range(2))
    rows = pull(own_server, session_id, release="any")
    assert {(r["release"], r["release_reason"]) for r in rows} == {("held", "operator: the consent (version 1) does not cover training")}
    answer = own_server.http.post(f"/api/v1/sessions/{session_id}/release")
    assert is_problem(answer, 409)
    assert pull(own_server, session_id) == []


def test_no_session_begins_without_a_consent_that_counts(own_server: LiveServer) -> None:
    give(own_server, "S1", "training")
    assert "409 The consent of 'S1' (version 1) does not cover recording" in refused(own_server, "S1")
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    give(own_server, "S2", "recording", expires_at=soon.isoformat())
    past = {"scopes": ["recording"], "expires_at": "2020-01-01T00:00Z"}
    assert is_problem(own_server.http.post("/api/v1/subjects", json={"subject": "S3", "consent": past}), 400)
    while datetime.now(UTC) <= soon:
        pass
    assert "ran out" in refused(own_server, "S2")
    session_id = make(own_server, "S4")["session_id"]
    own_server.post("/subjects/S4/withdraw")
    assert "took their consent back" in refused(own_server, "S4")
    assert is_problem(own_server.http.post(f"/api/v1/sessions/{session_id}/start"), 409)
    give(own_server, "S4", "recording", "training")
    assert make(own_server, "S4")["consent_version"] == 1


def test_withdrawal_revokes_all_labels_even_those_that_come_later_and_followers_learn_of_it(own_server: LiveServer) -> None:
    ours, theirs = make(own_server, "S1")["session_id"], make(own_server, "S2")["session_id"]
    publish(own_server, ours, "S1", range(3))
    publish(own_server, theirs, "S2", range(2))
    before = follow(own_server)
    seq = max(row["seq"] for row in before.values())
    snapshot = own_server.post("/snapshots", {"formats": ["labels"]})["snapshot_id"]
    done = own_server.post("/subjects/S1/withdraw", {"reason": "by letter"})
    assert done["labels"] == 3
    news = own_server.get("/labels", after=seq)["items"]
    assert {row["label_id"] for row in news} == {i for i, row in before.items() if row["session_id"] == ours}
    assert {(r["release"], r["release_reason"], r["superseded"]) for r in news} == {("revoked", "consent withdrawn: by letter", True)}
    gone = own_server.http.get(f"/api/v1/snapshots/{snapshot}")
    assert is_problem(gone, 410)
    successor = gone.json()["successor"]
    assert own_server.get(f"/snapshots/{successor}")["state"] == "ready"
    publish(own_server, ours, "S1", range(3, 5))
    assert {r["release"] for r in follow(own_server, session=ours).values()} == {"revoked"}
    assert len(follow(own_server, session=ours, release="any")) == 5
    own_server.post(f"/sessions/{ours}/hold", {"text": "x"})
    own_server.post(f"/sessions/{ours}/release")
    assert {r["release"] for r in follow(own_server, session=ours, release="any").values()} == {"revoked"}
    assert len(pull(own_server, theirs)) == 2


def test_erasure_leaves_tombstones_alone(own_server: LiveServer) -> None:
    ours, theirs = make(own_server, "S1")["session_id"], make(own_server, "S2")["session_id"]
    publish(own_server, ours, "S1", range(3))
    publish(own_server, theirs, "S2", range(2))
    own_server.post(f"/sessions/{ours}/comment", {"text": "subject looks tired"})
    seq = own_server.get("/labels")["high_watermark"]
    before = {mode: follow(own_server, **mode_of(mode)) for mode in ("plain", "confident", "any")}
    snapshot = own_server.post("/snapshots", {"formats": ["labels"]})["snapshot_id"]
    recording_id = own_server.get(f"/sessions/{ours}")["recording_id"]
    paths = lay_files(own_server.data_dir, recording_id)
    done = own_server.http.delete("/api/v1/subjects/S1").json()
    assert (done["labels"], done["recordings"], done["decoders"]) == (3, [recording_id], ["errp@1"])
    assert [p for p in paths if p.exists()] == []
    assert is_problem(own_server.http.get(f"/api/v1/snapshots/{snapshot}"), 410)
    for mode, held in before.items():
        later = own_server.get("/labels", after=seq, **mode_of(mode))["items"]
        learnt = {row["label_id"] for row in later if row["release"] == "revoked"}
        assert learnt >= {i for i, row in held.items() if row["session_id"] == ours}, mode
    for row in follow(own_server, session=ours, release="any").values():
        assert set(row) == {"label_id", "revision", "seq", "release", "release_reason", "superseded"}
    shown = own_server.get(f"/sessions/{ours}")
    assert [e["text"] for e in shown["events"] if e["text"]] == []
    publish(own_server, ours, "S1", range(5, 8))  # a worker that has not heard of it
    assert own_server.get("/subjects/S1")["labels"] == 3
    assert "were erased" in refused(own_server, "S1")
    assert is_problem(own_server.http.post("/api/v1/subjects/S1/consents", json={"scopes": ["recording"]}), 409)
    assert own_server.http.delete("/api/v1/subjects/S1").status_code == 200  # again: harmless
    assert is_problem(own_server.http.delete("/api/v1/subjects/nobody"), 404)
    assert is_problem(own_server.http.post("/api/v1/sessions", json={"subject": "S2", "item_set": "texts", "decoder": "errp"}), 409)
    assert len(pull(own_server, theirs)) == 2
    assert [e["what"] for e in own_server.get("/audit")["items"]] == ["erased", "erased", "erasure asked for"]


def mode_of(mode: str) -> dict[str, Any]:
    return {"plain": {}, "confident": {"min_confidence": 0.01}, "any": {"release": "any", "catch": "any"}}[mode]


def lay_files(data_dir: Path, recording_id: str) -> list[Path]:
    paths = [data_dir / "recordings" / f"{recording_id}.xdf", data_dir / "checkpoints" / f"{recording_id}.npz", data_dir / "reports" / "errp-1.html"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    decoder = data_dir / "decoders" / "errp" / "1" / "decoder.json"
    decoder.parent.mkdir(parents=True)
    decoder.write_text(json.dumps({"statement": {"subjects": ["S1"], "task": "errp"}, "gate": [], "released": True}))
    return paths


def test_no_byte_of_an_erased_value_stays_in_the_database(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data")
    try:
        session_id = make(server, "S1")["session_id"]
        with Worker(server, session_id) as worker:
            worker.publish(make_reward(session_id, 0, subject="S1", release_reason="mark-that-nobody-else-writes"))
        database = tmp_path / "data" / "rlhb.sqlite3"
        kept = b"".join(p.read_bytes() for p in database.parent.glob("rlhb.sqlite3*"))
        assert b"mark-that-nobody-else-writes" in kept
        assert server.http.delete("/api/v1/subjects/S1").status_code == 200
        kept = b"".join(p.read_bytes() for p in database.parent.glob("rlhb.sqlite3*"))
        assert b"mark-that-nobody-else-writes" not in kept
    finally:
        server.stop()


def test_an_erasure_that_was_cut_short_is_finished_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = LiveServer(tmp_path / "data")
    try:
        session_id = make(server, "S1")["session_id"]
        publish(server, session_id, "S1", range(2))

        def full(*_: object) -> list[str]:
            raise OSError(30, "Read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr("server.subjects.taking_back.erase_files", full)
            assert is_problem(server.http.delete("/api/v1/subjects/S1"), 409)
        assert server.get("/subjects/S1")["erased_at"] is None
        server.stop()
        server.start()
        assert server.get("/subjects/S1")["erased_at"] is not None
        assert all("llr" not in row for row in follow(server, release="any").values())
    finally:
        server.stop()


def test_nothing_is_taken_back_while_a_session_runs(own_server: LiveServer) -> None:
    session_id = make(own_server, "S1")["session_id"]
    own_server.post(f"/sessions/{session_id}/start")
    for answer in (own_server.http.delete("/api/v1/subjects/S1"), own_server.http.post("/api/v1/subjects/S1/withdraw")):
        assert is_problem(answer, 409)
        assert session_id in answer.json()["detail"]
    own_server.post(f"/sessions/{session_id}/abort")
    assert own_server.http.delete("/api/v1/subjects/S1").status_code == 200


@pytest.fixture
def asked(own_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("RLHB_DATA_DIR", str(own_server.data_dir))
    return {"server": f"http://127.0.0.1:{own_server.port}", "token": TOKEN}


def test_the_command_line_enters_consent_withdraws_and_erases(own_server: LiveServer, asked: dict[str, Any], capsys: Any) -> None:
    consent("S1", ["recording", "training"], days=30, **asked)
    consent("S2", ["recording"], **asked)
    session_id = make(own_server, "S1")["session_id"]
    publish(own_server, session_id, "S1", range(2))
    withdraw("S1", yes=True, **asked)
    list_subjects(**asked)
    out = capsys.readouterr().out
    assert "2 labels revoked" in out
    assert "withdrawn" in out
    erase("S1", yes=True, as_json=True, **asked)
    assert json.loads(capsys.readouterr().out)["labels"] == 2
    with pytest.raises(CommandError, match="no subject"):
        erase("nobody", yes=True, **asked)
    with pytest.raises(CommandError, match="scopes"):
        consent("S1", ["everything"], **asked)


def test_a_lab_may_require_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLHB_REQUIRE_CONSENT", "true")
    server = LiveServer(tmp_path / "data")
    try:
        assert "No consent of 'S1' is on file" in refused(server, "S1")
        give(server, "S1", "recording", "training")
        make(server, "S1")
    finally:
        server.stop()
