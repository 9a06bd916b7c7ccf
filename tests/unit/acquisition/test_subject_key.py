"""The subject's key: what item files may look like, and what is said of those that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from acquisition.simulated_subject import ResponseKey, SubjectKey, SubjectKeyError, UnitKey, load_subject_key
from messaging.records import UnitShown


def item(response_id: str = "a-1", **fields: Any) -> dict[str, Any]:
    response = {"response_id": response_id, "text": "The sky is green today", "surprisal_bits": [1.0, 2.0, 3.0, 12.5, 4.0], "wrong": [3], "subtle": []}
    return {"item_id": "a", "category": "facts", "prompt": "", "responses": [{**response, **fields}]}


def write(path: Path, *items: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(i) for i in items) + "\n", encoding="utf-8")
    return path


def unit(response_id: str | None, index: int) -> UnitShown:
    return UnitShown(index=index, text="word", response_id=response_id)


def test_lines_and_array_read_the_same(tmp_path: Path) -> None:
    lines = write(tmp_path / "items.jsonl", item(), item("b-1", subtle=[1]))
    array = tmp_path / "items.json"
    array.write_text(json.dumps([item(), item("b-1", subtle=[1])]), encoding="utf-8")
    key = load_subject_key(lines)
    assert key == load_subject_key([array]) == load_subject_key([lines, array])
    assert key.look_up(unit("a-1", 3)) == UnitKey(12.5, wrong=True)
    assert key.look_up(unit("b-1", 1)) == UnitKey(2.0, wrong=True, subtle=True)
    assert key.look_up(unit("b-1", 0)) == UnitKey(1.0)


def test_unknown_units_have_no_surprisal_and_are_not_wrong() -> None:
    key = SubjectKey({"a": ResponseKey((1.0,), frozenset({0}))})
    assert key.look_up(unit("a", 7)) == UnitKey(0.0, wrong=False)
    assert key.look_up(unit("other", 0)) is None
    assert key.look_up(unit(None, 0)) is None


def test_surprisal_may_be_left_out(tmp_path: Path) -> None:
    key = load_subject_key(write(tmp_path / "i.jsonl", item(surprisal_bits=[])))
    assert key.look_up(unit("a-1", 3)) == UnitKey(0.0, wrong=True)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"surprisal_bits": [1.0]}, r"line 2.*5 words and 1 surprisal_bits"),
        ({"wrong": [5]}, r"line 2.*marks word 5.*0 to 4"),
        ({"subtle": [-1]}, r"line 2.*marks word -1"),
        ({"text": 3}, r"line 2.*'responses\.0\.text'"),
        ({"response_id": "a-1", "wrong": []}, r"line 2.*'a-1' was given before"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SubjectKeyError, match=sentence):
        load_subject_key(write(tmp_path / "i.jsonl", item(), item(**{"response_id": "b-1", **fields})))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SubjectKeyError, match=r"absent\.jsonl cannot be read"):
        load_subject_key(tmp_path / "absent.jsonl")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"item_id": "a"\n', encoding="utf-8")
    with pytest.raises(SubjectKeyError, match="line 1: no JSON"):
        load_subject_key(broken)
