"""How well single words can be decoded from the simulated subject: near .73 against perception, chance without effect."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from acquisition.simulated_subject import ResponseKey, SimulatedSubject, SubjectKey
from hardware_profiles import load_profile
from messaging.records import UnitShown

PROFILE = load_profile("simulated_subject")
RATE_HZ = PROFILE.sampling_rate_hz
N_SENTENCES, N_WORDS = 130, 12
EDGES_MS = np.arange(100, 801, 50)


def sentences(seed: int) -> SubjectKey:
    """1,560 words, 15 % wrong; some right words are surprising and some wrong ones are not."""
    rng = np.random.default_rng(seed)
    responses = {}
    for i in range(N_SENTENCES):
        wrong = rng.random(N_WORDS) < 0.15
        surprising = np.where(rng.random(N_WORDS) < 0.15, ~wrong, wrong)
        bits = np.where(surprising, rng.gamma(6, 1.8, N_WORDS), rng.gamma(3, 1.7, N_WORDS))
        responses[f"s{i}"] = ResponseKey(tuple(float(b) for b in bits), frozenset(np.flatnonzero(wrong).tolist()))
    return SubjectKey(responses)


def record(key: SubjectKey, subject_seed: int, run_seed: int, effect_scale: float) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Features (n_words, n_windows * n_channels), perceived, marked wrong."""
    rng = np.random.default_rng([subject_seed, run_seed])
    subject = SimulatedSubject(PROFILE, key, subject_seed, run_seed, effect_scale)
    onsets_s, perceived, wrong, now_s = [], [], [], 3.0
    for name, response in key.responses.items():
        for index in range(N_WORDS):
            unit = UnitShown(index=index, text="word", response_id=name)
            subject.perceive(name, unit, now_s)
            onsets_s.append(now_s)
            perceived.append(subject.perceived(name, unit))
            wrong.append(index in response.wrong)
            now_s += 0.45 + rng.uniform(-0.05, 0.05)
        now_s += 2.0
    eeg_uv = subject.generate(int((now_s + 1) * RATE_HZ)).astype(float)
    filtered = sosfilt(butter(2, (0.5, 15), "bandpass", fs=RATE_HZ, output="sos"), eeg_uv - eeg_uv[0], axis=0)
    first = np.ceil(np.array(onsets_s) * RATE_HZ).astype(int)
    samples = np.round(EDGES_MS * RATE_HZ / 1000).astype(int)
    summed = np.concatenate([np.zeros((1, filtered.shape[1])), np.cumsum(filtered, axis=0)])
    at = first[:, None] + samples
    means = np.diff(summed[at], axis=1) / np.diff(samples)[None, :, None]
    return means.reshape(len(first), -1), np.array(perceived), np.array(wrong)


def aucs(effect_scale: float, subjects: tuple[int, ...]) -> NDArray[np.float64]:
    """Mean over subjects of the AUC against perception and against marks, trained on one run and tested on another."""
    found = []
    for subject_seed in subjects:
        train, perceived, _ = record(sentences(100), subject_seed, 10, effect_scale)
        test, test_perceived, test_wrong = record(sentences(200), subject_seed, 20, effect_scale)
        scores = test @ LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(train, perceived).coef_[0]
        found.append((roc_auc_score(test_perceived, scores), roc_auc_score(test_wrong, scores)))
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def test_words_decode_as_well_as_stated() -> None:
    perception, marks = aucs(1.0, subjects=(1, 2, 3))
    assert 0.69 < perception < 0.79
    assert 0.63 < marks < 0.72
    assert marks < perception


@pytest.mark.parametrize(("effect_scale", "low", "high"), [(0.35, 0.53, 0.62), (0.0, 0.45, 0.55)])
def test_weak_and_absent_effects(effect_scale: float, low: float, high: float) -> None:
    perception, _ = aucs(effect_scale, subjects=(1, 2))
    assert low < perception < high
