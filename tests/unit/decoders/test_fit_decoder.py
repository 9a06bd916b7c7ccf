"""Fitting from recordings: what comes out, what is left out, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.crossvalidation import simplest_best
from decoders.fit import FitSettings, fit_decoder
from decoders.gate import Line
from decoders.offline import filter_recording
from decoders.pipelines import PIPELINES, candidate_specs, chosen_channels
from decoders.sessions import contiguous_blocks, training_session
from decoders.spec import FitError
from decoders.trials import FilteredSessions
from decoders.windows import features_at, window_layout
from messaging.words import Signal
from tests.reference.training_sessions import NAMES, drawn_session

SETTINGS = FitSettings(name="drawn", task="token_rsvp", soa_ms=600.0)


@pytest.fixture(scope="module")
def fitted():
    return fit_decoder([drawn_session()], SETTINGS)


def test_a_clear_effect_is_released_and_stated(fitted):
    assert fitted.released
    assert fitted.statement.auc > 0.9
    assert fitted.statement.auc_ci95[0] <= fitted.statement.auc <= fitted.statement.auc_ci95[1]
    assert fitted.statement.trained_on == ("0" * 64, "drawn-0")
    assert (fitted.spec.task, fitted.spec.soa_ms, fitted.statement.version) == ("token_rsvp", 600.0, 0)
    assert len(fitted.scorer.weights) == len(fitted.spec.preprocessing.channel_names) * (len(fitted.spec.window.edges_ms) - 1)
    assert fitted.calibration.prior_removed == pytest.approx(0.3)


def test_report_is_json_and_adds_up(fitted):
    report = json.loads(json.dumps(fitted.report, allow_nan=False))
    counts = report["counts"]
    assert counts["used"] + sum(counts["rejected"].values()) == counts["onsets"] == 200
    assert sum(b["n"] for b in report["held_out"]["reliability"]) == report["held_out"]["n_pos"] + report["held_out"]["n_neg"]
    assert [row["n_pos"] + row["n_neg"] for row in report["auc_per_block"]] == [40] * 5
    assert sum(s["chosen"] for s in report["settings"]) == 1
    assert {line["name"] for line in report["gate"]} == set(Line)


def test_no_effect_is_held_and_its_auc_is_a_half():
    # 4 of 600 such fits are released; more than 1 of 20 would mean that something of the test leaks into the fit
    decoders = [fit_decoder([drawn_session(seed, effect_uv=0.0, n_trials=150)], SETTINGS) for seed in range(20)]
    assert sum(decoder.released for decoder in decoders) <= 1
    assert np.mean([decoder.statement.auc for decoder in decoders]) == pytest.approx(0.5, abs=0.035)


def test_fitting_again_gives_the_same_content(fitted):
    again = fit_decoder([drawn_session()], SETTINGS)
    assert again.statement.sha256 == fitted.statement.sha256
    np.testing.assert_array_equal(again.scorer.weights, fitted.scorer.weights)
    assert fit_decoder([drawn_session(1)], SETTINGS).statement.sha256 != fitted.statement.sha256


def test_held_out_llr_of_a_block_does_not_depend_on_its_labels():
    # flipping every label of the last block changes nothing that its own llr were made from
    session = drawn_session(2)
    last = session.blocks == 4
    flipped = replace(session, positive=np.where(last, ~session.positive, session.positive))
    one, two = (fit_decoder([s], SETTINGS).report["auc_per_block"][4] for s in (session, flipped))
    assert one["auc"] == pytest.approx(1 - two["auc"], abs=1e-12)


def test_progress_rises_to_one():
    seen = []
    fit_decoder([drawn_session()], SETTINGS, lambda what, fraction: seen.append((what, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(what for what, _ in seen)


def test_verdicts_that_are_thresholded_need_j():
    weak = drawn_session(5, effect_uv=2.2, n_trials=400)
    plain = fit_decoder([weak], SETTINGS)
    verdict = fit_decoder([weak], replace(SETTINGS, task="phrase_verdict"))
    j = next(line for line in verdict.gate if line.name == Line.DETECTION_J)
    assert plain.released
    assert verdict.released == (j.verdict == "passed")


def test_several_recordings_keep_their_own_blocks():
    decoder = fit_decoder([drawn_session(1), drawn_session(2)], SETTINGS)
    assert decoder.report["counts"]["blocks"] == 10
    assert decoder.statement.trained_on == (f"{1:064x}", f"{2:064x}", "drawn-1", "drawn-2")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: replace(s, positive=np.zeros(200, dtype=bool)), "All 200 trials for fitting are of one class"),
        (lambda s: replace(s, positive=np.arange(200) < 7), "7 positive and 193 negative usable trials for fitting; at least 20 of each"),
        (lambda s: replace(s, samples=s.samples[:, [0, 1, 2, 2, 2, 5, 6, 7]]), "Cz = C4 = Pz are identical"),
        (lambda s: replace(s, samples=s.samples * np.float32(1e6)), "No scalp does that: check the unit"),
        (lambda s: replace(s, samples=s.samples * np.float32(20)), "windows were rejected .*amplitude"),
        (lambda s: replace(s, samples=s.samples * np.float32(0)), "windows were rejected .*flat"),
        (lambda s: replace(s, blocks=np.zeros(200, dtype=np.int64)), "1 blocks; at least 3"),
        (lambda s: replace(s, sampling_rate_hz=15.0), "too low for pipeline 'lda'"),
    ],
)
def test_unfit_recordings_are_refused_with_the_cause(change, sentence):
    with pytest.raises(FitError, match=sentence):
        fit_decoder([change(drawn_session())], SETTINGS)


def test_recordings_that_do_not_fit_together_are_refused():
    with pytest.raises(FitError, match="different rates"):
        fit_decoder([drawn_session(), replace(drawn_session(), sampling_rate_hz=500.0)], SETTINGS)
    with pytest.raises(FitError, match="no channel name in common"):
        fit_decoder([drawn_session(), replace(drawn_session(), channel_names=tuple("abcdefgh"))], SETTINGS)
    with pytest.raises(FitError, match="No recording"):
        fit_decoder([], SETTINGS)


def test_a_pipeline_that_does_not_exist_is_named():
    with pytest.raises(FitError, match="no pipeline 'magic'"):
        fit_decoder([drawn_session()], replace(SETTINGS, pipeline="magic"))


@pytest.mark.parametrize(
    ("onsets", "positive", "blocks", "sentence"),
    [
        ([10, 2000], [True, False], 1, "1 of 2 events lie outside the recording, the first at sample 2000"),
        ([10, 10], [True, False], 1, "share sample 10"),
        ([10, 20], [True], 1, "2 onsets but 1 classes"),
        ([], [], 1, "no event of either class"),
        ([10, 20], [True, False], np.array([1, 0]), "go back in time"),
    ],
)
def test_events_that_cannot_be_are_refused(onsets, positive, blocks, sentence):
    with pytest.raises(FitError, match=sentence):
        training_session(np.zeros((1000, 2), np.float32), 250.0, ("a", "b"), np.array(onsets), np.array(positive), sha256="", recording_id="r", blocks=blocks)


def test_windows_in_a_gap_are_left_out():
    session = drawn_session()
    # 2 s lost in the middle: later samples and onsets move, the windows that touch the gap or the settling second are rejected
    lost, cut = 500, 15_000
    moved = session.onset_samples + np.where(session.onset_samples >= cut, lost, 0)
    gapped = replace(session, onset_samples=moved, segments=((0, 0, cut), (cut + lost, cut, len(session.samples) - cut)))
    counts = fit_decoder([gapped], SETTINGS).report["counts"]["rejected"]
    assert counts["gap"] >= 1
    assert counts["settling"] >= 1
    assert sum(counts.values()) < 8


def test_features_are_those_of_the_one_window_kernel_that_runs_live():
    session = drawn_session()
    spec = candidate_specs(PIPELINES["lda"], Signal.ERROR, "t", None, 250.0, NAMES)[0]
    filtered = filter_recording(spec.preprocessing, session.samples, 250.0, NAMES)
    trials = FilteredSessions([session]).trials(spec)
    np.testing.assert_array_equal(trials.features[trials.kept], features_at(filtered, session.onset_samples[trials.kept], window_layout(spec.window, 250.0)))


@given(soa=st.integers(20, 400), block=st.integers(0, 4))
def test_no_training_window_shares_a_sample_with_a_tested_block(soa, block):
    session = drawn_session(n_trials=40, soa=soa)
    spec = candidate_specs(PIPELINES["lda"], Signal.ERROR, "t", None, 250.0, NAMES)[1]
    trials = FilteredSessions([session]).trials(spec)
    tested = trials.block == block
    train = ~trials.overlapping(tested)
    used = np.zeros(len(session.samples) + 1000, dtype=bool)
    for start, stop in zip(trials.start[tested], trials.stop[tested], strict=True):
        used[start:stop] = True
    assert not any(used[start:stop].any() for start, stop in zip(trials.start[train], trials.stop[train], strict=True))


@given(n=st.integers(1, 500), k=st.integers(1, 12))
def test_blocks_are_contiguous_and_of_equal_count(n, k):
    blocks = contiguous_blocks(n, k)
    assert (np.diff(blocks) >= 0).all()
    sizes = np.bincount(blocks, minlength=min(n, k))
    assert sizes.max() - sizes[sizes > 0].min() <= 1


def test_the_simplest_settings_win_unless_beaten_clearly():
    assert simplest_best([0.80, 0.805]) == 0
    assert simplest_best([0.80, 0.83]) == 1
    assert simplest_best([0.80, 0.83, 0.835]) == 1


def test_midline_channels_are_taken_where_there_are_many():
    many = ("EOG", "Fp1", "Fz", "FCz", "Cz", "CPz", "Pz", "POz", "Oz", "C3", "C4", "T7", "T8")
    assert chosen_channels(many) == ("Fz", "FCz", "Cz", "CPz", "Pz", "POz", "C3", "C4")
    assert chosen_channels(("TP9", "AF7", "AF8", "TP10")) == ("TP9", "AF7", "AF8", "TP10")
    assert len(chosen_channels(tuple(f"E{i}" for i in range(64)))) == 8
