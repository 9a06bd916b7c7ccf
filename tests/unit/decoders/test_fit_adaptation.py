"""Adaptation to a new recording: nothing from later, nothing from labels, nothing out of noise, and a gain where there is one."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from decoders.adaptation import ASSUMED_SEPARATION, N_ITERATIONS, N_PARTS, PRIOR_WINDOWS, UPDATE_EVERY, AdaptiveLDA
from decoders.evaluate import EvaluationSettings, evaluate_transfer
from decoders.evaluation_figures import evaluation_json
from decoders.lda import LdaError, ShrinkageLDA, shrunk_covariance
from decoders.metrics import area_under_curve, auc_interval
from decoders.pipelines import Transfer
from messaging.words import Signal
from tests.reference.training_sessions import drawn_session, real_session

N_FEATURES = 12


def drawn_windows(seed: int, difference: np.ndarray, n: int = 900, rate: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < rate
    return rng.standard_normal((n, N_FEATURES)) + np.outer(positive, difference), positive


def one_hot(feature: int, height: float = 2.5) -> np.ndarray:
    return height * np.eye(N_FEATURES)[feature]


@pytest.fixture
def fitted() -> AdaptiveLDA:
    return AdaptiveLDA().fit(*drawn_windows(0, one_hot(0)))


def test_a_score_does_not_depend_on_later_windows(fitted):
    windows, _ = drawn_windows(1, one_hot(1), n=200)
    other = windows.copy()
    other[101:] *= -4
    one, two = fitted.decision_function(windows), fitted.decision_function(other)
    np.testing.assert_array_equal(one[:101], two[:101])
    assert not np.allclose(one[120:] / two[120:], -0.25)  # what came later did change the weights


def test_before_the_first_adaptation_it_is_the_plain_discriminant(fitted):
    windows, _ = drawn_windows(1, one_hot(0), n=UPDATE_EVERY)
    plain = ShrinkageLDA().fit(*drawn_windows(0, one_hot(0)))
    assert np.corrcoef(fitted.decision_function(windows), plain.decision_function(windows))[0, 1] == pytest.approx(1, abs=1e-9)


def test_first_adaptation_follows_the_equations(fitted):
    windows, _ = drawn_windows(2, one_hot(0) + one_hot(1), n=UPDATE_EVERY + 5)
    past, rate = windows[:UPDATE_EVERY], fitted.base_rate_
    mean, variance, n0 = past.mean(axis=0), rate * (1 - rate), PRIOR_WINDOWS
    covariance = (n0 * fitted.covariance_ + len(past) * shrunk_covariance(past - mean)[0]) / (n0 + len(past))
    part = [k * N_PARTS // len(past) for k in range(len(past))]
    differences = dict.fromkeys([*range(N_PARTS), "all"], fitted.difference_)
    for _ in range(N_ITERATIONS):
        scores = []
        for x, own in zip(past, part, strict=True):
            w = np.linalg.solve(covariance, differences[own])
            scores.append((x - mean) @ w / np.sqrt(w @ differences[own]))
        spread = np.std(scores) / np.sqrt(1 + variance * ASSUMED_SEPARATION**2)
        p = [expit(ASSUMED_SEPARATION * g / spread - (0.5 - rate) * ASSUMED_SEPARATION**2 + np.log(rate / (1 - rate))) for g in scores]
        for left_out in differences:
            used = [i for i in range(len(past)) if part[i] != left_out]
            total = n0 * variance * fitted.difference_ + sum((p[i] - rate) * (past[i] - mean) for i in used)
            differences = differences | {left_out: total / (variance * (n0 + len(used)))}
    w = np.linalg.solve(covariance, differences["all"])
    expected = (windows[UPDATE_EVERY:] - mean) @ w / np.sqrt(w @ differences["all"])
    np.testing.assert_allclose(fitted.decision_function(windows)[UPDATE_EVERY:], expected, rtol=1e-9)


def test_it_learns_a_new_subjects_response_from_a_partly_known_one(fitted):
    windows, positive = drawn_windows(3, one_hot(0, 1.5) + one_hot(1))
    plain = ShrinkageLDA().fit(*drawn_windows(0, one_hot(0))).decision_function(windows)
    late = slice(450, None)
    gain = area_under_curve(fitted.decision_function(windows)[late], positive[late]) - area_under_curve(plain[late], positive[late])
    assert gain > 0.05


@pytest.mark.parametrize("seed", range(4, 8))
def test_noise_stays_noise(fitted, seed):
    windows, _ = drawn_windows(seed, one_hot(0, 0.0))
    labels = np.random.default_rng(seed + 100).random(len(windows)) < 0.2
    scores = fitted.decision_function(windows)
    low, high = auc_interval(scores, labels)
    assert abs(area_under_curve(scores, labels) - 0.5) < (high - low) * 0.75  # 3 standard errors
    assert scores.std() < 2  # no direction is blown up


def test_permuted_labels_are_not_decoded(fitted):
    windows, positive = drawn_windows(8, one_hot(0))
    scores = fitted.decision_function(windows)
    rng = np.random.default_rng(0)
    null = [area_under_curve(scores, rng.permutation(positive)) for _ in range(200)]
    assert abs(np.mean(null) - 0.5) < 0.01
    assert area_under_curve(scores, positive) > max(null)


def test_scores_have_the_same_scale_in_recordings_of_any_size(fitted):
    windows, _ = drawn_windows(9, one_hot(0))
    assert 0.6 < fitted.decision_function(windows)[300:].std() < 1.5
    louder = AdaptiveLDA().fit(*[10 * drawn_windows(0, one_hot(0))[0], drawn_windows(0, one_hot(0))[1]])
    np.testing.assert_allclose(louder.decision_function(10 * windows), fitted.decision_function(windows), rtol=1e-6, atol=1e-6)


def test_one_class_is_refused():
    with pytest.raises(LdaError, match="of one class"):
        AdaptiveLDA().fit(np.ones((10, 3)), np.ones(10, dtype=bool))


def test_transfer_adapts_without_test_labels_and_without_looking_ahead():
    train, test = [drawn_session(1), drawn_session(2)], drawn_session(3)
    whole = evaluate_transfer(test, train).pipelines["lda"]
    assert whole.transfer is Transfer.ADAPTIVE
    for labels in (~test.positive, np.random.default_rng(0).permutation(test.positive)):
        other = evaluate_transfer(replace(test, positive=labels), train).pipelines["lda"]
        np.testing.assert_array_equal(whole.llr, other.llr)
        assert (other.cv_auc, other.transfer, other.prior) == (whole.cv_auc, whole.transfer, whole.prior)
    onset, later = int(test.onset_samples[100]), test.samples.copy()
    later[onset + 400 :] *= -3
    np.testing.assert_array_equal(evaluate_transfer(replace(test, samples=later), train).pipelines["lda"].llr[:100], whole.llr[:100])


def test_transfer_finds_nothing_in_a_recording_without_a_response():
    test = drawn_session(6, effect_uv=0.0)
    low, high = evaluation_json([evaluate_transfer(test, [drawn_session(1), drawn_session(2)])])["pipelines"]["lda"]["auc_ci95"]
    assert low < 0.5 < high


def test_a_single_training_recording_does_not_choose_adaptation():
    result = evaluate_transfer(drawn_session(3), [drawn_session(1)]).pipelines["lda"]
    assert result.transfer is not Transfer.ADAPTIVE


def test_naming_pipelines_loads_no_riemannian_geometry():
    code = "import sys, decoders.pipelines; print([name for name in ('pyriemann', 'torch') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.recordings
def test_unseen_subjects_of_the_speller_are_decoded(recordings_dir):
    sessions = [real_session(recordings_dir / "gtec_p300_speller" / f"sub-0{k}_task-p300_raw.fif", "target", "nontarget") for k in (1, 2, 3)]
    settings = EvaluationSettings(signal=Signal.RELEVANCE)
    for k, least in enumerate((0.84, 0.86, 0.70)):
        result = evaluate_transfer(sessions[k], [s for s in sessions if s is not sessions[k]], settings)
        figures = evaluation_json([result])["pipelines"]["lda"]
        assert figures["transfer"] == "adaptive"
        assert figures["auc"] >= least
        assert figures["ece"] < 0.1
