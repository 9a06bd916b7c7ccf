"""Snapshots over real HTTP, on both databases: what is in them, that they never change, and that training programs read them."""

import hashlib
import io
import itertools
import json
import math
import time
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from jsonschema import Draft202012Validator

from messaging.records import UnitShown
from messaging.rewards import RewardBatch, WorkerHello
from messaging.words import LabelKind
from server.labels.arrow import ARROW_SCHEMA
from server.sessions.planning import presentation_id
from server.snapshots.formats import FORMS
from server.snapshots.request import Format
from tests.reference.live_server import TOKEN, LiveServer, make_reward

FORMATS = [str(f) for f in Format]
ALL_IN_ONE = {"fractions": {"train": 1.0}}
_NAMES = (f"shots{n}" for n in itertools.count())


def read_response(server: LiveServer, item: str, response: str, text: str, llrs: list[float | None], subject: str = "S1", **changed: Any) -> str:
    """A session that shows one response, whose words get these llr."""
    name = next(_NAMES)
    line = json.dumps({"item_id": item, "prompt": f"About {item}?", "responses": [{"response_id": response, "text": text}]})
    assert server.http.post("/api/v1/items", params={"item_set": name}, content=line).status_code == 201
    session_id = str(server.post("/sessions", {"subject": subject, "item_set": name, "seed": 1, "n_trials": 1})["session_id"])
    presentation, place, rewards = presentation_id(session_id, 0, 0), 0, []
    for k, (word, llr) in enumerate(zip(text.split(), llrs, strict=True)):
        start = text.index(word, place)
        place = start + len(word)
        unit = UnitShown(index=k, text=word, item_id=item, response_id=response, char_start=start, char_end=place)
        p = None if llr is None else 1 / (1 + math.exp(-(llr + math.log(0.15 / 0.85))))
        values = {"llr": llr, "p_error": p, "reward": None if p is None else 2 * (0.15 - p)}
        rewards.append(make_reward(session_id, k, unit=unit, presentation=presentation, subject=subject, **values, **changed))
    with server.peer("/ws/v1/rewards", WorkerHello(worker_id="w", recording_id=f"{session_id}-1", session_id=session_id)) as worker:
        epoch = worker.expect("welcome")["epoch"] + 1
        worker.send(RewardBatch(batch=1, epoch=epoch, recording_id=f"{session_id}-1", items=tuple(rewards)))
        worker.expect("ack")
    return session_id


def snapshot(server: LiveServer, headers: dict[str, str] | None = None, **wish: Any) -> dict[str, Any]:
    answer = server.http.post("/api/v1/snapshots", json={"formats": FORMATS} | ALL_IN_ONE | wish, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def url(made: dict[str, Any], path: str) -> str:
    return f"/api/v1/snapshots/{made['snapshot_id']}/{path}"


def rows(server: LiveServer, made: dict[str, Any], form: str, split: str = "train") -> list[dict[str, Any]]:
    """Rows of a format, the same from JSON Lines and Parquet."""
    table = pq.read_table(io.BytesIO(server.http.get(url(made, f"{form}/{split}-0.parquet")).content))
    found: list[dict[str, Any]] = table.to_pylist()
    if form != "verl":
        lines = server.http.get(url(made, f"{form}/{split}-0.jsonl")).text.splitlines()
        told = [json.loads(line) for line in lines]
        assert [{k: v for k, v in row.items() if k != "superseded"} for row in found] == told
    return found


@pytest.fixture(scope="module")
def filled(server: LiveServer) -> tuple[LiveServer, list[str]]:
    """Six items with a good and a bad response each, one of them in another script."""
    sessions = []
    for k in range(6):
        good, bad = ("日本 語 です 😀", "ÿ 語 é 🏳️‍🌈") if k == 0 else (f"good words here{k}", f"bad words there{k}")
        sessions.append(read_response(server, f"i{k}", f"g{k}", good, [-1.0, -0.5, 0.25][: len(good.split())] + [0.5] * (len(good.split()) - 3)))
        sessions.append(read_response(server, f"i{k}", f"b{k}", bad, [1.5] * len(bad.split())))
    return server, sessions


def test_every_format_of_an_empty_log_is_a_file_with_its_schema(own_server: LiveServer) -> None:
    made = snapshot(own_server)
    assert {f["rows"] for f in made["files"]} == {0}
    for kind in FORMATS:
        table = pq.read_table(io.BytesIO(own_server.http.get(url(made, f"{kind}/train-0.parquet")).content))
        assert table.schema.equals(ARROW_SCHEMA if kind == "labels" else FORMS[Format(kind)].arrow, check_metadata=False)


def test_files_are_those_that_the_manifest_names_and_rows_fit_their_schemas(filled: tuple[LiveServer, list[str]]) -> None:
    server, _ = filled
    made = snapshot(server)
    for entry in made["files"]:
        content = server.http.get(url(made, entry["path"])).content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    for kind in FORMATS:
        schema = server.get(f"/schemas/rlhb.{'label' if kind == 'labels' else f'snapshot.{kind}'}.v1")
        check = Draft202012Validator(schema)
        if kind not in ("labels", "verl"):
            for row in rows(server, made, kind):
                check.validate(row)
    assert {row["label_id"] for row in rows(server, made, "labels")} == {row["label_id"] for row in server.get("/labels", limit=5000)["items"]}
    assert server.get(f"/snapshots/{made['snapshot_id']}") == made


def test_preferences_follow_the_evidence_and_say_how_sure_they_are(filled: tuple[LiveServer, list[str]]) -> None:
    server, _ = filled
    made = snapshot(server)
    preferred = rows(server, made, "trl-preference")
    assert len(preferred) == 6
    for row in preferred:
        assert row["chosen_id"].startswith("g")
        assert row["rejected_id"] == row["chosen_id"].replace("g", "b")
        assert row["p_chosen"] == pytest.approx(1 / (1 + math.exp(-row["margin"])))
        assert (row["calibrated"], row["pair_from"], row["simulated"]) == (False, "units", True)
    of_two = next(row for row in preferred if row["chosen_id"] == "g1")
    assert of_two["margin"] == pytest.approx(4.5 - (-1.25))
    unpaired = {row["response_id"]: row for row in rows(server, made, "trl-unpaired")}
    assert unpaired["g1"]["label"] is True
    assert unpaired["b1"]["label"] is False


def test_spans_count_code_points_and_veRL_gets_them_too(filled: tuple[LiveServer, list[str]]) -> None:
    server, _ = filled
    made = snapshot(server)
    given = {row["response_id"]: row for row in rows(server, made, "token-rewards")}
    assert [given["b0"]["completion"][s:e] for s, e in given["b0"]["spans"]] == ["ÿ", "語", "é", "🏳️\u200d🌈"]
    assert len(given["g0"]["rewards"]) == len(given["g0"]["weights"]) == 4
    for row in rows(server, made, "verl"):
        extra = row["extra_info"]
        assert row["prompt"] == [{"role": "user", "content": f"About {extra['item_id']}?"}]
        assert extra["rewards"] == given[extra["response_id"]]["rewards"]
        assert extra["score"] == pytest.approx(sum(extra["rewards"]))


def test_the_same_request_gives_the_same_snapshot_and_a_key_holds_it_while_the_log_grows(own_server: LiveServer) -> None:
    read_response(own_server, "i", "r", "one two", [0.1, 0.2])
    first = snapshot(own_server, {"Idempotency-Key": "k1"})
    assert snapshot(own_server)["snapshot_id"] == first["snapshot_id"]
    read_response(own_server, "i", "s", "three", [0.3])
    assert snapshot(own_server, {"Idempotency-Key": "k1"})["snapshot_id"] == first["snapshot_id"]
    grown = snapshot(own_server)
    assert grown["snapshot_id"] != first["snapshot_id"]
    assert snapshot(own_server, until=first["high_watermark"])["content_sha256"] == first["content_sha256"]
    refused = own_server.http.post("/api/v1/snapshots", json={"formats": ["labels"]}, headers={"Idempotency-Key": "k1"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")


def test_splits_stay_where_they_are_and_keep_items_or_subjects_together(own_server: LiveServer) -> None:
    for k in range(12):
        read_response(own_server, f"i{k}", f"r{k}", "one two", [0.1, 0.2], subject=f"S{k % 4}")
    halves = {"fractions": {"train": 0.5, "test": 0.5}, "formats": ["labels"], "containers": ["jsonl"]}

    def places(by: str, key: str) -> dict[str, set[str]]:
        made, found = snapshot(own_server, split_by=by, **halves), {}
        for split in ("train", "test"):
            for line in own_server.http.get(url(made, f"labels/{split}-0.jsonl")).text.splitlines():
                found.setdefault(json.loads(line)[key], set()).add(split)
        return found

    of_items, of_subjects = places("item", "item_id"), places("subject", "subject")
    assert all(len(splits) == 1 for splits in [*of_items.values(), *of_subjects.values()])
    assert set.union(*of_items.values()) == {"train", "test"}
    for k in range(12, 16):
        read_response(own_server, f"i{k}", f"r{k}", "three", [0.3])
    later = places("item", "item_id")
    assert {item: later[item] for item in of_items} == of_items
    by_item, by_subject = places("both", "item_id"), places("both", "subject")
    assert all(len(splits) == 1 for splits in [*by_item.values(), *by_subject.values()])


def test_what_is_held_stays_out_and_what_is_held_later_is_told(own_server: LiveServer) -> None:
    kept = read_response(own_server, "i", "r", "one two", [0.1, 0.2])
    held = read_response(own_server, "i", "s", "three four", [0.3, None])
    made = snapshot(own_server)
    assert made["revoked_since"] == []
    assert made["left_out"]["without_value"] > 0
    own_server.post(f"/sessions/{held}/hold", {"text": "electrode fell off"})
    told = own_server.get(f"/snapshots/{made['snapshot_id']}")
    assert told["n_revoked_since"] == len(told["revoked_since"]) == 2
    assert {row["session_id"] for row in rows(own_server, snapshot(own_server), "labels")} == {kept}
    own_server.post(f"/sessions/{held}/release")
    assert own_server.get(f"/snapshots/{made['snapshot_id']}")["revoked_since"] == []


def test_calibration_and_other_signals_are_left_out_unless_asked_for(own_server: LiveServer) -> None:
    read_response(own_server, "i", "r", "one", [0.1], protocol="calibration_sentences")
    read_response(own_server, "i", "s", "two", [0.2])
    assert [row["unit"]["text"] for row in rows(own_server, snapshot(own_server), "labels")] == ["two"]
    assert len(rows(own_server, snapshot(own_server, include_calibration=True), "labels")) == 2
    assert rows(own_server, snapshot(own_server, signals=["surprise"]), "labels") == []


def test_pairs_and_steps_make_rows_of_their_own(own_server: LiveServer) -> None:
    session_id = read_response(own_server, "i", "a", "First. Second.", [-2.0, 1.0], kind=LabelKind.STEP, label_id="x")
    del session_id
    made = snapshot(own_server)
    (chain,) = rows(own_server, made, "stepwise")
    assert chain["completions"] == ["Second."]  # one label: the other was superseded by the same identity
    (tree,) = rows(own_server, made, "cothb-tree")
    assert tree["nodes"][0]["value"] == pytest.approx(chain["labels"][0])
    assert rows(own_server, snapshot(own_server, step_labels="bool"), "stepwise")[0]["labels"] == [chain["labels"][0] > 0.5]


def test_files_are_read_in_parts_with_strong_etags(filled: tuple[LiveServer, list[str]]) -> None:
    server, _ = filled
    made = snapshot(server)
    entry = next(f for f in made["files"] if f["path"] == "labels/train-0.jsonl")
    place = url(made, entry["path"])
    whole = server.http.get(place)
    head = server.http.head(place)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", entry["bytes"])
    assert whole.headers["etag"] == head.headers["etag"] == f'"{entry["sha256"]}"'
    assert whole.headers["accept-ranges"] == "bytes"
    part = server.http.get(place, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert server.http.get(place, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    beyond = server.http.get(place, headers={"Range": f"bytes={entry['bytes']}-"})
    assert (beyond.status_code, beyond.headers["content-type"], beyond.headers["content-range"]) == (
        416,
        "application/problem+json",
        f"bytes */{entry['bytes']}",
    )
    for wrong in ("labels/train-9.jsonl", "labels/..%2Fmanifest.json", "nothing/train-0.jsonl"):
        assert server.http.get(url(made, wrong)).status_code == 404


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"formats": ["csv"]}, 422),
        ({"fractions": {"train": 0.5}}, 422),
        ({"until": 10**9}, 400),
        ({"unknown": 1}, 422),
        ({"tokenizer": "none"}, 404),
        ({"tokenizer": "../x"}, 422),
    ],
)
def test_a_request_that_cannot_be_granted_is_refused_in_a_sentence(filled: tuple[LiveServer, list[str]], wish: dict[str, Any], status: int) -> None:
    answer = filled[0].http.post("/api/v1/snapshots", json=wish)
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_making_needs_its_own_scope_and_reading_that_of_labels(filled: tuple[LiveServer, list[str]]) -> None:
    server, _ = filled
    made = snapshot(server)
    reader = {"Authorization": f"Bearer {server.post('/tokens', {'name': 'reader', 'scopes': ['labels:read']})['token']}"}
    assert server.http.post("/api/v1/snapshots", json={}, headers=reader).status_code == 403
    assert server.http.get(url(made, "labels/train-0.jsonl"), headers=reader).status_code == 200
    assert made["snapshot_id"] in {s["snapshot_id"] for s in server.get("/snapshots")["items"]}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_datasets_loads_from_our_addresses(filled: tuple[LiveServer, list[str]], kind: str, streaming: bool, tmp_path: Any) -> None:
    server, _ = filled
    made = snapshot(server)
    ending = {"parquet": "parquet", "json": "jsonl"}[kind]
    place = f"http://127.0.0.1:{server.port}{url(made, f'trl-preference/train-0.{ending}')}"
    options = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    loaded = load_dataset(kind, data_files=place, storage_options=options, split="train", streaming=streaming, cache_dir=str(tmp_path))
    assert [row["chosen_id"] for row in loaded] == [row["chosen_id"] for row in rows(server, made, "trl-preference")]


def test_tokens_get_the_whole_reward_from_a_real_tokenizer(own_server: LiveServer) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.train_from_iterator(["one two three", "ein zwei 語 😀"], trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    folder = own_server.data_dir / "tokenizers"
    folder.mkdir()
    made.save(str(folder / "tiny.json"))
    read_response(own_server, "i", "r", "one 😀 語 two", [0.5, 2.0, -1.0, 1.0])
    (row,) = rows(own_server, snapshot(own_server, tokenizer="tiny"), "token-rewards")
    assert row["uncovered"] == 0
    for mode in ("last", "density"):
        assert len(row[f"token_rewards_{mode}"]) == len(row["token_ids"])
        assert sum(row[f"token_rewards_{mode}"]) == pytest.approx(sum(row["rewards"]), abs=1e-12)


def test_a_snapshot_that_takes_long_is_told_as_being_built_and_nothing_half_made_is_seen(own_server: LiveServer, monkeypatch: Any) -> None:
    monkeypatch.setattr("server.snapshots.store.WAIT_S", 0.0)
    read_response(own_server, "i", "r", "one two", [0.1, 0.2])
    answer = own_server.http.post("/api/v1/snapshots", json={"formats": FORMATS} | ALL_IN_ONE)
    assert answer.status_code in (201, 202)
    place = answer.headers["location"]
    until = time.monotonic() + 30
    while (told := own_server.http.get(place).json())["state"] != "ready":
        assert told["state"] == "building"
        assert time.monotonic() < until
    assert [p.name for p in (own_server.data_dir / "snapshots").iterdir()] == [told["snapshot_id"]]
