"""The background of the simulated subject lies within the ranges of real EEG."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import welch

from acquisition.simulated_subject import Faults, SimulatedSubject, SubjectError, SubjectKey, SubjectProfileError
from acquisition.simulated_subject.artifacts import Artifacts
from acquisition.simulated_subject.background import BrainNoise
from acquisition.simulated_subject.head import Head, make_head
from hardware_profiles import load_profile

PROFILE = load_profile("simulated_subject")
NAMES = list(PROFILE.channel_names)
SEEDS = (1, 2, 3, 11, 12)
RATE_HZ = 250.0


@cache
def head(seed: int) -> Head:
    return make_head(PROFILE, seed)


@cache
def brain(seed: int) -> NDArray[np.float64]:
    """Four minutes of brain noise, (60000, 16) microvolt."""
    noise = BrainNoise(head(seed), RATE_HZ, seed, 1)
    return np.concatenate([noise.block(k) for k in range(60)])


def spectrum(eeg_uv: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    frequencies_hz, power = welch(eeg_uv, RATE_HZ, nperseg=1000, axis=0)
    return frequencies_hz, power


@pytest.mark.parametrize("seed", SEEDS)
def test_every_channel_has_the_level_of_real_eeg(seed: int) -> None:
    frequencies_hz, power = spectrum(brain(seed))
    band = (frequencies_hz >= 1) & (frequencies_hz <= 10)
    sd_uv = np.sqrt(power[band].sum(axis=0) * frequencies_hz[1])
    assert sd_uv.min() > 8.0 * 0.95  # 5 %: four minutes estimate an SD so well
    assert sd_uv.max() < 17.0 * 1.05


@pytest.mark.parametrize("seed", SEEDS)
def test_electrodes_correlate_by_about_a_half(seed: int) -> None:
    correlation = np.corrcoef(brain(seed).T)[np.triu_indices(16, 1)]
    assert 0.4 < correlation.mean() < 0.62
    assert correlation.max() < 0.99


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_stands_out_at_the_back_and_the_rest_falls_like_one_over_f(seed: int) -> None:
    frequencies_hz, power = spectrum(brain(seed))
    around = ((frequencies_hz >= 2) & (frequencies_hz <= 5.5)) | ((frequencies_hz >= 15) & (frequencies_hz <= 40))
    line = np.polyfit(np.log(frequencies_hz[around]), np.log(power[around]), 1)
    assert np.all(line[0] < -1.3)
    assert np.all(line[0] > -2.1)
    alpha = (frequencies_hz >= 8) & (frequencies_hz <= 12)
    ratio = (power[alpha] / np.exp(np.outer(np.log(frequencies_hz[alpha]), line[0]) + line[1])).max(axis=0)
    assert 10 <= ratio.max() <= 35
    assert NAMES[int(np.argmax(ratio))] in {"PO7", "Oz", "PO8"}
    assert ratio[NAMES.index("FCz")] < 5


@pytest.mark.parametrize("seed", SEEDS)
def test_topographies_are_where_they_belong(seed: int) -> None:
    h = head(seed)
    assert NAMES[int(np.argmax(h.errp))] == "FCz"
    assert h.errp.max() == pytest.approx(1.0)
    assert NAMES[int(np.argmax(h.n400))] in {"CPz", "Pz"}
    assert h.blink[:2].mean() == pytest.approx(1.0)
    assert h.blink[NAMES.index("Cz")] < 0.3


def test_blinks_come_twelve_times_a_minute_and_mains_hum() -> None:
    artifacts = Artifacts(head(1).blink, RATE_HZ, 50.0, 1, 1)
    eeg_uv = np.concatenate([artifacts.block(k, 1000) for k in range(150)])  # ten minutes
    fp = eeg_uv[:, :2].mean(axis=1) - eeg_uv[:, 2:5].mean(axis=1)
    frequencies_hz, power = spectrum(eeg_uv)
    assert frequencies_hz[np.argmax(power[25:], axis=0) + 25] == pytest.approx(50.0, abs=0.3)
    lid = np.convolve(fp - np.median(fp), np.ones(25) / 25, "same") > 25
    blinks = np.sum(lid[1:] & ~lid[:-1])
    assert 85 < blinks < 160


def subject(faults: Faults) -> SimulatedSubject:
    return SimulatedSubject(PROFILE, SubjectKey(), 1, 1, faults=faults)


def test_dead_and_bridged_electrodes() -> None:
    eeg_uv = subject(Faults(dead=("Cz",), bridged=(("F3", "Fz"),))).generate(2000)
    sound = subject(Faults()).generate(2000)
    cz, f3, fz = (NAMES.index(n) for n in ("Cz", "F3", "Fz"))
    assert not eeg_uv[:, cz].any()
    assert np.array_equal(eeg_uv[:, f3], eeg_uv[:, fz])
    untouched = [i for i in range(16) if i not in (cz, f3, fz)]
    assert np.array_equal(eeg_uv[:, untouched], sound[:, untouched])


@pytest.mark.parametrize("burst", [1, 5, 400])
def test_loss_has_the_stated_size_and_does_not_depend_on_the_cut(burst: int) -> None:
    lossy = subject(Faults(loss_fraction=0.1, loss_burst_samples=burst))
    n = 250_000
    whole = lossy.dropped(0, n)
    assert abs(len(whole) / n - 0.1) < 4 * np.sqrt(0.1 * 0.9 * burst * 2 / n)
    parts = [lossy.dropped(a, b - a) for a, b in ((0, 7), (7, 250), (250, 251), (251, 777), (777, n))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_gaps_stalls_and_drift() -> None:
    faulty = subject(Faults(gaps_s=((1.0, 0.1),), stalls_s=((2.0, 3.0),), clock_drift_ppm=100.0))
    assert list(faulty.dropped(0, 1000)) == list(range(251, 276))  # 250.025 to 275.0275: the clock runs fast
    assert faulty.rate_hz == pytest.approx(250.025)
    assert [faulty.faults.deliverable_until_s(t) for t in (1.0, 2.0, 4.9, 5.0)] == [1.0, 2.0, 2.0, 5.0]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"loss_fraction": 1.0}, "loss_fraction is 1.0"),
        ({"loss_burst_samples": 0}, "loss_burst_samples is 0"),
        ({"clock_drift_ppm": 2e4}, "clock_drift_ppm"),
        ({"gaps_s": ((1.0, 0.0),)}, "lasts 0.0 s"),
    ],
)
def test_impossible_faults_are_named(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(SubjectError, match=sentence):
        Faults(**fields)  # type: ignore[arg-type]


def test_faults_of_absent_channels_are_named() -> None:
    with pytest.raises(SubjectProfileError, match="Faults name T7"):
        subject(Faults(dead=("T7",)))
