"""Units of more than a word, and the verdicts that follow them."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from messaging.words import Polarity, TimeLock
from server.items import read_items, shipped_item_sets, units_of
from server.sessions.markers import marker_of
from server.sessions.planning import PlannedTrial, Timing, plan_trials
from server.sessions.protocols import Protocol, Shows, Verdicts, shipped_protocols
from server.sessions.units import Piece, UnitOf, pieces_of

_TIMING = Timing(soa_ms=1100, jitter_ms=100, fixation_ms=500, blank_ms=400)
_PIECE = Piece(0, 9, "a b c", 2, 5)
_PHRASES = Shows(units=UnitOf.PHRASE, phrase_words=3, verdict=Verdicts(reject_share=0.3))


def rows(n: int, text: str = "one two three, four five") -> list[dict[str, Any]]:
    return [{"item_set": "t", "item_id": f"i{k}", "response_id": f"r{k}", "prompt": "How so?", "text": text} for k in range(n)]


def plan(n: int = 40, shows: Shows = _PHRASES, marks: dict[str, dict[str, list[int]]] | None = None, seed: int = 1) -> list[PlannedTrial]:
    return plan_trials("s", rows(n), _TIMING, seed=seed, n_trials=None, trials_per_block=10, shows=shows, marks=marks)


@given(st.text(st.sampled_from("ab, .。\n\té漢😀")), st.sampled_from([UnitOf.WORD, UnitOf.PHRASE, UnitOf.STEP]), st.integers(1, 6))
def test_every_word_is_in_one_unit_and_the_span_is_the_exact_text(text: str, unit: UnitOf, phrase_words: int) -> None:
    words, pieces = units_of(text), pieces_of(text, unit, phrase_words)
    assert [k for piece in pieces for k in range(piece.first_word, piece.end_word)] == list(range(len(words)))
    for piece in pieces:
        assert piece.text == text[piece.char_start : piece.char_end] == piece.text.strip()
        assert (piece.char_start, piece.char_end) == (words[piece.first_word][0], words[piece.end_word - 1][1])
        assert "\n" not in piece.text
        if unit is not UnitOf.STEP:
            assert piece.end_word - piece.first_word <= (1 if unit is UnitOf.WORD else phrase_words)


def test_a_phrase_ends_at_a_mark_and_a_step_at_the_lines_end() -> None:
    text = "So far, so good it goes\non and on."
    assert [p.text for p in pieces_of(text, UnitOf.PHRASE, 3)] == ["So far,", "so good it", "goes", "on and on."]
    assert [p.text for p in pieces_of(text, UnitOf.STEP, 3)] == ["So far, so good it goes", "on and on."]


def test_a_unit_is_read_then_nothing_then_its_sign_until_the_next_one() -> None:
    for planned in plan():
        trial, verdict = planned.trial, _PHRASES.verdict
        assert verdict is not None
        assert [u.text for u in trial.units] == ["one two three,", "four five"]
        for unit in trial.units:
            assert unit.before is not None
            assert unit.words is not None
            assert unit.marker is not None
            n_words = unit.words[1] - unit.words[0]
            assert unit.before.duration_ms == verdict.first_word_ms + n_words * verdict.word_ms
            delay_ms = unit.onset_ms - unit.before.onset_ms - unit.before.duration_ms
            assert 299.9 <= delay_ms <= 500.1
            assert unit.time_lock is TimeLock.MARKER
            assert unit.sign == (verdict.accept if unit.marker.polarity is Polarity.ACCEPT else verdict.reject)
            assert unit.shown().model_dump(exclude_none=True).keys().isdisjoint({"sign", "before", "onset_ms"})
        for one, other in pairwise(trial.units):
            assert other.before is not None
            assert 999.9 <= other.before.onset_ms - one.onset_ms <= 1200.1
        assert trial.units[0].before is not None
        assert trial.units[0].before.onset_ms == trial.prompt_ms + trial.fixation_ms
        assert trial.unit_ms == 1200


def test_signs_follow_from_the_seed_and_not_from_the_truth() -> None:
    wrong: dict[str, dict[str, list[int]]] = {f"r{k}": {"wrong": [0, 3]} for k in range(40)}
    assert plan() == plan(marks=wrong) == plan(marks={"r1": {"subtle": [1], "surprising_correct": [2]}})
    assert plan() != plan(seed=2)
    rejected = [u.marker.polarity is Polarity.REJECT for p in plan(400) for u in p.trial.units if u.marker is not None]
    assert abs(sum(rejected) / len(rejected) - 0.3) < 4 * (0.3 * 0.7 / 800) ** 0.5


@pytest.mark.parametrize("wrong", [True, False])
def test_in_a_calibration_the_sign_contradicts_the_marks_as_often_as_said(wrong: bool) -> None:
    draw, marks = random.Random(0), {"wrong": [4] if wrong else [5]}  # word 5 is outside
    signs = [marker_of(_PIECE, Verdicts(wrong_share=0.25), marks, draw) for _ in range(4000)]
    lies = [(sign.polarity is Polarity.REJECT) != wrong for sign in signs]
    assert abs(sum(lies) / 4000 - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert {sign.source for sign in signs} == {"drawn"}  # nothing tells which of them lie


def test_a_verifiers_verdict_counts_where_it_gave_one() -> None:
    def sign(marks: dict[str, list[int]]) -> tuple[str, str]:
        found = marker_of(_PIECE, Verdicts(reject_share=0.0), marks, random.Random(0))
        return found.polarity, found.source

    assert sign({"rejected": [3], "accepted": [2, 4]}) == ("reject", "verifier")
    assert sign({"accepted": [2]}) == ("accept", "verifier")
    assert sign({"rejected": [5], "accepted": [1]}) == ("accept", "drawn")


def test_steps_name_the_one_before_them() -> None:
    lines = plan_trials("s", rows(1, "first line\nsecond\nthird"), _TIMING, seed=1, n_trials=None, trials_per_block=9, shows=Shows(units=UnitOf.STEP))
    steps = [(u.step.step_id, u.step.parent_id) for u in lines[0].trial.units if u.step is not None]
    assert steps == [("r0.0", None), ("r0.1", "r0.0"), ("r0.2", "r0.1")]


@pytest.mark.parametrize(
    ("verdict", "calibrates", "what"),
    [
        ({"accept": "x", "reject": "x"}, False, "nobody could tell them apart"),
        ({"delay_ms": 50}, False, "more than delay_ms"),
        ({"wrong_share": 0.2}, False, "belongs to a protocol that calibrates"),
        ({}, True, "belongs to a protocol that calibrates"),
        ({"wrong_share": 1.0}, True, "less than 1"),
    ],
)
def test_verdicts_that_cannot_be_are_refused(verdict: dict[str, Any], calibrates: bool, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Protocol.model_validate({"name": "p", "task": "p", "title": "P", "item_set": "i", "calibrates": calibrates, "verdict": verdict})


def test_the_shipped_calibration_has_the_trials_that_the_gate_needs() -> None:
    kind = shipped_protocols()["calibration_verdict"]
    items = read_items(shipped_item_sets()[kind.item_set])
    texts = [{"item_set": "t", "item_id": i.item_id, "response_id": r.response_id, "prompt": "", "text": r.text} for i in items for r in i.responses]
    marks = {r.response_id: {"wrong": list(r.wrong)} for i in items for r in i.responses}
    planned = plan_trials("s", texts, _TIMING, seed=1, n_trials=kind.n_trials, trials_per_block=kind.trials_per_block, shows=kind.shows, marks=marks)
    units = [u for p in planned for u in p.trial.units]
    assert 300 <= len(units) <= 420
    assert len({p.trial.block for p in planned}) == 5
    for polarity in Polarity:
        assert sum(u.marker is not None and u.marker.polarity is polarity for u in units) >= 60


def test_the_shipped_steps_have_one_first_error_at_most_and_right_arithmetic_elsewhere() -> None:
    responses = [r for item in read_items(shipped_item_sets()["arithmetic_steps"]) for r in item.responses]
    assert all(len(r.wrong) <= 1 and set(r.subtle) <= set(r.wrong) for r in responses)
    assert 0.3 <= sum(bool(r.wrong) for r in responses) / len(responses) <= 0.8
    by_item: dict[str, list[str]] = {}
    for r in responses:
        if not r.wrong:
            by_item.setdefault(r.response_id[:-2], []).append(r.text)
    assert all(len(set(texts)) == 1 for texts in by_item.values())  # there is one right chain


def test_an_item_set_without_a_verifiers_verdicts_keeps_its_hash() -> None:
    from server.items import _content

    item = read_items(b'{"item_id": "i", "responses": [{"response_id": "r", "text": "a b", "wrong": [1]}]}')[0]
    before = {"response_id": "r", "text": "a b", "surprisal_bits": None, "wrong": [1], "subtle": [], "surprising_correct": [], "predictable_wrong": []}
    assert _content(item) == {"item_id": "i", "category": None, "prompt": "", "responses": [before | {"generator": None}]}
