"""The label log over real sockets, on both databases."""

import itertools
import json
import threading
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.rewards import ConsumerHello, Quality, RewardBatch, Subscribe, WorkerHello
from messaging.words import ReleaseState
from server.labels.row import LabelRow
from tests.reference.live_server import DECODER, OTHER_DECODER, LiveServer, Peer, make_reward

_NAMES = (f"labels-{n}" for n in itertools.count())


@pytest.fixture
def session_id() -> str:
    return next(_NAMES)


class Worker(Peer):
    def __init__(self, server: LiveServer, session_id: str) -> None:
        self.session_id = session_id
        self.batches = 0
        super().__init__(f"ws://127.0.0.1:{server.port}/ws/v1/rewards", WorkerHello(worker_id="w", recording_id=f"{session_id}-1", session_id=session_id))
        self.epoch = self.expect("welcome")["epoch"] + 1

    def publish(self, *rewards: Any, epoch: int | None = None) -> Any:
        self.batches += 1
        self.send(RewardBatch(batch=self.batches, epoch=self.epoch if epoch is None else epoch, recording_id=f"{self.session_id}-1", items=rewards))
        return self.expect("ack", "fenced")


def pull(server: LiveServer, session_id: str, **params: Any) -> list[dict[str, Any]]:
    """Pull everything, page by page."""
    rows: list[dict[str, Any]] = []
    page = {"has_more": True, "next_cursor": params.pop("after", "0")}
    while page["has_more"]:
        page = server.get("/labels", session=session_id, after=page["next_cursor"], **params)
        rows += page["items"]
    return rows


def test_a_row_has_every_key_and_the_values_of_its_reward(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as worker:
        reward = make_reward(session_id, 0)
        assert worker.publish(reward) == {"type": "ack", "batch": 1}
    (row,) = pull(server, session_id)
    assert list(row) == list(LabelRow.model_fields)
    assert (row["revision"], row["current"], row["catch"], row["unit"]["text"]) == (1, True, "none", "word0")
    assert (row["llr"], row["decoder"]["sha256"], row["item_id"]) == (0.5, DECODER.sha256, "i1")
    LabelRow.model_validate(row)


def test_sending_again_is_harmless_and_other_content_is_a_revision(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as worker:
        first = make_reward(session_id, 0)
        worker.publish(first)
        worker.publish(first.model_copy(update={"late": True}))
        assert len(pull(server, session_id)) == 1
        worker.publish(first.model_copy(update={"llr": 0.75}))
        worker.publish(first, first.model_copy(update={"llr": 0.75}))
    rows = pull(server, session_id)
    assert [(r["revision"], r["llr"]) for r in rows] == [(1, 0.5), (2, 0.75)]


def test_another_decoder_is_stored_but_not_current(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as worker:
        worker.publish(make_reward(session_id, 0))
        worker.publish(make_reward(session_id, 0, decoder=OTHER_DECODER, llr=2.0))
    assert [r["llr"] for r in pull(server, session_id)] == [0.5]
    for name in ("lda@2", OTHER_DECODER.sha256):
        (row,) = pull(server, session_id, decoder=name)
        assert (row["llr"], row["current"], row["revision"]) == (2.0, False, 2)
    assert len(pull(server, session_id, decoder="lda")) == 2


def test_a_unit_without_value_is_told_and_superseded_by_its_value(server: LiveServer, session_id: str) -> None:
    nothing = {"llr": None, "llr_sd": None, "p_error": None, "reward": None, "reward_sd": None, "confidence": None}
    with Worker(server, session_id) as worker:
        worker.publish(make_reward(session_id, 0, decoder=None, release=ReleaseState.HELD, release_reason="no_decoder", **nothing))
        assert pull(server, session_id) == []
        worker.publish(make_reward(session_id, 0))
    assert [r["revision"] for r in pull(server, session_id)] == [2]
    assert [(r["release"], r["release_reason"]) for r in pull(server, session_id, release="any")] == [("held", "no_decoder"), ("ok", None)]


def test_an_older_epoch_is_fenced_also_after_a_restart_of_the_worker(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as old, Worker(server, session_id) as new:
        assert old.publish(make_reward(session_id, 0), epoch=4)["type"] == "ack"
        assert new.publish(make_reward(session_id, 1), epoch=7)["type"] == "ack"
        assert old.publish(make_reward(session_id, 2), epoch=6) == {"type": "fenced", "epoch": 7}
    assert len(pull(server, session_id)) == 2
    with Worker(server, session_id) as third:
        assert third.epoch == 8


def test_a_follower_learns_of_hold_and_release(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as worker:
        worker.publish(make_reward(session_id, 0), make_reward(session_id, 1, release=ReleaseState.HELD, release_reason="gate: failed", quality=Quality()))
        start = server.get("/labels", session=session_id)
        assert [r["llr"] for r in start["items"]] == [0.5]
        server.post(f"/sessions/{session_id}/hold", {"text": "electrode came off"})
        # What arrives during the hold is held, whether or not the decoder has heard of it yet.
        worker.publish(make_reward(session_id, 2), make_reward(session_id, 3, release=ReleaseState.HELD, release_reason="hold: electrode came off"))
        held = server.get("/labels", session=session_id, after=start["next_cursor"])
        (stub,) = held["items"]
        assert set(stub) == {"label_id", "revision", "seq", "release", "release_reason", "superseded"}
        assert (stub["label_id"], stub["revision"], stub["release"], stub["release_reason"]) == (
            start["items"][0]["label_id"], 2, "held", "operator: electrode came off",
        )  # fmt: skip
        server.post(f"/sessions/{session_id}/release")
        worker.publish(make_reward(session_id, 4, release=ReleaseState.HELD, release_reason="hold: electrode came off"))
    after = server.get("/labels", session=session_id, after=held["next_cursor"])["items"]
    assert [(r["unit"]["index"], r["revision"], r["release"]) for r in after] == [(0, 3, "ok"), (2, 2, "ok"), (3, 2, "ok"), (4, 1, "ok")]
    shown = server.get(f"/sessions/{session_id}")
    assert (shown["labels"], shown["labels_ok"]) == (5, 4)


def test_cursors_of_another_filter_or_log_are_refused(server: LiveServer, session_id: str) -> None:
    cursor = server.get("/labels", session=session_id)["next_cursor"]
    for after, params in ((cursor, {}), (cursor[:-2] + "xx", {"session": session_id}), ("!!", {}), ("999999999", {}), ("-1", {}), ("é", {})):
        answer = server.http.get("/api/v1/labels", params={"after": after, **params})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), after
        assert answer.json()["remedy"]
    assert server.get("/labels", session=session_id, after=cursor)["items"] == []


def test_an_empty_page_advances_the_cursor(server: LiveServer, session_id: str) -> None:
    with Worker(server, "elsewhere") as worker:
        worker.publish(*(make_reward("elsewhere", k) for k in range(5)))
    page = server.get("/labels", session=session_id)
    assert page["items"] == []
    again = server.get("/labels", session=session_id, after=page["next_cursor"])
    assert again["high_watermark"] == page["high_watermark"] >= 5


def test_a_long_poll_wakes_at_the_commit(server: LiveServer, session_id: str) -> None:
    got: list[Any] = []
    asked = threading.Event()

    def poll() -> None:
        asked.set()
        got.append(server.get("/labels", session=session_id, wait=30))

    thread = threading.Thread(target=poll)
    with Worker(server, session_id) as worker:
        thread.start()
        asked.wait()
        worker.publish(make_reward("another", 0, recording_id=f"{session_id}-1"))
        worker.publish(make_reward(session_id, 0))
        thread.join(10)
    assert not thread.is_alive()
    assert len(got[0]["items"]) == 1


def test_streams_hold_the_same_rows(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as worker:
        for first in range(0, 1200, 400):
            worker.publish(*(make_reward(session_id, k) for k in range(first, first + 400)))
    rows = pull(server, session_id, limit=5000)
    assert len(rows) == 1200
    lines = server.http.get("/api/v1/labels", params={"session": session_id}, headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in lines.text.splitlines()] == rows
    stream = server.http.get("/api/v1/labels", params={"session": session_id}, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(stream.content).read_all()
    assert [{k: v for k, v in r.items() if k != "superseded"} for r in table.to_pylist()] == rows


def test_filters(server: LiveServer, session_id: str) -> None:
    with Worker(server, session_id) as worker:
        worker.publish(make_reward(session_id, 0, confidence=0.1), make_reward(session_id, 1, confidence=0.9), make_reward(session_id, 2, confidence=None))
    assert [r["unit"]["index"] for r in pull(server, session_id, min_confidence=0.5)] == [1]
    assert len(pull(server, session_id, subject="S1", kind="unit", signal="error", source="simulated")) == 3
    for nothing in (
        {"subject": "S2"},
        {"kind": "pair"},
        {"signal": "value"},
        {"source": "live"},
        {"generator_model": "m"},
        {"catch": "bad"},
        {"release": "held"},
    ):
        assert pull(server, session_id, **nothing) == []
    created = pull(server, session_id)[0]["created_at"]
    assert len(pull(server, session_id, created_from=created)) == 3
    assert pull(server, session_id, created_to=created) == []


def test_consumers_get_what_is_committed_of_their_sessions(server: LiveServer, session_id: str) -> None:
    with server.peer("/ws/v1/rewards", ConsumerHello()) as consumer, Worker(server, session_id) as worker:
        consumer.send(Subscribe(sessions=(session_id,)))
        consumer.send('{"type": "clock_ping", "t0": 1.0}')
        consumer.expect("clock_pong")  # the subscription holds now
        worker.publish(make_reward("unwanted", 0, recording_id=f"{session_id}-1"))
        worker.publish(make_reward(session_id, 0))
        message = consumer.expect("rewards")
    assert message["session_id"] == session_id
    assert [row["seq"] for row in message["items"]] == [row["seq"] for row in pull(server, session_id)]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.booleans()), min_size=1, max_size=4)),
        st.tuples(st.sampled_from(["hold", "release", "again", "follow"]), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_the_log_is_gapless_and_a_follower_ends_with_the_truth(server: LiveServer, steps: list[Any]) -> None:
    """Whatever is published, held, released or sent again: who follows with a cursor knows exactly which labels may be learnt from."""
    session_id = next(_NAMES)
    model: dict[int, tuple[float, bool]] = {}
    """unit -> (llr, released by the decoder), as last published."""
    seen: set[tuple[int, int, bool]] = set()
    hold = False
    follower: dict[str, float] = {}
    cursor = "0"
    before = server.get("/labels")["high_watermark"]
    batch: list[Any] = []

    def follow(limit: int) -> None:
        nonlocal cursor
        more = True
        while more:
            page = server.get("/labels", session=session_id, after=cursor, limit=limit)
            cursor, more = page["next_cursor"], page["has_more"]
            for row in page["items"]:
                if row.get("superseded"):
                    follower.pop(row["label_id"], None)
                else:
                    follower[row["label_id"]] = row["llr"]

    with Worker(server, session_id) as worker:
        for kind, argument in steps:
            if kind == "publish":
                batch = []
                for unit, value, ok in argument:
                    if (unit, value, ok) in seen:
                        continue  # a decoder's output is a function of the log: an old content does not come back as news
                    seen.add((unit, value, ok))
                    model[unit] = (float(value), ok)
                    batch.append(
                        make_reward(
                            session_id, unit, llr=float(value), release=ReleaseState.OK if ok else ReleaseState.HELD, release_reason=None if ok else "gate"
                        )
                    )
                worker.publish(*batch)
            elif kind == "again":
                worker.publish(*batch)
            elif kind == "follow":
                follow(argument)
            elif model:
                server.post(f"/sessions/{session_id}/{kind}", {"text": "x"})
                hold = kind == "hold"
        follow(2)
    labels = {make_reward(session_id, unit).label_id: value for unit, (value, ok) in model.items() if ok and not hold}
    assert follower == labels
    rows = server.get("/labels", after=before, release="any", limit=5000)
    assert [r["seq"] for r in rows["items"]] == list(range(before + 1, rows["high_watermark"] + 1))


@pytest.mark.parametrize(("wrong", "right"), [("sesion", "session"), ("min_confidance", "min_confidence"), ("cursor", "after"), ("zzz", None)])
def test_an_unknown_parameter_is_refused_with_the_nearest_known_one(server: LiveServer, wrong: str, right: str | None) -> None:
    answer = server.http.get("/api/v1/labels", params={wrong: "x"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"`{wrong}`" in answer.json()["detail"]
    assert (f"Did you mean `{right}`?" in answer.json()["remedy"]) is (right not in (None, "after"))
    assert "after" in answer.json()["remedy"]


def test_openapi_describes_every_parameter_of_the_labels(server: LiveServer) -> None:
    parameters = server.http.get("/api/v1/openapi.json").json()["paths"]["/api/v1/labels"]["get"]["parameters"]
    assert {p["name"] for p in parameters} >= {"session", "after", "limit", "wait", "include", "catch"}
    assert all(p.get("description") for p in parameters)
