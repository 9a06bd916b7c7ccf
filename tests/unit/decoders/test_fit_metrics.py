"""Figures against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from decoders import metrics
from decoders.platt import fit_lines
from tests.reference import fitting as naive

marks = st.lists(st.booleans(), min_size=4, max_size=40).filter(lambda m: any(m) and not all(m))


@given(marks=marks, seed=st.integers(0, 1000))
def test_auc_counts_pairs(marks, seed):
    positive = np.array(marks)
    scores = np.random.default_rng(seed).integers(0, 6, len(positive)).astype(float)
    assert metrics.area_under_curve(scores, positive) == pytest.approx(naive.auc(scores, positive), abs=1e-12)


@given(marks=marks, seed=st.integers(0, 1000))
def test_auc_interval_holds_the_auc_and_stays_in_its_range(marks, seed):
    positive = np.array(marks)
    scores = np.random.default_rng(seed).standard_normal(len(positive))
    low, high = metrics.auc_interval(scores, positive)
    assert 0 <= low <= metrics.area_under_curve(scores, positive) <= high <= 1


def test_auc_interval_covers_the_truth_as_often_as_it_says():
    rng, shift, n1, n0 = np.random.default_rng(5), 0.9, 40, 160
    truth, positive = norm.cdf(shift / np.sqrt(2)), np.arange(n1 + n0) < n1
    inside = 0
    for _ in range(600):
        low, high = metrics.auc_interval(rng.standard_normal(n1 + n0) + shift * positive, positive)
        inside += low <= truth <= high
    assert 0.92 <= inside / 600 <= 0.98


def test_perfect_separation_keeps_an_honest_lower_bound():
    low, high = metrics.auc_interval(np.arange(20.0), np.arange(20) >= 10)
    assert high == 1
    assert low == pytest.approx(0.025**0.1)


@given(marks=marks, seed=st.integers(0, 1000), prior=st.floats(0.02, 0.98))
def test_information_gain_is_the_mean_log_ratio(marks, seed, prior):
    positive = np.array(marks)
    llr = 3 * np.random.default_rng(seed).standard_normal(len(positive))
    assert metrics.information_gains_bits(llr, positive, prior).mean() == pytest.approx(naive.information_gain_bits(llr, positive, prior), abs=1e-9)


def test_no_evidence_gains_nothing_and_decides_by_the_coin():
    positive = np.arange(10) < 3
    assert metrics.information_gains_bits(np.zeros(10), positive, 0.3) == pytest.approx(np.zeros(10))
    assert metrics.balanced_accuracy(np.zeros(10), positive) == 0.5


def test_calibration_error_of_true_probabilities_lies_under_its_null_quantile_19_times_in_20():
    rng = np.random.default_rng(2)
    p = expit(rng.standard_normal(300) + logit(0.2))
    limit = metrics.calibration_error_null95(p, seed=1)
    below = sum(metrics.expected_calibration_error(p, rng.random(300) < p) <= limit for _ in range(400))
    assert 0.92 <= below / 400 <= 0.98


def test_overconfidence_shows_in_the_error_and_in_the_slope():
    rng = np.random.default_rng(3)
    llr = rng.standard_normal(3000)
    positive = rng.random(3000) < expit(llr)
    slope, sd = metrics.calibration_slope(3 * llr, positive)
    assert abs(slope - 1 / 3) < 3 * sd < 0.1
    p = expit(3 * llr)
    assert metrics.expected_calibration_error(p, positive) > metrics.calibration_error_null95(p)


def test_line_is_the_logistic_regression_of_the_smoothed_targets():
    rng = np.random.default_rng(4)
    positive = np.arange(400) < 100
    scores = rng.standard_normal(400) + positive
    line = fit_lines(scores, positive)
    high, low = 101 / 102, 1 / 302
    weights = np.concatenate([np.where(positive, high, low), np.where(positive, 1 - high, 1 - low)])
    reference = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(
        np.tile(scores, 2)[:, np.newaxis], np.repeat([True, False], 400), sample_weight=weights
    )
    assert line.slope[0] == pytest.approx(reference.coef_[0, 0], rel=1e-4)
    assert line.intercept[0] == pytest.approx(reference.intercept_[0], rel=1e-4)


def test_separable_classes_have_a_finite_line():
    line = fit_lines(np.arange(20.0), np.arange(20) >= 10)
    assert np.isfinite([line.slope[0], line.intercept[0], line.slope_sd[0]]).all()
    assert line.slope[0] > 0


@given(seed=st.integers(0, 1000))
def test_weights_are_repetitions(seed):
    rng = np.random.default_rng(seed)
    positive = np.arange(30) % 3 == 0
    scores, counts = rng.standard_normal(30) + positive, rng.integers(1, 4, 30)
    repeated = fit_lines(np.repeat(scores, counts), np.repeat(positive, counts))
    weighted = fit_lines(scores, positive, counts[np.newaxis, :].astype(float))
    np.testing.assert_allclose([weighted.slope[0], weighted.intercept[0]], [repeated.slope[0], repeated.intercept[0]], rtol=1e-6, atol=1e-8)
