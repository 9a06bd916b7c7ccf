"""Arithmetic of search over reasoning steps."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit

from decoders.cothb import backtrack, branch_width, first_error, fit_kappa, step_value, supervised_steps, worth_asking
from decoders.spec import FitError

CHAINS = arrays(np.float64, st.integers(1, 6), elements=st.floats(0, 1))


def steps(seed: int, n: int, d: float, verifier: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A calibrated verifier of some strength, a person's calibrated llr of strength d, independent given the truth."""
    rng = np.random.default_rng(seed)
    right = rng.random(n) < 0.6
    sign = np.where(right, 1, -1)
    p = expit(logit(0.6) + verifier * rng.standard_normal(n) + sign * verifier**2 / 2)
    return p, d * rng.standard_normal(n) - sign * d**2 / 2, right


def log_likelihood(p: np.ndarray, right: np.ndarray) -> float:
    return float(np.log(np.where(right, p, 1 - p)).mean())


def test_a_calibrated_person_gets_a_weight_of_one_and_improves_new_steps():
    kappa = fit_kappa(*steps(1, 4000, 0.8))
    assert kappa == pytest.approx(1.0, abs=0.12)
    p, llr, right = steps(2, 4000, 0.8)
    assert log_likelihood(step_value(p, llr, kappa), right) > log_likelihood(p, right) + 0.01


def test_a_person_who_adds_nothing_gets_no_weight():
    rng = np.random.default_rng(3)
    at_chance = []
    for seed in range(200):
        p, _, right = steps(seed, 300, 0.0)
        at_chance.append(fit_kappa(p, rng.standard_normal(300), right))
    assert np.mean(np.array(at_chance) > 0) <= 0.09
    p, llr, right = steps(4, 2000, 0.8)
    assert fit_kappa(p, -llr, right) == 0.0
    assert fit_kappa(p, np.full(2000, np.nan), right) == 0.0
    assert fit_kappa(p[:30], llr[:30], right[:30]) == 0.0


def test_a_person_who_knows_only_what_a_better_verifier_knows_gets_no_weight():
    weights = []
    for seed in range(40):
        p, _, right = steps(seed, 400, 0.0, verifier=2.0)
        # the person sees the verifier's evidence through noise: nothing is left once the verifier is known
        noisy = -0.3 * logit(p) + np.random.default_rng(seed).standard_normal(400)
        weights.append(fit_kappa(p, noisy, right))
    assert np.mean(np.array(weights) > 0) <= 0.15


@given(p=arrays(np.float64, 4, elements=st.floats(0.01, 0.99)), kappa=st.floats(0, 3))
def test_without_evidence_or_weight_the_verifier_stands(p, kappa):
    np.testing.assert_allclose(step_value(p, np.full(4, np.nan), kappa), p)
    np.testing.assert_allclose(step_value(p, np.ones(4), 0.0), p)
    assert (step_value(p, np.ones(4), kappa) <= p + 1e-12).all()


@given(p=CHAINS)
def test_first_error_is_what_enumerating_all_chains_gives(p):
    expected = np.zeros(len(p) + 1)
    for outcome in itertools.product([True, False], repeat=len(p)):
        where = outcome.index(False) if False in outcome else len(p)
        expected[where] += np.prod([q if ok else 1 - q for q, ok in zip(p, outcome, strict=True)])
    np.testing.assert_allclose(first_error(p), expected, atol=1e-12)


@given(p=CHAINS, credit=st.floats(0, 1))
def test_credit_for_the_step_before_keeps_the_sum_and_the_chance_of_no_error(p, credit):
    plain, moved = first_error(p), first_error(p, credit)
    assert moved.sum() == pytest.approx(1.0)
    assert moved[-1] == pytest.approx(plain[-1])
    assert (moved >= -1e-15).all()
    assert np.cumsum(moved)[:-1] == pytest.approx(np.maximum(np.cumsum(moved)[:-1], np.cumsum(plain)[:-1]), abs=1e-12)


def test_credit_moves_one_step_and_no_further():
    np.testing.assert_allclose(first_error(np.array([1.0, 1.0, 0.0]), 0.25), [0, 0.25, 0.75, 0])


def test_backtracking_follows_the_costs_and_goes_to_the_likeliest_first_error():
    p = np.array([0.95, 0.5, 0.9])
    found = backtrack(p, c_backtrack=1.0, c_miss=1.0)
    assert (found.needed, found.step) == (True, 1)
    assert found.p_error == pytest.approx(1 - 0.95 * 0.5 * 0.9)
    stay = backtrack(p, c_backtrack=3.0, c_miss=1.0)
    assert (stay.needed, stay.step) == (False, None)
    assert backtrack(np.array([0.99, 0.2]), 1.0, 1.0, credit_before=0.9).step == 0


def test_width_is_one_where_sure_and_widest_where_even():
    assert [branch_width(p, 5) for p in (0.0, 0.5, 1.0)] == [1, 5, 1]
    assert branch_width(0.11, 5) == branch_width(0.89, 5) == 3
    assert branch_width(0.5, 1) == 1


def test_a_person_is_asked_only_where_the_verifier_is_unsure():
    assert [worth_asking(p) for p in (0.1, 0.3, 0.5, 0.7, 0.95)] == [False, True, True, True, False]


def test_supervision_ends_with_the_first_error():
    np.testing.assert_array_equal(supervised_steps(np.array([True, False, True, False])), [True, True, False, False])
    np.testing.assert_array_equal(supervised_steps(np.array([True, True])), [True, True])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: first_error(np.array([1.2])), "outside 0 to 1"),
        (lambda: first_error(np.array([0.5]), 2.0), "credit_before is 2"),
        (lambda: backtrack(np.array([0.5]), 0.0, 1.0), "both must be above 0"),
        (lambda: branch_width(0.5, 0), "A width of 0"),
    ],
)
def test_numbers_outside_their_range_are_refused(call, message):
    with pytest.raises(FitError, match=message):
        call()
