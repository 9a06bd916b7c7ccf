"""Items, plans, states: what needs no database."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest, Conflict
from server.items import read_items, shipped_item_sets, units_of
from server.sessions.planning import Timing, plan_trials, presentation_id, reading_time_ms
from server.sessions.states import COMMANDS, OVER, SessionState, next_state

_TIMING = Timing(soa_ms=450, jitter_ms=50, fixation_ms=500, blank_ms=800)


def rows(n: int) -> list[dict[str, Any]]:
    return [{"item_set": "t", "item_id": f"i{k}", "response_id": f"r{k}", "prompt": "How so?", "text": f"a b{k} c"} for k in range(n)]


@given(st.text())
def test_units_cover_every_word_with_spans_of_code_points(text: str) -> None:
    units = units_of(text)
    for start, end, word in units:
        assert text[start:end] == word
        assert not any(c.isspace() for c in word)
    outside = "".join(text[a:b] for a, b in zip([0, *(u[1] for u in units)], [*(u[0] for u in units), len(text)], strict=True))
    assert not outside.strip()


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32))
def test_a_plan_follows_from_its_seed_alone(n_responses: int, n_trials: int, seed: int) -> None:
    plan = plan_trials("s", rows(n_responses), _TIMING, seed=seed, n_trials=n_trials, trials_per_block=10)
    assert plan == plan_trials("s", rows(n_responses), _TIMING, seed=seed, n_trials=n_trials, trials_per_block=10)
    assert [p.trial.trial for p in plan] == list(range(n_trials))
    assert [p.trial.block for p in plan] == [k // 10 for k in range(n_trials)]
    breaks = [p.trial.trial for p in plan if p.trial.last_of_block]
    assert breaks == [k for k in range(n_trials - 1) if plan[k].trial.block != plan[k + 1].trial.block]
    shown = [(p.response_id, p.trial.repeat) for p in plan]
    assert len(set(shown)) == n_trials  # a repeat is counted as one
    assert len({p.trial.presentation for p in plan}) == n_trials
    for p in plan:
        onsets = [u.onset_ms for u in p.trial.units]
        assert onsets[0] == p.trial.prompt_ms + p.trial.fixation_ms
        assert all(399.9 <= b - a <= 500.1 for a, b in pairwise(onsets))


def test_another_seed_is_another_order() -> None:
    orders = {tuple(p.response_id for p in plan_trials("s", rows(8), _TIMING, seed=seed, n_trials=None, trials_per_block=10)) for seed in range(6)}
    assert len(orders) == 6


def test_the_identity_of_a_presentation_does_not_change() -> None:
    assert presentation_id("s", 3, 1) == "ee1076c3e9fdf097acf554190d8addbe"
    assert presentation_id("s", 3, 1) != presentation_id("s", 31, 0)


def test_reading_time_has_bounds() -> None:
    assert [reading_time_ms(p) for p in ("", "One", "w " * 5, "w " * 1000)] == [0.0, 1500.0, 2300.0, 8000.0]


def line(**changed: Any) -> bytes:
    response = {"response_id": "r", "text": "one two three"} | changed
    return json.dumps({"item_id": "i", "responses": [response]}).encode()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"{", "line 1"),
        (b"\xff", "UTF-8"),
        (b"\n\n", "no item"),
        (line(surprisal_bits=[1, 2]), "3 words and 2 surprisal"),
        (line(wrong=[3]), "wrong names word 3"),
        (line(subtle=[-1]), "subtle names word -1"),
        (line(text="  "), "no word"),
        (line(colour="red"), "colour"),
        (line(surprisal_bits=[float("nan")] * 3), "surprisal"),
        (line() + b"\n" + line(), "comes twice"),
        (line(response_id="../../etc"), "response_id"),
    ],
)
def test_wrong_items_are_refused_with_what_is_wrong(raw: bytes, what: str) -> None:
    with pytest.raises(BadRequest, match=what):
        read_items(raw)


def test_the_shipped_items_are_right() -> None:
    for name, raw in shipped_item_sets().items():
        assert read_items(raw), name


@given(st.lists(st.sampled_from(sorted(COMMANDS)), max_size=12))
def test_a_session_that_is_over_stays_over(commands: list[str]) -> None:
    state = SessionState.CREATED
    for command in commands:
        before = state
        try:
            state = next_state(state, command)
        except Conflict:
            state = before
        assert not (before in OVER and state != before)
    assert state is SessionState.CREATED or commands
