"""Dynamic stopping: the rule against its definition, exhaustive search, and simulated units whose answer shrinks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchmarks import stopping
from decoders.evidence import weighted_sum
from decoders.spec import FitError
from decoders.stopping import Stopping, fit_repeats

SHRINKING = 0.87 * np.array([1.0, 0.6, 0.4, 0.4, 0.4])


def units(seed: int, n: int, gains: np.ndarray, rho: float, prior: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated evidence (n, k) of presentations and which units are errors."""
    rng = np.random.default_rng(seed)
    error = rng.random(n) < prior
    z = np.sqrt(rho) * rng.standard_normal((n, 1)) + np.sqrt(1 - rho) * rng.standard_normal((n, len(gains)))
    return gains * z + np.where(error, 1, -1)[:, None] * gains**2 / 2, error


def played(rule: Stopping, llrs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Final p_error and number of presentations of every unit."""
    p, n = np.empty(len(llrs)), np.empty(len(llrs), dtype=int)
    for i, row in enumerate(llrs):
        for k in range(1, rule.max_repeats + 1):
            decision = rule.decide(row[:k])
            if decision.stop:
                p[i], n[i] = decision.p_error, k
                break
    return p, n


def balanced_error(p: np.ndarray, error: np.ndarray) -> float:
    return float(((p[error] <= 0.5).mean() + (p[~error] > 0.5).mean()) / 2)


@settings(max_examples=20)
@given(llrs=st.lists(st.floats(-3, 3), min_size=1, max_size=4).map(np.array), rho=st.floats(0, 0.95), d=st.floats(0.2, 2.0))
def test_equal_presentations_are_weighted_by_their_number_and_correlation(llrs, rho, d):
    rule = Stopping(0.2, 4, np.full(4, d), rho)
    assert rule.decide(llrs).llr == pytest.approx(weighted_sum(llrs, rho), abs=1e-9)


@settings(max_examples=20)
@given(rho=st.floats(0, 0.6), scale=st.floats(0.3, 2.0), target=st.floats(0.05, 0.45))
def test_rule_always_ends_and_never_asks_after_the_last_presentation(rho, scale, target):
    rule = Stopping(target, 5, scale * SHRINKING, rho)
    assert rule.limits[-1] == 0
    assert not rule.decide(np.zeros(0)).stop
    assert rule.decide(np.zeros(5)).stop
    assert 1 <= rule.expected_presentations <= 5


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), k=st.integers(1, 4), prior=st.floats(0.1, 0.9))
def test_more_evidence_never_brings_back_a_presentation_and_signs_are_alike(seed, k, prior):
    llrs = np.random.default_rng(seed).standard_normal(k)
    rule, mirror = Stopping(0.25, 5, SHRINKING, 0.1, prior), Stopping(0.25, 5, SHRINKING, 0.1, 1 - prior)
    decision = rule.decide(llrs)
    other = mirror.decide(-llrs)
    assert other.p_error == pytest.approx(1 - decision.p_error)
    np.testing.assert_allclose(mirror.limits, rule.limits, atol=0.051)  # one step of the grid on which both were worked out
    stronger = rule.decide(llrs + np.sign(decision.p_error - 0.5) * 0.5)
    assert stronger.stop >= decision.stop


@pytest.mark.parametrize("rho", [0.0, 0.2])
def test_expected_error_and_presentations_are_those_of_simulated_units(rho):
    target = float(norm.cdf(-np.sqrt(Stopping(0.4, 3, SHRINKING, rho)._weights[2, :3] @ SHRINKING[:3] ** 2) / 2))
    rule = Stopping(target, 5, SHRINKING, rho)
    assert rule.reaches_target
    llrs, error = units(3, 20_000, SHRINKING, rho)
    p, n = played(rule, llrs)
    assert n.mean() == pytest.approx(rule.expected_presentations, abs=0.04)
    assert balanced_error(p, error) == pytest.approx(rule.expected_error, abs=0.012)
    assert rule.expected_presentations < 3 / 1.5


def test_no_other_limits_after_two_presentations_do_better():
    # with two presentations there is one limit: try them all
    gains, rho = SHRINKING[:2], 0.1
    rule = Stopping(0.318, 2, gains, rho)
    llrs, error = units(5, 20_000, gains, rho)
    p, n = played(rule, llrs)
    both = np.array([rule.decide(row).p_error for row in llrs])
    one = 1 / (1 + np.exp(-llrs[:, 0]))
    for limit in np.linspace(0, 2, 41):
        twice = np.abs(llrs[:, 0]) < limit
        if balanced_error(np.where(twice, both, one), error) < balanced_error(p, error) - 0.004:
            assert 1 + twice.mean() > n.mean() - 0.02


def test_an_answer_that_vanishes_is_not_asked_for_again():
    rule = Stopping(0.1, 4, np.array([0.9, 0.0, 0.0, 0.0]), 0.0)
    assert rule.decide(np.array([0.01])).stop
    assert rule.expected_presentations == pytest.approx(1.0)
    assert not rule.reaches_target


def test_probabilities_are_calibrated_where_the_rule_stopped():
    llrs, error = units(6, 20_000, SHRINKING, 0.2, prior=0.5)
    p, _ = played(Stopping(0.3, 5, SHRINKING, 0.2), llrs)
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        inside = (p > low) & (p <= high)
        assert error[inside].mean() == pytest.approx(p[inside].mean(), abs=0.03)


def test_calibration_finds_how_answers_shrink_and_how_much_repeats_share():
    llrs, error = units(7, 6000, SHRINKING[:3], 0.3)
    # what the decoder gives: llr by the line of the first showing, for scores of weaker answers
    d = SHRINKING[0]
    first_line = d * (llrs / SHRINKING[:3] + SHRINKING[:3] / 2) - d**2 / 2
    model = fit_repeats(first_line, error)
    np.testing.assert_allclose(model.gains, SHRINKING[:3], atol=0.06)
    assert model.rho == pytest.approx(0.3, abs=0.04)
    np.testing.assert_allclose(model.slopes, [1.0, 0.6, 0.4], atol=0.08)
    np.testing.assert_allclose(model.evidence(first_line[0]), llrs[0], atol=0.3)


def test_gains_never_grow_with_repetition_and_are_nothing_at_chance():
    rng = np.random.default_rng(8)
    model = fit_repeats(rng.standard_normal((60, 6)), np.arange(60) % 4 == 0)
    assert (np.diff(model.gains) <= 1e-12).all()
    averaged = np.mean([fit_repeats(rng.standard_normal((200, 3)), np.arange(200) % 4 == 0).gains ** 2 for _ in range(40)])
    assert averaged < 0.03


def test_missing_windows_say_nothing():
    rule = Stopping(0.3, 3, SHRINKING, 0.0)
    assert rule.decide(np.array([0.4, np.nan])).llr == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_error": 0.5}, "target_error is 0.5"),
        ({"rho": 1.2}, "rho is 1.2"),
        ({"max_repeats": 6}, "gains are known for 5 presentations"),
        ({"prior": 0.0}, "prior is 0"),
        ({"gains": np.array([np.nan] * 5)}, "not finite"),
    ],
)
def test_settings_outside_their_range_are_refused(arguments, message):
    with pytest.raises(FitError, match=message):
        Stopping(**{"target_error": 0.2, "max_repeats": 3, "gains": SHRINKING, "rho": 0.1} | arguments)


def test_too_many_presentations_and_too_few_units_are_refused():
    with pytest.raises(FitError, match="4 presentations are more than the 3"):
        Stopping(0.3, 3, SHRINKING, 0.0).decide(np.zeros(4))
    with pytest.raises(FitError, match="Presentation 1 has 2 wrong"):
        fit_repeats(np.zeros((20, 2)), np.arange(20) < 2)


def test_benchmark_plays_both_rules_on_the_same_calibration_and_saves_presentations_at_equal_error():
    played_both = [stopping.person(0.80, seed) for seed in range(4)]
    assert all(fixed.presentations == stopping.FIXED_REPEATS for fixed, _ in played_both)
    assert np.mean([dynamic.presentations for _, dynamic in played_both]) < stopping.FIXED_REPEATS / 1.3
    assert np.mean([dynamic.error - fixed.error for fixed, dynamic in played_both]) < 0.02
    assert stopping.person(0.80, 3) == played_both[3]
