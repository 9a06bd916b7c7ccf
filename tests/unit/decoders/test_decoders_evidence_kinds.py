"""Evidence of different kinds made one: verdict markers of both polarities, a unit and its successor, several signals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from decoders.evidence import LogOddsSum, fit_log_odds, fit_polarities, fit_spans, for_rejections, p_error_of, span_llr, unit_llr
from decoders.evidence.spans import span_terms
from decoders.metrics import area_under_curve, calibration_slope
from decoders.rewarding import calibration_lines, llr_of, valuation
from decoders.spec import FitError
from messaging.words import Polarity

PRIORS = st.floats(0.02, 0.98)


def markers(seed: int, n: int, reject_gain: float = 0.6) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, disagreement, rejected, blocks; answers to a wrong rejection are weaker and lie elsewhere."""
    rng = np.random.default_rng(seed)
    rejected, disagrees = rng.random(n) < 0.3, rng.random(n) < 0.25
    scores = rng.standard_normal(n) + np.where(rejected, reject_gain, 1.2) * disagrees + 0.8 * rejected
    return scores, disagrees, rejected, np.arange(n) * 5 // n


@given(llr=st.floats(-20, 20), prior=PRIORS)
def test_error_of_a_rejected_unit_is_the_complement_of_disagreement(llr, prior):
    accepted = p_error_of(np.array([unit_llr(llr, Polarity.ACCEPT)]), prior)[0]
    assert accepted == pytest.approx(p_error_of(np.array([llr]), prior)[0])
    rejected = p_error_of(np.array([unit_llr(llr, Polarity.REJECT)]), prior)[0]
    assert rejected == pytest.approx(1 - p_error_of(np.array([llr]), 1 - prior)[0], abs=1e-12)


@given(seed=st.integers(0, 20), score=st.floats(-5, 5))
def test_calibration_for_rejections_turns_llr_and_wrong_decisions_round_and_keeps_the_spread(seed, score):
    found = fit_polarities(*markers(seed, 400), seed=seed)
    back = for_rejections(found.reject)
    assert llr_of(score, found.reject) == pytest.approx(-llr_of(score, back))
    assert (found.reject.e0, found.reject.e1) == (back.e1, back.e0)
    turned = valuation(score, found.reject, calibration_lines(found.reject), 0.2)
    straight = valuation(score, back, calibration_lines(back), 0.8)
    assert turned.llr_sd == pytest.approx(straight.llr_sd)
    assert turned.p_error == pytest.approx(1 - straight.p_error)
    assert turned.reward == pytest.approx(-straight.reward)


def test_each_polarity_is_calibrated_on_new_trials():
    found = fit_polarities(*markers(1, 2000))
    scores, disagrees, rejected, _ = markers(2, 8000)
    for polarity, inside in ((Polarity.ACCEPT, ~rejected), (Polarity.REJECT, rejected)):
        calibration = found.of(polarity)
        llr = np.array([llr_of(score, calibration) for score in scores[inside]])
        error = disagrees[inside] == (polarity is Polarity.ACCEPT)
        slope, sd = calibration_slope(llr, error)
        assert slope - 1.645 * sd <= 1.25
        assert slope + 1.645 * sd >= 0.8
        assert area_under_curve(llr, error) > 0.6
        # at the polarity's own base rate the mean probability is that base rate
        assert p_error_of(llr, calibration.prior_removed).mean() == pytest.approx(error.mean(), abs=0.03)


def test_a_calibration_without_rejections_is_refused():
    scores, disagrees, rejected, blocks = markers(3, 200)
    with pytest.raises(FitError, match="0 true 'reject' markers"):
        fit_polarities(scores, disagrees, np.zeros_like(rejected), blocks)
    with pytest.raises(FitError, match="Without block 0"):
        fit_polarities(scores, disagrees, rejected, np.zeros_like(blocks))


def spilling(seed: int, n: int, spill: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evidence of words in responses of ten; part of the answer to an error shows in the word after it."""
    rng = np.random.default_rng(seed)
    response, error = np.arange(n) // 10, rng.random(n) < 0.12
    late = np.concatenate([[False], error[:-1] & (response[1:] == response[:-1])])
    d = 0.7
    return d * (rng.standard_normal(n) + d * error + spill * d * late - d / 2), response, error


def test_span_evidence_uses_the_successor_where_it_tells_something():
    weights = fit_spans(*spilling(4, 4000, 0.8))
    llr, response, error = spilling(5, 8000, 0.8)
    spans = span_llr(weights, llr, response)
    assert area_under_curve(spans, error) > area_under_curve(llr, error) + 0.02
    slope, sd = calibration_slope(spans, error)
    assert slope - 1.645 * sd <= 1.25
    assert slope + 1.645 * sd >= 0.8


def test_span_evidence_leaves_the_successor_out_where_it_tells_nothing():
    weights = fit_spans(*spilling(6, 8000, 0.0))
    assert weights.weights[0] == pytest.approx(1.0, abs=0.15)
    assert weights.weights[1] < 0.15


def test_spans_do_not_cross_responses_and_missing_windows_say_nothing():
    llr, response = np.array([1.0, 2.0, np.nan, 4.0]), np.array([0, 0, 1, 1])
    np.testing.assert_array_equal(span_terms(llr, response), [[1, 2], [2, np.nan], [np.nan, 4], [4, np.nan]])
    np.testing.assert_allclose(span_llr(LogOddsSum(np.array([1.0, 0.5]), 0.1), llr, response), [2.1, 2.1, 2.1, 4.1])
    np.testing.assert_array_equal(LogOddsSum(np.ones(1), 0.3).llr(np.array([[np.nan]])), [0.0])


@given(seed=st.integers(0, 500), sizes=st.tuples(st.floats(0, 2), st.floats(0, 2)))
def test_log_odds_weights_are_never_negative_and_the_base_rate_is_taken_out(seed, sizes):
    rng = np.random.default_rng(seed)
    error = np.arange(300) % 4 == 0
    terms = rng.standard_normal((300, 2)) + np.array(sizes) * error[:, np.newaxis] - 0.3
    found = fit_log_odds(terms, error)
    assert (found.weights >= 0).all()
    assert p_error_of(found.llr(terms), 0.25).mean() == pytest.approx(0.25, abs=0.01)


def test_independent_signals_get_the_weights_of_their_likelihood_ratios():
    rng = np.random.default_rng(8)
    error, d = rng.random(20_000) < 0.3, np.array([1.0, 0.5])
    terms = d * (rng.standard_normal((20_000, 2)) + d * error[:, np.newaxis] - d / 2)
    found = fit_log_odds(terms, error)
    np.testing.assert_allclose(found.weights, 1.0, atol=0.12)
    assert found.offset == pytest.approx(0.0, abs=0.1)
    against = fit_log_odds(np.column_stack([terms[:, 0], -terms[:, 1]]), error)
    assert against.weights[1] == 0.0


def test_weighing_signals_needs_trials_of_both_kinds_and_finite_evidence():
    with pytest.raises(FitError, match="0 errors and 30 others"):
        fit_log_odds(np.ones((30, 1)), np.zeros(30, dtype=bool))
    with pytest.raises(FitError, match="infinite"):
        fit_log_odds(np.full((30, 1), np.inf), np.arange(30) < 15)


def test_pooling_both_polarities_would_be_miscalibrated():
    scores, disagrees, rejected, _ = markers(7, 8000)
    found = fit_polarities(*markers(1, 2000))
    llr = np.array([llr_of(score, found.accept) for score in scores[rejected]])
    base = float(disagrees[rejected].mean())
    assert abs(p_error_of(llr, base).mean() - base) > 0.05
    assert logit(base) < 0
