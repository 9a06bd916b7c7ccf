"""Rows of the client: every key of the contract, what a newer server adds, and waiting that ends."""

import dataclasses
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhb_client import Label, Patience, RefusedError, Superseded, UnreachableError, UnreadableError, read_ndjson, read_row, row_json
from rlhb_client.files import last_seq
from rlhb_client.retrying import PassingFault, Retrying, check_answer
from server.labels.row import LabelRow, SupersededRow
from tests.reference.live_server import make_reward

IDENTITY = {"label_id": "l", "revision": 1, "seq": 4, "release": "ok"}


def test_a_label_has_every_key_of_the_contract_and_no_other():
    assert {f.name for f in dataclasses.fields(Label)} - {"extra"} == set(LabelRow.model_fields)
    assert {f.name for f in dataclasses.fields(Superseded)} - {"extra"} == set(SupersededRow.model_fields) - {"superseded"}


def test_a_row_comes_back_as_it_was_with_what_is_not_known_here():
    from server.labels.row import row_of

    raw = row_of(make_reward("s", 0), seq=1, revision=1, current=True, release="ok", reason=None, created_at="2026-01-01T00:00:00.000000Z")
    raw |= {"new_key": [1, {"a": 2}], "unit": raw["unit"] | {"newer": 1}}
    assert row_json(read_row(raw)) == raw
    assert read_row(raw).unit.extra == {"newer": 1}
    gone = IDENTITY | {"superseded": True, "release": "held", "release_reason": "r"}
    assert row_json(read_row(gone)) == gone
    assert isinstance(read_row(gone), Superseded)


@given(st.dictionaries(st.sampled_from(["label_id", "revision", "seq", "release", "llr"]), st.one_of(st.none(), st.integers(), st.text())))
def test_a_row_without_identity_is_named(raw):
    if (
        isinstance(raw.get("label_id"), str)
        and isinstance(raw.get("revision"), int)
        and isinstance(raw.get("seq"), int)
        and isinstance(raw.get("release"), str)
    ):
        assert read_row(raw).label_id == raw["label_id"]
    else:
        with pytest.raises(UnreadableError, match="A row without"):
            read_row(raw)


def test_a_file_goes_on_after_its_last_whole_line(tmp_path):
    path = tmp_path / "rows.ndjson"
    assert last_seq(path) == 0
    path.write_text(json.dumps(IDENTITY) + "\n" + json.dumps(IDENTITY | {"seq": 7}) + "\n" + '{"label_id": "cut')
    assert last_seq(path) == 7
    assert [row.seq for row in read_ndjson(path)] == [4, 7]
    path.write_text("no json\n")
    with pytest.raises(UnreadableError, match="line 1"):
        list(read_ndjson(path))


def test_waiting_doubles_up_to_its_longest_and_ends():
    waited, now = [], [0.0]

    def sleep(seconds):
        waited.append(seconds)
        now[0] += seconds

    def failing():
        raise PassingFault("503: busy")

    with pytest.raises(UnreachableError, match="10 s are the limit"):
        Retrying(Patience(0.5, 2.0, 10.0), sleep, lambda: now[0], lambda: 1.0).run(failing)
    assert waited[:4] == [0.5, 1.0, 2.0, 2.0]
    assert sum(waited) <= 10.0


@pytest.mark.parametrize(("status", "passes"), [(503, True), (429, True), (403, False), (400, False)])
def test_what_passes_is_tried_again_and_what_is_refused_is_not(status, passes):
    body = {"detail": "No.", "remedy": "Ask otherwise."}
    answer = httpx.Response(status, json=body, headers={"Retry-After": "3"}, request=httpx.Request("GET", "http://h/"))
    with pytest.raises(PassingFault if passes else RefusedError, match=r"No\.") as caught:
        check_answer(answer)
    assert not passes or caught.value.wait_s == 3.0
