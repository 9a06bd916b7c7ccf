"""Readings of a unit combined: the definition, and that what comes out is calibrated under correlated evidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.evidence import Combination, Readings, evidence_correlation, fit_combination, held_out_combination, p_error_of, reward_of, weighted_sum
from decoders.gate import judge
from decoders.metrics import area_under_curve, calibration_slope
from decoders.spec import FitError

EVIDENCE = st.lists(st.floats(-5, 5), min_size=1, max_size=8).map(np.array)
ALONE = {"rho_repeats": 0.7, "rho_readers": 0.4, "slope": 0.5, "offset": 1.0}


def drawn(seed: int, n_units: int, n_readers: int, n_repeats: int, rho_repeats: float, rho_readers: float, d: float = 0.9) -> tuple[Readings, np.ndarray]:
    """Gaussian evidence: llr ~ N(+-d^2/2, d^2); one part of its deviation is shared by all readers, one by a reader's repeats."""
    rng = np.random.default_rng(seed)
    error = rng.random(n_units) < 0.25
    everybody = rng.standard_normal((n_units, 1, 1))
    reader = rng.standard_normal((n_units, n_readers, 1))
    own = rng.standard_normal((n_units, n_readers, n_repeats))
    z = np.sqrt(rho_readers) * everybody + np.sqrt(rho_repeats - rho_readers) * reader + np.sqrt(1 - rho_repeats) * own
    llr = d * z + np.where(error, 1, -1)[:, None, None] * d**2 / 2
    unit, who, repeat = (part.reshape(-1).astype(np.int64) for part in np.indices(z.shape))
    return Readings(llr.reshape(-1), unit, who, repeat), np.flatnonzero(error).astype(np.int64)


def meets_one(llr: np.ndarray, truth: np.ndarray) -> bool:
    slope, sd = calibration_slope(llr, truth)
    return slope + 1.645 * sd >= 0.8 and slope - 1.645 * sd <= 1.25


@given(llr=st.floats(-20, 20), rho=st.floats(0, 1))
def test_one_reading_stays_as_it_is(llr, rho):
    assert weighted_sum(np.array([llr]), rho) == llr
    one = np.zeros(1, dtype=np.int64)
    assert Combination(**ALONE).combine(Readings(np.array([llr]), one, one, one)).llr[0] == llr


@given(llr=EVIDENCE, rho=st.floats(0, 1))
def test_independent_readings_are_added_and_identical_ones_averaged(llr, rho):
    assert weighted_sum(llr, 0.0) == pytest.approx(llr.sum())
    assert weighted_sum(llr, 1.0) == pytest.approx(llr.mean())
    between = abs(weighted_sum(llr, rho))
    assert abs(llr.mean()) - 1e-12 <= between <= abs(llr.sum()) + 1e-12


@given(seed=st.integers(0, 1000), rho_repeats=st.floats(0, 1), rho_readers=st.floats(0, 1))
def test_order_of_readings_does_not_matter_and_repeats_come_before_readers(seed, rho_repeats, rho_readers):
    rng = np.random.default_rng(seed)
    llr, unit, reader, repeat = rng.standard_normal(5), np.array([7] * 5), np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 1])
    combination = Combination(rho_repeats, rho_readers)
    expected = weighted_sum(np.array([weighted_sum(llr[:3], rho_repeats), weighted_sum(llr[3:], rho_repeats)]), rho_readers)
    order = rng.permutation(5)
    got = combination.combine(Readings(llr[order], unit[order], reader[order], repeat[order]))
    assert got.llr[0] == pytest.approx(expected)
    assert (list(got.unit), list(got.n_readings)) == ([7], [5])


@pytest.mark.parametrize(("rho_repeats", "rho_readers"), [(0.0, 0.0), (0.4, 0.15), (0.8, 0.8)])
def test_correlations_of_repeats_and_of_readers_are_told_apart(rho_repeats, rho_readers):
    found = fit_combination(*drawn(1, 1500, 4, 3, rho_repeats, rho_readers))
    assert found.rho_repeats == pytest.approx(rho_repeats, abs=0.05)
    # a reader's three repeats share what only that reader has, so readers agree less on single readings than on their sums
    between = 3 * rho_readers / (1 + 2 * rho_repeats)
    assert found.rho_readers == pytest.approx(between, abs=0.06)


def test_weaker_later_repeats_are_not_taken_for_disagreement():
    readings, errors = drawn(2, 1500, 1, 3, 0.4, 0.0)
    weaker = Readings(readings.llr * np.array([1.0, 0.6, 0.4])[readings.repeat], readings.unit, readings.reader, readings.repeat)
    positive = np.isin(readings.unit, errors)
    rho = evidence_correlation(weaker.llr, positive, weaker.unit, weaker.repeat)
    assert rho == pytest.approx(evidence_correlation(readings.llr, positive, readings.unit, readings.repeat), abs=1e-9)
    assert rho == pytest.approx(0.4, abs=0.05)


def test_readings_that_were_never_repeated_count_as_saying_the_same():
    llr = np.random.default_rng(0).standard_normal(40)
    assert evidence_correlation(llr, np.arange(40) % 4 == 0, np.arange(40), np.zeros(40, dtype=np.int64)) == 1.0


@pytest.mark.parametrize(("rho_repeats", "rho_readers"), [(0.0, 0.0), (0.3, 0.1), (0.6, 0.3), (0.9, 0.1)])
def test_combined_evidence_of_new_units_is_calibrated_and_better_than_one_reading(rho_repeats, rho_readers):
    combination = fit_combination(*drawn(3, 400, 3, 2, rho_repeats, rho_readers))
    readings, errors = drawn(4, 3000, 3, 2, rho_repeats, rho_readers)
    combined = combination.combine(readings)
    truth = np.isin(combined.unit, errors)
    assert meets_one(combined.llr, truth)
    first = (readings.reader == 0) & (readings.repeat == 0)
    assert area_under_curve(combined.llr, truth) > area_under_curve(readings.llr[first], truth)


def test_plain_sum_of_correlated_evidence_is_overconfident():
    readings, errors = drawn(5, 3000, 3, 2, 0.6, 0.3)
    combined = Combination(0.0, 0.0).combine(readings)
    assert not meets_one(combined.llr, np.isin(combined.unit, errors))


def test_shrinking_answers_are_recalibrated():
    def shrunk(seed: int, n: int) -> tuple[Readings, np.ndarray]:
        readings, errors = drawn(seed, n, 1, 3, 0.2, 0.0)
        rng = np.random.default_rng(seed + 100)
        factor = np.array([1.0, 0.6, 0.4])[readings.repeat]
        d, sign = 0.9, np.where(np.isin(readings.unit, errors), 1, -1)
        # only the answer shrinks, not the noise; the decoder still reads the score with the line of the first showing
        answer = np.where(sign > 0, factor, 0.0) * d
        return Readings(d * (rng.standard_normal(len(factor)) + answer - d / 2), readings.unit, readings.reader, readings.repeat), errors

    combination = fit_combination(*shrunk(6, 600))
    readings, errors = shrunk(7, 3000)
    combined = combination.combine(readings)
    assert meets_one(combined.llr, np.isin(combined.unit, errors))


def test_gate_judges_combined_evidence_of_left_out_blocks():
    readings, errors = drawn(8, 300, 2, 2, 0.4, 0.2)
    combined = held_out_combination(readings, errors, readings.unit // 60)
    truth, blocks = np.isin(combined.unit, errors), combined.unit // 60
    assert judge(combined.llr, truth, blocks).released
    shuffled = np.random.default_rng(0).permutation(300)[: len(errors)].astype(np.int64)
    by_chance = held_out_combination(readings, shuffled, readings.unit // 60)
    assert not judge(by_chance.llr, np.isin(by_chance.unit, shuffled), blocks).released


def test_too_few_repeated_units_and_units_of_two_blocks_are_refused():
    readings, errors = drawn(9, 20, 1, 2, 0.2, 0.0)
    with pytest.raises(FitError, match=r"were read at least twice; 10 of each"):
        fit_combination(readings, errors)
    with pytest.raises(FitError, match="in two blocks"):
        held_out_combination(readings, errors, readings.repeat)


@given(llr=EVIDENCE, prior=st.floats(0.01, 0.99))
def test_reward_is_zero_without_evidence_and_falls_with_it(llr, prior):
    assert reward_of(np.zeros(1), prior)[0] == pytest.approx(0.0)
    assert ((p_error_of(llr, prior) > prior) == (reward_of(llr, prior) < 0)).all()
    assert (np.diff(reward_of(np.sort(llr), prior)) <= 0).all()
