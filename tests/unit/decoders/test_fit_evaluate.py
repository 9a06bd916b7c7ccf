"""Evaluation: in time order, from other recordings without looking ahead, and the figures on real recordings."""

import json
from dataclasses import replace

import numpy as np
import pytest

from decoders.alignment import whitenings_at
from decoders.evaluate import EvaluationSettings, evaluate_transfer, evaluate_within
from decoders.evaluation_figures import evaluation_json
from decoders.offline import filter_recording
from decoders.spec import FitError, Preprocessing
from messaging.words import Signal
from tests.reference.training_sessions import NAMES, drawn_session, real_session

FIELDS = {"auc", "auc_ci95", "balanced_accuracy", "information_gain_bits", "ece", "ece_null95", "n_pos", "n_neg", "fit_s", "decode_ms_p50"}


def test_answer_has_the_fields_of_the_contract():
    results = [evaluate_within(drawn_session(seed), EvaluationSettings(pipelines=("lda", "xdawn"))) for seed in (1, 2)]
    answer = json.loads(json.dumps(evaluation_json(results), allow_nan=False))
    assert set(answer) == {"chosen", "pipelines", "per_recording"}
    assert answer["chosen"] in {"lda", "xdawn"} == set(answer["pipelines"])
    for figures in (*answer["pipelines"].values(), *answer["per_recording"][0]["pipelines"].values()):
        assert set(figures) >= FIELDS
        assert figures["auc_ci95"][0] <= figures["auc"] <= figures["auc_ci95"][1]
    assert answer["pipelines"]["lda"]["n_pos"] == sum(row["pipelines"]["lda"]["n_pos"] for row in answer["per_recording"])
    assert answer["pipelines"]["lda"]["auc"] > 0.85


def test_a_fraction_tests_the_later_onsets_only():
    session = drawn_session(1)
    result = evaluate_within(session).pipelines["lda"]
    np.testing.assert_array_equal(result.positive, session.positive[120:])


def test_blocks_test_every_onset_once():
    session = drawn_session(1)
    result = evaluate_within(session, EvaluationSettings(split="blocks:5")).pipelines["lda"]
    np.testing.assert_array_equal(result.positive, session.positive)


@pytest.mark.parametrize("split", ["0.6", "blocks:5"])
def test_labels_of_the_test_part_change_neither_choice_nor_llr(split):
    session = drawn_session(1, effect_uv=3.0)
    later = np.arange(200) >= (120 if split == "0.6" else 160)
    flipped = replace(session, positive=np.where(later, ~session.positive, session.positive))
    one, two = (evaluate_within(s, EvaluationSettings(split=split)).pipelines["lda"] for s in (session, flipped))
    tail = slice(-40, None)
    np.testing.assert_array_equal(one.llr[tail], two.llr[tail])
    if split == "0.6":
        assert one.cv_auc == two.cv_auc


def test_transfer_uses_the_test_recording_only_up_to_each_window():
    train, test = [drawn_session(1), drawn_session(2)], drawn_session(3)
    onset = int(test.onset_samples[100])
    later = test.samples.copy()
    later[onset + 400 :] *= -3
    whole = evaluate_transfer(test, train).pipelines["lda"]
    other = evaluate_transfer(replace(test, samples=later), train).pipelines["lda"]
    np.testing.assert_array_equal(whole.llr[:100], other.llr[:100])
    flipped = evaluate_transfer(replace(test, positive=~test.positive), train).pipelines["lda"]
    np.testing.assert_array_equal(whole.llr, flipped.llr)


def test_whitening_is_the_covariance_so_far_and_makes_it_spherical():
    session = drawn_session(4)
    filtered = filter_recording(Preprocessing(250.0, NAMES, 0.5, 20.0), session.samples, 250.0, NAMES)
    stop = len(session.samples) - 1
    whitening = whitenings_at(filtered, np.array([2000, stop]), 250.0, prior_s=1e-9)[1]
    rows = filtered.rows[250:stop] @ whitening
    np.testing.assert_allclose(rows.T @ rows / len(rows), np.eye(len(NAMES)), atol=0.02)


def test_decoding_online_is_used_where_it_is_given():
    session = drawn_session(1)

    def decode(decoder, recording):
        assert decoder.spec.pipeline == "lda"
        llr = np.where(recording.positive, 2.0, -2.0)
        llr[-1] = np.nan
        return llr

    result = evaluate_within(session, EvaluationSettings(decode_online=decode)).pipelines["lda"]
    assert (len(result.llr), result.n_rejected) == (79, 1)


@pytest.mark.parametrize("split", ["1.5", "0", "blocks:1", "blocks:x", "half"])
def test_splits_that_are_none_are_refused(split):
    with pytest.raises(FitError, match="is none for 200 trials"):
        evaluate_within(drawn_session(), EvaluationSettings(split=split))


def test_transfer_from_nothing_is_refused():
    with pytest.raises(FitError, match="No training recording"):
        evaluate_transfer(drawn_session(), [])


@pytest.mark.recordings
@pytest.mark.parametrize(("subject", "least"), [("01", 0.94), ("02", 0.92), ("03", 0.82)])
def test_speller_recordings_reach_their_figures(recordings_dir, subject, least):
    session = real_session(recordings_dir / "gtec_p300_speller" / f"sub-{subject}_task-p300_raw.fif", "target", "nontarget")
    figures = evaluation_json([evaluate_within(session, EvaluationSettings(signal=Signal.RELEVANCE))])["pipelines"]["lda"]
    assert figures["auc"] >= least
    assert figures["information_gain_bits"] > 0.1


@pytest.mark.recordings
@pytest.mark.parametrize(("subject", "least"), [("01", 0.65), ("02", 0.70), ("03", 0.60)])
def test_error_potentials_reach_their_figures(recordings_dir, subject, least):
    session = real_session(recordings_dir / "semisynthetic_errp" / f"sub-{subject}_task-errpsim_raw.fif", "token/error", "token/correct")
    assert evaluation_json([evaluate_within(session)])["pipelines"]["lda"]["auc"] >= least


@pytest.mark.recordings
def test_an_unseen_subject_is_decoded_well_above_chance(recordings_dir):
    sessions = [real_session(recordings_dir / "gtec_p300_speller" / f"sub-0{k}_task-p300_raw.fif", "target", "nontarget") for k in (1, 2, 3)]
    result = evaluate_transfer(sessions[0], sessions[1:], EvaluationSettings(signal=Signal.RELEVANCE))
    assert evaluation_json([result])["pipelines"]["lda"]["auc_ci95"][0] > 0.65


@pytest.mark.recordings
def test_a_bad_recording_is_refused_with_its_defect(recordings_dir):
    import mne

    path = recordings_dir / "openbci_lowquality_p300/bids_dataset/sub-01/ses-01/eeg/sub-01_ses-01_task-p300_run-01_eeg.vhdr"
    raw = mne.io.read_raw_brainvision(path, preload=True, verbose="error")
    good = drawn_session()
    bad = replace(good, samples=(raw.get_data().T[:30800] * 1e6).astype(np.float32), channel_names=tuple(raw.ch_names))
    with pytest.raises(FitError, match="are identical"):
        evaluate_within(bad)
    with pytest.raises(FitError, match="No scalp does that"):
        evaluate_within(replace(bad, samples=bad.samples[:, [0, 1, 2, 3, 6, 7]], channel_names=tuple(raw.ch_names[i] for i in (0, 1, 2, 3, 6, 7))))
