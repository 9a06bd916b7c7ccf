"""Evaluation of cut epochs: folds that are honest, and the figures of the real ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.epochs import EpochSet, evaluate_epochs, folds_of
from decoders.evaluate import EvaluationSettings
from decoders.evaluation_figures import evaluation_json
from decoders.metrics import area_under_curve
from decoders.spec import FitError
from recordings.epochs import read_epochs
from rlhb.training_input import as_epoch_set

FOLDS = EvaluationSettings(split="blocks:5")


def simulated(n: int = 300, effect_uv: float = 4.0, seed: int = 1, *, by_class: bool = False, **fields) -> EpochSet:
    """Noise of 5 microvolt; errors have a bump at 300 ms on the first channel."""
    rng = np.random.default_rng(seed)
    times_ms = np.arange(-25, 100) * 10.0
    positive = rng.random(n) < 0.3
    positive = np.sort(positive) if by_class else positive
    uv = rng.normal(0, 5, (n, 2, len(times_ms))).astype(np.float32)
    uv[positive, 0] += effect_uv * np.exp(-(((times_ms - 300) / 60) ** 2)).astype(np.float32)
    return EpochSet(uv, positive, times_ms, 100.0, ("Cz", "Pz"), f"s{seed}", **fields)


def auc(epochs: EpochSet, settings: EvaluationSettings = FOLDS, train=()) -> float:
    result = evaluate_epochs(epochs, settings, train).pipelines["lda"]
    return area_under_curve(result.llr, result.positive)


@given(st.lists(st.booleans(), min_size=10, max_size=60), st.integers(2, 5))
def test_every_epoch_is_tested_once_and_folds_are_contiguous_unless_one_would_hold_a_single_class(classes, n_folds):
    positive = np.array(classes)
    folds = folds_of(positive, n_folds)
    assert sorted(folds.order) == list(range(len(positive)))
    assert (np.diff(folds.fold) >= 0).all()
    blocks = [positive[k] for k in np.array_split(np.arange(len(positive)), n_folds)]
    if not folds.strided:
        assert (folds.order == np.arange(len(positive))).all()
        assert all(0 < positive[folds.order][folds.fold == k].mean() < 1 for k in range(n_folds))
    else:
        assert (folds.order % n_folds == folds.fold).all()
        assert len(positive) % n_folds or any(block.all() or not block.any() for block in blocks)


def test_a_response_is_found_and_noise_is_not():
    assert auc(simulated()) > 0.9
    assert abs(auc(simulated(effect_uv=0.0)) - 0.5) < 0.1


def test_rows_sorted_by_class_are_tested_in_strides_with_a_remark():
    epochs = simulated(by_class=True)
    result = evaluate_epochs(epochs, FOLDS)
    assert "every 5th epoch" in result.remarks[-1]
    assert len(result.pipelines["lda"].llr) == 300
    assert auc(epochs) > 0.9
    assert abs(auc(simulated(effect_uv=0.0, by_class=True)) - 0.5) < 0.1
    with pytest.raises(FitError, match=r"sorted by class.*Give --split blocks:5"):
        evaluate_epochs(epochs, EvaluationSettings(split="0.6"))


def test_epochs_from_others_are_a_transfer():
    assert auc(simulated(seed=1), train=[simulated(seed=2), simulated(seed=3)]) > 0.9
    assert auc(simulated(seed=1), train=[simulated(seed=2)]) > 0.9
    other = simulated(seed=2)
    faster = EpochSet(other.uv, other.positive, other.times_ms, 200.0, other.channel_names, "x")
    with pytest.raises(FitError, match="different rates"):
        auc(simulated(), train=[faster])


def test_training_epochs_that_share_samples_with_tested_ones_are_left_out():
    """Every epoch is there twice, one sample later: only neighbours in time could give its noise away."""
    n = 400
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 5, (n // 2, 2, 125)).astype(np.float32)
    positive = np.repeat(rng.random(n // 2) < 0.5, 2)
    onsets = np.arange(n, dtype=np.int64) * 30  # windows of 125 samples: four neighbours overlap
    epochs = EpochSet(np.repeat(noise, 2, axis=0), positive, np.arange(-25, 100) * 10.0, 100.0, ("Cz", "Pz"), "s", onsets)
    assert abs(auc(epochs, EvaluationSettings(split="0.5")) - 0.5) < 0.15


def test_epochs_cannot_be_decoded_online():
    with pytest.raises(FitError, match="Leave --online out"):
        evaluate_epochs(simulated(), EvaluationSettings(split="blocks:5", decode_online=lambda decoder, session: np.zeros(1)))


def test_too_short_epochs_are_refused():
    epochs = simulated()
    short = EpochSet(epochs.uv[:, :, :20], epochs.positive, epochs.times_ms[:20], 100.0, epochs.channel_names, "short")
    with pytest.raises(FitError, match="hold no window of 100 to 800 ms"):
        evaluate_epochs(short, FOLDS)


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "least", "strided", "pipelines"),
    [
        ("gridcursor_s4_2ch_32hz.npz", 0.82, True, ("lda",)),
        ("errp_1ch_256hz_epochs.npz", 0.62, False, ("lda", "xdawn")),
        ("errp_1ch_256hz-epo.fif", 0.62, False, ("lda",)),
    ],
)
def test_real_error_potentials_reach_their_figures(recordings_dir, name, least, strided, pipelines):
    """Known for shrinkage LDA on these rows: .84 of 216 errors, .70 of 39 (standard error .05)."""
    epochs = as_epoch_set(read_epochs(recordings_dir / "errp_iturrate" / name), ["error"], ["correct"])
    answer = evaluation_json([evaluate_epochs(epochs, EvaluationSettings(pipelines=pipelines, split="blocks:5"))])
    assert all(figures["auc"] >= least for figures in answer["pipelines"].values())
    assert answer["pipelines"]["lda"]["n_pos"] == int(epochs.positive.sum())
    assert any("sorted by class" in remark for remark in answer["per_recording"][0]["remarks"]) is strided
