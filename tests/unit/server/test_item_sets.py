"""Checks of the item sets in server/item_sets (plain JSON Lines, no project code)."""

import itertools
import json
import math
import statistics
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "server" / "item_sets"
SETS = ("first", "calibration_sentences")
ITEM_KEYS = {"item_id", "category", "prompt", "responses"}
MARKS = ("wrong", "subtle", "surprising_correct", "predictable_wrong")
RESPONSE_KEYS = {"response_id", "text", "surprisal_bits", *MARKS}
FIRST_CATEGORIES = {"facts", "arithmetic", "instructions"}


def load(name):
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def responses(items):
    return [response for item in items for response in item["responses"]]


def units(response):
    return response["text"].split(" ")


def bits(items, mark):
    return [r["surprisal_bits"][i] for r in responses(items) for i in r[mark]]


def correct_bits(items):
    return [value for r in responses(items) for i, value in enumerate(r["surprisal_bits"]) if i not in r["wrong"]]


def total_units(items):
    return sum(len(units(r)) for r in responses(items))


@pytest.fixture(scope="module", params=SETS)
def any_set(request):
    return load(request.param)


@pytest.fixture(scope="module")
def first():
    return load("first")


@pytest.fixture(scope="module")
def calibration():
    return load("calibration_sentences")


def test_keys_and_types(any_set):
    for item in any_set:
        assert set(item) == ITEM_KEYS
        assert all(isinstance(item[k], str) for k in ("item_id", "category", "prompt"))
        assert isinstance(item["responses"], list)
        assert 1 <= len(item["responses"]) <= 2
        for response in item["responses"]:
            assert set(response) == RESPONSE_KEYS


def test_ids_are_unique_and_related():
    item_ids, response_ids = [], []
    for name in SETS:
        for item in load(name):
            item_ids.append(item["item_id"])
            assert item["item_id"].startswith(item["category"] + "-")
            for letter, response in zip("ab", item["responses"], strict=False):
                assert response["response_id"] == f"{item['item_id']}-{letter}"
                response_ids.append(response["response_id"])
    assert len(set(item_ids)) == len(item_ids)
    assert len(set(response_ids)) == len(response_ids)


def test_no_prompt_or_text_twice(first):
    prompts = [item["prompt"] for item in first]
    assert len(set(prompts)) == len(prompts)
    texts = [r["text"] for name in SETS for r in responses(load(name))]
    assert len({t.casefold() for t in texts}) == len(texts)


def test_spacing_and_characters(any_set):
    for item in any_set:
        for text in [item["prompt"], *(r["text"] for r in item["responses"])]:
            assert text == " ".join(text.split())
            assert text.isascii()
            assert text.isprintable()
            assert not set("*~^+{}") & set(text)
        assert all(r["text"] for r in item["responses"])


def test_surprisal_values(any_set):
    for response in responses(any_set):
        values = response["surprisal_bits"]
        assert len(values) == len(units(response))
        for value in values:
            assert isinstance(value, (int, float))
            assert not isinstance(value, bool)
            assert math.isfinite(value)
            assert 0 <= value < 200
            assert round(value, 2) == value
    assert statistics.median(bits(any_set, "wrong")) > statistics.median(correct_bits(any_set))


def test_marks_are_indexes_and_consistent(any_set):
    for response in responses(any_set):
        count = len(units(response))
        for mark in MARKS:
            indexes = response[mark]
            assert all(type(i) is int and 0 <= i < count for i in indexes)
            assert indexes == sorted(set(indexes))
        wrong = set(response["wrong"])
        assert set(response["subtle"]) <= wrong
        assert set(response["predictable_wrong"]) <= wrong
        assert not set(response["surprising_correct"]) & wrong


def test_first_size_and_categories(first):
    assert len(first) >= 130
    by_category = Counter(item["category"] for item in first)
    assert set(by_category) == FIRST_CATEGORIES
    for count in by_category.values():
        assert 0.28 <= count / len(first) <= 0.39
    assert all(item["prompt"] for item in first)
    assert total_units(first) >= 2100
    for response in responses(first):
        assert 10 <= len(units(response)) <= 30


def test_first_wrong_units(first):
    wrong = len(bits(first, "wrong"))
    assert wrong >= 215
    assert 0.085 <= wrong / total_units(first) <= 0.115
    per_response = Counter(len(r["wrong"]) for r in responses(first))
    assert set(per_response) == {0, 1, 2, 3}
    for response in responses(first):
        indexes = response["wrong"]
        if indexes:
            assert indexes[0] >= 1
            assert indexes[-1] <= len(units(response)) - 3
        assert all(b - a >= 3 for a, b in itertools.pairwise(indexes))


def test_first_other_marks(first):
    wrong = bits(first, "wrong")
    predictable = bits(first, "predictable_wrong")
    surprising = bits(first, "surprising_correct")
    assert len(predictable) >= 0.10 * len(wrong)
    assert len(surprising) >= 220
    assert len(bits(first, "subtle")) >= 50
    assert max(predictable) < statistics.median(wrong)
    assert min(surprising) > statistics.median(correct_bits(first))


def test_calibration_size(calibration):
    assert len(calibration) >= 270
    assert {item["category"] for item in calibration} == {"calibration"}
    assert all(len(item["responses"]) == 1 for item in calibration)
    assert total_units(calibration) >= 1500
    for response in responses(calibration):
        assert 5 <= len(units(response)) <= 9


def test_calibration_wrong_units(calibration):
    marked = [r for r in responses(calibration) if r["wrong"]]
    assert len(marked) >= 220
    assert len(marked) < len(calibration)
    for response in marked:
        assert len(response["wrong"]) == 1
        position = response["wrong"][0] + 1
        assert 4 <= position <= len(units(response)) - 2
    assert 0.12 <= len(marked) / total_units(calibration) <= 0.18
    positions = Counter(r["wrong"][0] + 1 for r in marked)
    assert len(positions) >= 4
    assert max(positions.values()) <= 0.6 * len(marked)


def test_calibration_marks_are_salient_only(calibration):
    for response in responses(calibration):
        assert not response["subtle"]
        assert not response["predictable_wrong"]
        assert not response["surprising_correct"]
