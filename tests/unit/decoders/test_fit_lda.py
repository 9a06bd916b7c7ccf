"""Shrinkage LDA against its definition, scikit-learn's, and scikit-learn's own checks."""

import contextlib
import unittest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.utils.estimator_checks import parametrize_with_checks

from decoders.lda import ShrinkageLDA
from decoders.spec import FitError
from tests.reference.fitting import pooled_covariance


@parametrize_with_checks([ShrinkageLDA(), ShrinkageLDA(0.3, standardize=False)])
def test_estimator_keeps_scikit_learns_contract(estimator, check):
    # two checks are about pandas input and the array API and step aside where neither is switched on
    with contextlib.suppress(unittest.SkipTest):
        check(estimator)


def drawn(seed: int, n: int = 80, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3 == 0
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + y[:, np.newaxis] * rng.standard_normal(d), y


@given(seed=st.integers(0, 10_000), shrinkage=st.floats(0.01, 1.0))
def test_equals_scikit_learn_at_a_given_shrinkage(seed, shrinkage):
    x, y = drawn(seed)
    ours = ShrinkageLDA(shrinkage, standardize=False).fit(x, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, y)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), rtol=1e-6, atol=1e-8)


def test_weights_solve_the_pooled_covariance_of_the_definition():
    x, y = drawn(3)
    model = ShrinkageLDA(0.0, standardize=False).fit(x, y)
    np.testing.assert_allclose(pooled_covariance(x, y) @ model.coef_[0], x[y].mean(axis=0) - x[~y].mean(axis=0), atol=1e-9)


def test_shrinkage_is_ledoit_and_wolfs_of_standardized_residuals():
    x, y = drawn(4)
    residuals = np.where(y[:, np.newaxis], x - x[y].mean(axis=0), x - x[~y].mean(axis=0))
    expected = ledoit_wolf(residuals / residuals.std(axis=0), assume_centered=True)[1]
    assert ShrinkageLDA().fit(x, y).shrinkage_ == pytest.approx(expected, rel=1e-12)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100.0))
def test_scores_do_not_depend_on_the_unit_of_a_channel(seed, scale):
    x, y = drawn(seed)
    scaled = x * np.array([scale, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(ShrinkageLDA().fit(x, y).decision_function(x), ShrinkageLDA().fit(scaled, y).decision_function(scaled), rtol=1e-6, atol=1e-7)


def test_one_class_is_refused_in_a_sentence():
    with pytest.raises(FitError, match="All 10 trials are of one class"):
        ShrinkageLDA().fit(np.ones((10, 2)), np.zeros(10))


def test_too_few_trials_are_refused_in_a_sentence():
    with pytest.raises(FitError, match=r"2 trials .* leave no covariance"):
        ShrinkageLDA().fit(np.eye(2), [0, 1])
