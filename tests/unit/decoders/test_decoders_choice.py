"""The automatic choice: on training blocks alone, inside the judged folds, cheapest first, and honest about what it left out."""

from dataclasses import replace

import numpy as np
import pytest

from decoders import choice
from decoders.choice import automatic_specs, screen
from decoders.fit import FitSettings, fit_decoder
from decoders.pipelines import PIPELINES
from decoders.spec import FitError
from messaging.words import Signal
from tests.reference.training_sessions import drawn_session

AUTO = FitSettings(name="chosen", pipeline="auto", task="token_rsvp")


@pytest.fixture
def quick(monkeypatch):
    """Without the pipelines that take long."""
    for name in ("ensemble", "xdawn"):
        monkeypatch.setitem(PIPELINES, name, replace(PIPELINES[name], by_default=False))


def test_everything_is_tried_cheapest_first_and_the_report_says_what(quick):
    decoder = fit_decoder([drawn_session(n_trials=150)], AUTO)
    tried = [setting["spec"]["pipeline"] for setting in decoder.report["settings"]]
    assert tried == ["lda", "lda", "toeplitz", "toeplitz", "mdm"]
    assert decoder.report["not_tried"] == []
    (chosen,) = [setting for setting in decoder.report["settings"] if setting["chosen"]]
    best = max(setting["cv_auc"] for setting in decoder.report["settings"])
    assert chosen["cv_auc"] >= best - 0.01
    assert chosen["spec"]["pipeline"] == decoder.spec.pipeline
    again = fit_decoder([drawn_session(n_trials=150)], AUTO)
    assert again.statement.sha256 == decoder.statement.sha256


def test_a_budget_that_is_over_leaves_the_first_and_lists_the_others(quick, monkeypatch):
    now = iter(np.arange(0, 1e6, 100.0))
    monkeypatch.setattr(choice.time, "perf_counter", lambda: float(next(now)))
    session = drawn_session(n_trials=150)
    said = []
    decoder = fit_decoder([session], replace(AUTO, budget_s=50.0), lambda what, _fraction: said.append(what))
    assert [setting["spec"]["pipeline"] for setting in decoder.report["settings"]] == ["lda"]
    assert [left["pipeline"] for left in decoder.report["not_tried"]] == ["lda", "toeplitz", "toeplitz", "mdm"]
    assert any("trying lda (1 of 5" in what for what in said)


def test_a_blocks_llr_does_not_depend_on_its_own_labels(quick):
    session = drawn_session(n_trials=150)
    flipped = session.positive.copy()
    inside = session.blocks == session.blocks[-1]
    flipped[inside] = ~flipped[inside]
    one, two = (fit_decoder([s], AUTO).report for s in (session, replace(session, positive=flipped)))
    last = str(int(session.blocks[-1]))
    assert one["chosen_without_block"][last] == two["chosen_without_block"][last]
    assert one["auc_per_block"][-1]["auc"] == pytest.approx(1 - two["auc_per_block"][-1]["auc"], abs=1e-9)


def test_no_effect_is_held_also_when_the_best_of_many_is_taken(quick):
    decoder = fit_decoder([drawn_session(3, effect_uv=0.0)], AUTO)
    assert not decoder.released
    low, high = decoder.statement.auc_ci95
    assert low <= 0.5 <= high


def test_with_many_channels_all_of_them_are_tried_beside_the_midline():
    names = [f"E{k}" for k in range(16)]
    specs = automatic_specs(Signal.ERROR, "t", None, 250.0, names)
    assert {len(s.preprocessing.channel_names) for s in specs} == {8, 16}
    assert {len(s.preprocessing.channel_names) for s in automatic_specs(Signal.ERROR, "t", None, 250.0, [*names, *(f"F{k}" for k in range(40))])} == {8}
    with pytest.raises(FitError, match="too low"):
        automatic_specs(Signal.ERROR, "t", None, 16.0, names)


def test_screening_keeps_the_order_and_an_unlimited_budget_leaves_nothing_out(quick):
    from decoders.lda import ShrinkageLDA
    from decoders.trials import FilteredSessions

    session = drawn_session(n_trials=120)
    specs = automatic_specs(Signal.ERROR, "token_rsvp", None, session.sampling_rate_hz, session.channel_names)[:2]
    store = FilteredSessions([session])
    trials = [store.trials(spec) for spec in specs]
    kept = np.logical_and.reduce([t.kept for t in trials])
    found = screen([t.subset(kept) for t in trials], [ShrinkageLDA] * 2, specs, float("inf"), lambda *_: None)
    assert (found.tried, found.left_out) == ((0, 1), ())
    assert len(found.scores) == len(found.aucs) == 2
