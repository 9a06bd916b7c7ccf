"""Classifiers of epochs: scikit-learn's rules, pyriemann's numbers, and the same llr live as offline."""

import contextlib
import subprocess
import sys
import unittest
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyriemann.classification import MDM
from pyriemann.estimation import ERPCovariances, XdawnCovariances
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from decoders.estimators.base import EstimatorError
from decoders.estimators.eegnet import EEGNet
from decoders.estimators.ensemble import Ensemble, stacking_weights
from decoders.estimators.mdm import ErpCovarianceMdm
from decoders.estimators.toeplitz import BlockToeplitzLDA, block_toeplitz
from decoders.estimators.xdawn import XdawnTangentSpace
from decoders.fit import FitSettings, fit_decoder
from decoders.online import OnlineDecoder
from decoders.pipelines import PIPELINES
from decoders.registry import Registry
from decoders.scorers import SCORERS, scorer_class
from decoders.spec import FitError, MismatchError
from decoders.trials import FilteredSessions
from tests.reference.decoder_logs import header, loader, log, unit, use
from tests.reference.training_sessions import drawn_session

N_CHANNELS = 4
HEAVY = ("xdawn", "mdm", "toeplitz", "ensemble", "eegnet")


def every_estimator():
    """One of each, small enough for a test."""
    quick = EEGNet(N_CHANNELS, n_filters=2, max_epochs=3)
    return [XdawnTangentSpace(N_CHANNELS), ErpCovarianceMdm(N_CHANNELS), BlockToeplitzLDA(N_CHANNELS), Ensemble(N_CHANNELS), quick]


def drawn_epochs(seed=0, n_trials=120, n_windows=50, n_channels=N_CHANNELS):
    """Rows of trials with a response in the rarer class."""
    random = np.random.default_rng(seed)
    epochs = random.normal(scale=5.0, size=(n_trials, n_windows, n_channels)).cumsum(axis=1) / 3
    positive = np.arange(n_trials) % 4 == 0
    epochs[positive] += 4 * np.hanning(n_windows)[:, np.newaxis] * random.uniform(0.3, 1, n_channels)
    return epochs.reshape(n_trials, -1), positive


def cube(rows, n_channels=N_CHANNELS):
    return rows.reshape(len(rows), -1, n_channels).transpose(0, 2, 1)


_POINTS = "asks for a high accuracy on points in the plane; three numbers of one channel have no covariance over time that could tell classes apart"
_INTEGERS = "two features, some constant: no covariance over time is positive definite, and the sentence says so"
CANNOT_PASS = {
    "ErpCovarianceMdm": {"check_classifiers_train": _POINTS, "check_classifier_data_not_an_array": _INTEGERS},
    "XdawnTangentSpace": {"check_classifier_data_not_an_array": _INTEGERS},
    "Ensemble": {"check_classifier_data_not_an_array": _INTEGERS},
    "EEGNet": {"check_classifiers_train": "asks for a high accuracy, which two passes over the trials do not reach; the check would take minutes with more"},
}


CHECKED = [XdawnTangentSpace(), ErpCovarianceMdm(), BlockToeplitzLDA(), Ensemble(), EEGNet(n_filters=1, max_epochs=2)]


@parametrize_with_checks(CHECKED, expected_failed_checks=lambda e: CANNOT_PASS.get(type(e).__name__, {}))
def test_estimators_keep_scikit_learns_contract(estimator, check):
    # two checks are about pandas input and the array API and step aside where neither is switched on
    with contextlib.suppress(unittest.SkipTest):
        check(estimator)


def test_xdawn_in_the_tangent_space_gives_pyriemanns_scores():
    train, positive = drawn_epochs(0)
    test, _ = drawn_epochs(1)
    peer = make_pipeline(XdawnCovariances(4, estimator="oas"), TangentSpace(), LogisticRegression(max_iter=1000))
    peer.fit(cube(train), positive.astype(int))
    ours = XdawnTangentSpace(N_CHANNELS).fit(train, positive)
    np.testing.assert_allclose(ours.decision_function(test), peer.decision_function(cube(test)), rtol=1e-9, atol=1e-9)


def test_minimum_distance_gives_pyriemanns_distances():
    train, positive = drawn_epochs(0)
    test, _ = drawn_epochs(1)
    peer = make_pipeline(ERPCovariances(classes=[1], estimator="oas"), MDM()).fit(cube(train), positive.astype(int))
    distances = peer.transform(cube(test))
    np.testing.assert_allclose(
        ErpCovarianceMdm(N_CHANNELS).fit(train, positive).decision_function(test), distances[:, 0] ** 2 - distances[:, 1] ** 2, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("estimator", every_estimator(), ids=lambda e: type(e).__name__)
def test_one_window_gives_the_bits_of_the_batch_and_so_does_the_scorer_from_its_numbers(estimator):
    train, positive = drawn_epochs()
    batch = estimator.fit(train, positive).decision_function(train)
    scorer = estimator.scorer()
    again = scorer_class(scorer.kind).from_parameters(scorer.parameters(), train.shape[1] // N_CHANNELS, N_CHANNELS)
    for order in (range(len(train)), reversed(range(len(train)))):
        assert all(batch[i] == scorer.score(train[i]) == again.score(train[i]) for i in order)


@pytest.mark.parametrize("estimator", every_estimator(), ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("fault", ["lacks", "shape", "finite", "size"])
def test_numbers_that_are_no_such_decoders_are_refused(estimator, fault):
    train, positive = drawn_epochs()
    scorer = estimator.fit(train, positive).scorer()
    numbers, n_windows = scorer.parameters(), train.shape[1] // N_CHANNELS
    name = next(iter(numbers))
    if fault == "lacks":
        numbers.pop(name)
    elif fault == "shape":
        numbers[name] = numbers[name][:-1]
    elif fault == "finite":
        numbers[name] = np.full_like(numbers[name], np.nan)
    else:
        n_windows += 1
    with pytest.raises(MismatchError, match=r"fit (the decoder|it) again"):
        scorer_class(scorer.kind).from_parameters(numbers, n_windows, N_CHANNELS)


@pytest.mark.parametrize("estimator", every_estimator(), ids=lambda e: type(e).__name__)
def test_flat_and_single_class_trials_are_named(estimator):
    train, positive = drawn_epochs()
    flat = np.zeros_like(train)
    with pytest.raises(FitError, match="flat"):
        estimator.fit(flat, positive)
    with pytest.raises(EstimatorError, match="of one class"):
        estimator.fit(train, np.zeros(len(train), dtype=bool))
    with pytest.raises(EstimatorError, match="too few"):
        estimator.fit(train[:2], positive[:2])


@pytest.fixture(scope="module")
def small_network():
    """EEGNet that trains in a moment: cross-validation fits it three dozen times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PIPELINES, "eegnet", replace(PIPELINES["eegnet"], classifier=lambda n: EEGNet(n, n_filters=2, max_epochs=12, learning_rate=0.01)))
        yield


@pytest.fixture(scope="module", params=HEAVY)
def heavy(request, small_network):
    """A decoder of the pipeline, and the session it was fitted on."""
    session = drawn_session(n_trials=150)
    return fit_decoder([session], FitSettings(name=request.param, pipeline=request.param, task="token_rsvp")), session


def online(decoder, session, cuts):
    """Rewards of a log of the session."""
    placed = [
        (0, use(decoder.statement.name, decoder.statement.version)),
        *((int(onset) + 1, unit(int(onset), i)) for i, onset in enumerate(session.onset_samples)),
    ]
    decoding = OnlineDecoder(loader(decoder))
    return [reward for record in log(header(names=session.channel_names), session.samples, placed, cuts) for reward in decoding.receive(record)]


def test_a_decoder_of_every_pipeline_finds_a_clear_effect_and_comes_back_from_the_registry(heavy, tmp_path):
    decoder, _ = heavy
    assert decoder.statement.auc > 0.8
    loaded = Registry(tmp_path).load(decoder.statement.name, Registry(tmp_path).save(decoder))
    row = np.random.default_rng(0).normal(size=len(decoder.spec.preprocessing.channel_names) * (len(decoder.spec.window.edges_ms) - 1))
    assert loaded.scorer.score(row) == decoder.scorer.score(row)
    assert loaded.statement.sha256 == decoder.statement.sha256


def test_live_llr_is_offlines(heavy):
    decoder, session = heavy
    trials = FilteredSessions([session]).trials(decoder.spec)
    calibration = decoder.calibration
    expected = [
        calibration.slope * decoder.scorer.score(row) + calibration.intercept - np.log(calibration.prior_removed / (1 - calibration.prior_removed))
        for row in trials.features[trials.kept]
    ]
    rewards = online(decoder, session, range(0, len(session.samples), 50))
    np.testing.assert_allclose([r.llr for r in rewards if r.llr is not None], expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=8)
@given(data=st.data())
def test_llr_is_bit_identical_however_the_log_is_cut(heavy, data):
    decoder, session = heavy
    short = replace(session, samples=session.samples[:6000], onset_samples=session.onset_samples[:30])
    cuts = data.draw(st.lists(st.integers(1, 5999), max_size=40))
    whole = [reward.llr for reward in online(decoder, short, ())]
    assert [reward.llr for reward in online(decoder, short, sorted(cuts))] == whole
    assert sum(llr is not None for llr in whole) > 20


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_no_effect_is_held_by_every_pipeline(pipeline, small_network):
    decoder = fit_decoder([drawn_session(3, effect_uv=0.0)], FitSettings(name="null", pipeline=pipeline, task="token_rsvp"))
    assert not decoder.released
    low, high = decoder.statement.auc_ci95
    assert low <= 0.5 <= high


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_pipeline_says_what_is_wrong_with_its_recordings(pipeline, small_network):
    asked = FitSettings(name="bad", pipeline=pipeline, task="token_rsvp")
    session = drawn_session()
    with pytest.raises(FitError, match="of one class"):
        fit_decoder([replace(session, positive=np.zeros_like(session.positive))], asked)
    with pytest.raises(FitError, match="trials"):
        fit_decoder([drawn_session(n_trials=3, positive_fraction=0.4)], asked)
    flat = session.samples.copy()
    flat[:] = 0
    with pytest.raises(FitError):
        fit_decoder([replace(session, samples=flat)], asked)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_a_block_toeplitz_covariance_has_one_block_per_lag_and_stays_positive_definite(n_windows, n_channels, seed):
    random = np.random.default_rng(seed)
    n = n_windows * n_channels
    root = random.normal(size=(n, n + 3))
    covariance = root @ root.T
    blocks = block_toeplitz(covariance, n_channels).reshape(n_windows, n_channels, n_windows, n_channels).transpose(0, 2, 1, 3)
    of_ours = covariance.reshape(n_windows, n_channels, n_windows, n_channels).transpose(0, 2, 1, 3)
    for i in range(n_windows):
        for j in range(n_windows):
            lag = j - i
            alike = [of_ours[k, k + lag] for k in range(n_windows) if 0 <= k + lag < n_windows]
            np.testing.assert_allclose(blocks[i, j], np.mean(alike, axis=0) * (1 - abs(lag) / n_windows), rtol=1e-12, atol=1e-12)
    assert np.linalg.eigvalsh(block_toeplitz(covariance, n_channels)).min() > 0


def test_a_network_gives_torchs_scores_without_torch():
    import torch

    train, positive = drawn_epochs(0)
    test, _ = drawn_epochs(1)
    estimator = EEGNet(N_CHANNELS, n_filters=4, max_epochs=4).fit(train, positive)
    shaped = np.ascontiguousarray((test.reshape(len(test), -1, N_CHANNELS) / estimator.scale_).transpose(0, 2, 1)[:, np.newaxis], dtype=np.float32)
    with torch.no_grad():
        theirs = estimator.network_(torch.from_numpy(shaped)).numpy() + np.log(positive.mean() / (1 - positive.mean()))
    np.testing.assert_allclose(estimator.decision_function(test), theirs, rtol=0, atol=1e-5)


def test_a_network_is_the_same_each_time_and_leaves_torchs_random_numbers_alone():
    import torch

    train, positive = drawn_epochs()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = EEGNet(N_CHANNELS, n_filters=2, max_epochs=3).fit(train, positive).decision_function(train)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    again = EEGNet(N_CHANNELS, n_filters=2, max_epochs=3).fit(train, positive).decision_function(train)
    assert (first == again).all()


def test_a_worker_runs_every_decoder_without_the_libraries_that_fitted_it():
    modules = sorted({place.split(":")[0] for place in SCORERS.values()})
    heavy = ("torch", "sklearn", "pyriemann", "mne")
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stacking_takes_the_good_member_and_never_bets_against_one():
    random = np.random.default_rng(0)
    positive = random.random(2000) < 0.3
    good, noise = positive + random.normal(0, 1, 2000), random.normal(0, 1, 2000)
    weights, _ = stacking_weights(np.column_stack([good, noise, -good]), positive)
    assert weights.min() >= 0
    assert weights[0] > 5 * weights[1:].max()
    few, _ = stacking_weights(np.column_stack([good, noise])[:8], positive[:8])
    assert few[1] > 0 or few[0] == few[1]
