"""The value decoder: ridge against its definition, nested choice, and a gate that chance does not pass."""

import contextlib
import unittest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from decoders.spec import FitError
from decoders.value import PENALTIES, VALUE_WINDOWS, RidgeValue, fit_value, value_gate, value_spec
from decoders.windows import window_layout

N_CHANNELS = 4


@parametrize_with_checks([RidgeValue(), RidgeValue(penalty=0.0)])
def test_estimator_keeps_scikit_learns_contract(estimator, check):
    # checks of pandas input and the array API step aside where neither is switched on
    with contextlib.suppress(unittest.SkipTest):
        check(estimator)


def rated(seed: int, n: int = 120, effect_uv: float = 6.0, n_blocks: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratings from 1 to 7 and microvolts of four windows by four channels; RewP and LPP grow with liking."""
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 8, n).astype(float)
    noise = 10 * rng.standard_normal((n, 4, 1)) + 6 * rng.standard_normal((n, 4, N_CHANNELS))
    pattern = np.zeros((4, N_CHANNELS))
    pattern[0], pattern[2:] = [1, 0.6, 0.2, 0], [0, 0.3, 0.8, 1]
    x = noise + effect_uv * (ratings - 4)[:, None, None] / 2 * pattern
    return x.reshape(n, -1), ratings, np.arange(n) * n_blocks // n


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), penalty=st.floats(0.01, 100))
def test_equals_scikit_learns_ridge_on_standardised_features(seed, penalty):
    x, y, _ = rated(seed)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = Ridge(alpha=penalty * len(z)).fit(z, y)
    np.testing.assert_allclose(RidgeValue(penalty=penalty).fit(x, y).predict(x), theirs.predict(z), rtol=1e-8)


def test_windows_that_are_not_used_get_no_weight_and_the_scorer_gives_the_same_values():
    x, y, _ = rated(1)
    model = RidgeValue(N_CHANNELS, VALUE_WINDOWS).fit(x, y)
    weights = model.coef_.reshape(4, N_CHANNELS)
    assert (weights[1] == 0).all()
    assert (weights[[0, 2, 3]] != 0).all()
    scorer = model.scorer()
    np.testing.assert_allclose([scorer.score(row) for row in x], model.predict(x), atol=1e-9)


def test_liking_in_the_answer_is_found_and_its_spread_is_true():
    x, y, blocks = rated(2, n=300)
    found = fit_value(x, y, blocks, n_channels=N_CHANNELS, windows=VALUE_WINDOWS)
    assert found.released
    assert found.gate.value > 0.4
    assert found.estimator.penalty in PENALTIES
    errors = (y - found.held_out_values) / found.held_out_sd
    assert errors.std() == pytest.approx(1.0, abs=0.1)
    x_new, y_new, _ = rated(3, n=1000)
    values = found.line.values(found.estimator.predict(x_new))
    assert (y_new - values).std() == pytest.approx(found.line.value_sd, rel=0.1)
    assert np.polyfit(values, y_new, 1)[0] == pytest.approx(1.0, abs=0.15)


def test_chance_passes_no_more_often_than_the_bound_allows():
    passed = [fit_value(*rated(seed, n=100, effect_uv=0.0)).released for seed in range(150)]
    assert np.mean(passed) <= 0.09


def test_drift_that_both_share_is_not_taken_for_liking():
    rng = np.random.default_rng(5)
    blocks = np.arange(200) // 40
    drift = blocks * 2.0
    for _ in range(20):
        values, ratings = drift + rng.standard_normal(200), drift + rng.standard_normal(200)
        assert np.corrcoef(values, ratings)[0, 1] > 0.8
        assert abs(value_gate(values, ratings, blocks).value) < 0.25


def test_nothing_of_a_block_reaches_its_own_values():
    x, y, blocks = rated(6)
    before = fit_value(x, y, blocks).held_out_values
    other = y.copy()
    other[blocks == 2] = other[blocks == 2][::-1] * 3 - 5
    after = fit_value(x, other, blocks).held_out_values
    np.testing.assert_array_equal(before[blocks == 2], after[blocks == 2])
    assert (before[blocks != 2] != after[blocks != 2]).any()


def test_values_that_do_not_vary_fail_the_gate_in_a_sentence():
    line = value_gate(np.ones(60), np.arange(60.0) % 7, np.arange(60) // 20)
    assert (line.verdict, line.value) == ("failed", 0.0)
    assert "needs a lower bound above 0" in line.sentence


def test_spec_has_the_windows_of_rewp_and_lpp_behind_a_slow_high_pass():
    spec = value_spec("pair_preference", 250.0, ("FCz", "Pz"))
    assert spec.preprocessing.highpass_hz == 0.1
    assert window_layout(spec.window, 250.0).n_windows == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y, b: (x[:10], y[:10], b[:10]), "10 rated trials"),
        (lambda x, y, b: (x, y, np.zeros_like(b)), "in 1 blocks"),
        (lambda x, y, b: (x, np.full_like(y, 4.0), b), "All 120 ratings are 4"),
        (lambda x, y, b: (x * np.nan, y, b), "not finite"),
    ],
)
def test_trials_that_cannot_teach_liking_are_refused(change, message):
    with pytest.raises(FitError, match=message):
        fit_value(*change(*rated(7)))


def test_windows_that_do_not_fit_are_refused():
    x, y, _ = rated(8)
    with pytest.raises(FitError, match="do not fit 16 features"):
        RidgeValue(N_CHANNELS, (0, 9)).fit(x, y)
    with pytest.raises(FitError, match="penalty is -1"):
        RidgeValue(penalty=-1.0).fit(x, y)
