"""The gate: its lines, and the operating points that SCIENCE asks for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from decoders.calibration import calibrated_llr, fit_calibration, platt_line, run_segments
from decoders.gate import RELEASE_LINES, GateLimits, GateVerdict, Line, Verdict, judge
from decoders.permutation import permutation_p, rank_sums
from decoders.spec import FitError
from tests.reference import fitting as naive

N_BLOCKS = 5


def judged(rng: np.random.Generator, auc: float, n_positive: int, n_negative: int, n_permutations: int = 499) -> GateVerdict:
    """Gaussian scores of a known AUC, calibrated on the other blocks as at fitting."""
    n = n_positive + n_negative
    positive = np.zeros(n, dtype=bool)
    positive[rng.permutation(n)[:n_positive]] = True
    blocks = np.arange(n) * N_BLOCKS // n
    scores = rng.standard_normal(n) + np.sqrt(2) * norm.ppf(auc) * positive
    llr = np.empty(n)
    for block in range(N_BLOCKS):
        inside = blocks == block
        llr[inside] = calibrated_llr(scores[inside], scores[~inside], positive[~inside])
    return judge(llr, positive, blocks, limits=GateLimits(n_permutations=n_permutations))


@pytest.mark.parametrize(
    ("auc", "n_positive", "n_negative", "least"),
    [(0.73, 60, 240, 0.93), (0.70, 75, 225, 0.90), (0.65, 100, 300, 0.75), (0.60, 200, 600, 0.60)],
)
def test_operating_point_passes(auc, n_positive, n_negative, least):
    rng, repetitions = np.random.default_rng(7), 150
    rate = np.mean([judged(rng, auc, n_positive, n_negative).released for _ in range(repetitions)])
    assert rate >= least - np.sqrt(least * (1 - least) / repetitions)


@pytest.mark.parametrize(("n_positive", "n_negative"), [(60, 240), (200, 600)])
def test_chance_does_not_pass(n_positive, n_negative):
    rng = np.random.default_rng(8)
    assert np.mean([judged(rng, 0.5, n_positive, n_negative).released for _ in range(150)]) <= 0.02


def test_a_user_at_chance_fails_j_and_a_good_one_passes():
    rng = np.random.default_rng(9)
    for tpr, tnr, verdict in ((0.5, 0.52, Verdict.FAILED), (0.75, 0.86, Verdict.PASSED)):
        positive = np.arange(400) < 100
        llr = np.where(rng.random(400) < np.where(positive, tpr, 1 - tnr), 1.0, -1.0)
        line = next(line for line in judge(llr, positive, np.zeros(400, dtype=np.int64)).lines if line.name == Line.DETECTION_J)
        assert line.verdict == verdict
        assert line.value == pytest.approx((llr[positive] > 0).mean() - (llr[~positive] > 0).mean())


def test_what_is_not_computed_is_said_and_holds_where_it_is_needed():
    rng = np.random.default_rng(1)
    positive = np.arange(300) < 100
    llr = rng.standard_normal(300) * 1.4 + 2 * (positive - 0.5)
    blocks = np.zeros(300, dtype=np.int64)
    verdict = judge(llr, positive, blocks)
    assert verdict.released
    assert {line.name for line in verdict.lines if line.verdict == Verdict.NOT_ASSESSABLE} == {"ocular", "lexical", "state", "pattern", "controls", "rejected"}
    assert not judge(llr, positive, blocks, needed=(*RELEASE_LINES, Line.OCULAR)).released


def test_overconfident_llr_fails_the_slope():
    rng = np.random.default_rng(2)
    positive = np.arange(600) < 200
    llr = 5 * (rng.standard_normal(600) + 2 * (positive - 0.5))
    line = next(line for line in judge(llr, positive, np.zeros(600, dtype=np.int64)).lines if line.name == Line.CALIBRATION_SLOPE)
    assert line.verdict == Verdict.FAILED


def test_unknown_line_is_refused():
    with pytest.raises(FitError, match="no line 'nonsense'"):
        judge(np.zeros(4), np.array([True, False, True, False]), np.zeros(4, dtype=np.int64), needed=("nonsense",))


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), shift=st.floats(-0.5, 1.0))
def test_permutation_agrees_with_shuffling(seed, shift):
    rng = np.random.default_rng(seed)
    positive, blocks = np.arange(40) % 4 == 0, np.arange(40) // 10
    scores = np.round(rng.standard_normal(40) + shift * positive, 1)
    assert permutation_p(scores, positive, blocks, 4000, seed) == pytest.approx(naive.permutation_p(scores, positive, blocks, 400, seed), abs=0.1)


def test_permutation_within_blocks_does_not_take_drift_for_evidence():
    # block 1 has all high scores and most positives; within blocks there is nothing
    blocks = np.repeat([0, 1], 50)
    positive = np.concatenate([np.arange(50) < 5, np.arange(50) < 45])
    scores = blocks * 10 + np.tile(np.random.default_rng(0).standard_normal(50), 2)
    assert permutation_p(scores, positive, np.zeros(100, dtype=np.int64)) < 0.01
    assert permutation_p(scores, positive, blocks) > 0.05


def test_rank_sums_compiled_and_interpreted_agree_and_draw_without_replacement():
    pool, bounds, drawn = np.arange(1.0, 13.0), np.array([0, 4, 12]), np.array([4, 2])
    uniforms = np.random.default_rng(1).random((50, 6))
    sums = rank_sums(pool.copy(), bounds, drawn, uniforms)
    np.testing.assert_array_equal(sums, rank_sums.py_func(pool.copy(), bounds, drawn, uniforms))
    assert ((sums >= 10 + 5 + 6) & (sums <= 10 + 11 + 12)).all()


def test_calibration_is_seeded_and_its_spread_shrinks_with_trials():
    def spread(n: int) -> float:
        rng = np.random.default_rng(3)
        positive = np.arange(n) % 4 == 0
        scores = rng.standard_normal(n) + positive
        blocks = np.arange(n) * N_BLOCKS // n
        calibration = fit_calibration(scores, positive, blocks, scores, seed=1)
        np.testing.assert_array_equal(calibration.bootstrap, fit_calibration(scores, positive, blocks, scores, seed=1).bootstrap)
        assert calibration.bootstrap.shape == (200, 3)
        assert (calibration.prior_removed, calibration.e0, calibration.e1) == (positive.mean(), (scores[~positive] > 0).mean(), (scores[positive] <= 0).mean())
        return float(calibration.bootstrap[:, 0].std())

    assert spread(4000) < 0.6 * spread(400)


def test_scores_that_fall_with_the_truth_are_no_evidence_rather_than_turned_round():
    positive = np.arange(40) % 4 == 0
    assert platt_line(-1.0 * positive, positive) == (0.0, pytest.approx(np.log(0.25 / 0.75)))
    np.testing.assert_allclose(calibrated_llr(np.arange(5.0), -1.0 * positive, positive), 0, atol=1e-12)


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_segments_are_runs_inside_blocks(sizes):
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    segments = run_segments(blocks)
    assert (np.diff(segments) >= 0).all()
    assert set(segments) == set(range(segments.max() + 1))
    assert all(len(set(blocks[segments == s])) == 1 for s in set(segments))
