"""`rlhb evaluate` on real P300 recordings: the figures that causal LDA must reach, in time order and from other subjects."""

import json

import pytest

from tests.reference.running_up import rlhb

WITHIN = {"sub-01": 0.94, "sub-02": 0.92, "sub-03": 0.82}
EVENTS = ("--positive", "target", "--negative", "nontarget", "--json")
FIELDS = {"auc", "auc_ci95", "balanced_accuracy", "information_gain_bits", "ece", "ece_null95", "n_pos", "n_neg", "fit_s", "decode_ms_p50"}


@pytest.fixture(scope="module")
def speller(recordings_dir):
    return {name: recordings_dir / "gtec_p300_speller" / f"{name}_task-p300_raw.fif" for name in WITHIN}


def evaluate(*arguments):
    """Run `rlhb evaluate`; returns the AUC of each recording under LDA, and the whole answer."""
    answer = json.loads(rlhb("evaluate", *map(str, arguments), *EVENTS).stdout)
    return {row["recording"][:6]: row["pipelines"]["lda"]["auc"] for row in answer["per_recording"]}, answer


def test_within_each_recording_in_time_order(speller):
    aucs, answer = evaluate(*speller.values(), "--pipeline", "lda")
    assert answer["chosen"] == "lda"
    assert set(answer["pipelines"]["lda"]) >= FIELDS
    for name, least in WITHIN.items():
        assert aucs[name] >= least, aucs
    for row in answer["per_recording"]:
        figures = row["pipelines"]["lda"]
        assert figures["auc_ci95"][0] < figures["auc"] < figures["auc_ci95"][1]
        assert figures["ece"] <= max(0.06, figures["ece_null95"])


def test_online_decodes_like_offline(speller):
    offline, _ = evaluate(speller["sub-01"], "--pipeline", "lda")
    online, _ = evaluate(speller["sub-01"], "--pipeline", "lda", "--online")
    assert abs(online["sub-01"] - offline["sub-01"]) <= 0.01


def test_from_the_other_two_subjects(speller):
    """The adaptive decoder's few constants were settled on these three recordings: a floor for them, not a promise for others."""
    trained = [argument for path in speller.values() for argument in ("--train", path)]
    aucs, answer = evaluate(*speller.values(), *trained, "--pipeline", "lda")
    assert {row["pipelines"]["lda"]["transfer"] for row in answer["per_recording"]} == {"adaptive"}
    for name, least in {"sub-01": 0.86, "sub-02": 0.81, "sub-03": 0.72}.items():
        assert aucs[name] >= least, aucs
