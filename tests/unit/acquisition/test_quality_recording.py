"""Whole recordings: what cannot be EEG is refused with the reasons, what is merely noisy is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acquisition.quality.recording import IMPOSSIBLE_RMS_UV, judge_recording
from hardware_profiles.profile import QualityLimits
from recordings.recording import Recording, Segment, read_recording
from rlhb.recording_quality import QualityError, check_quality

RATE = 250.0


def recording(samples, kinds=None, gaps=()):
    names = tuple(f"E{k + 1}" for k in range(samples.shape[1]))
    segments, row, index = [], 0, 0
    for n, gap in [*gaps, (len(samples) - sum(n for n, _ in gaps), 0)]:
        segments.append(Segment(index, row, n))
        row, index = row + n, index + n + gap
    return Recording(Path("lab.xdf"), "0" * 64, RATE, names, kinds or ("eeg",) * len(names), samples.astype(np.float32), tuple(segments), ())


def eeg(seconds=20, n=6, uv=15.0, seed=0):
    rng = np.random.default_rng(seed)
    x = np.zeros((round(seconds * RATE), n))
    white = rng.normal(size=x.shape)
    x[0] = white[0]
    for k in range(1, len(x)):
        x[k] = 0.95 * x[k - 1] + white[k]
    return x / x.std(axis=0) * uv


def judge(samples, **kwargs):
    return judge_recording(recording(samples, **kwargs), QualityLimits())


def test_good_eeg_passes_without_a_word():
    found = judge(eeg())
    assert (found.refused, found.warnings) == ((), ())
    assert found.seconds == 20


def test_identical_channels_are_refused_by_name():
    x = eeg()
    x[:, 4] = x[:, 1]
    (sentence,) = judge(x).refused
    assert "E2, E5 are identical" in sentence


def test_a_scaled_copy_is_no_proof_but_a_copy_to_the_last_bit_of_its_unit_is():
    x = eeg()
    x[:, 4] = x[:, 1] * 2
    assert judge(x).refused == ()
    x[:, 4] = x[:, 1] + 300.0
    assert "identical" in judge(x).refused[0]


def test_bridged_electrodes_are_a_warning_since_their_amplifiers_differ():
    x = eeg()
    x[:, 4] = x[:, 1] + np.random.default_rng(1).normal(size=len(x)) * 0.5
    found = judge(x)
    assert found.refused == ()
    assert any(w == "bridged: E2, E5" for w in found.warnings)


@pytest.mark.parametrize(("factor", "said"), [(1e6, "Divided by 1,000,000"), (1e3, "Divided by 1,000"), (1e-6, "Divided by 1e-06"), (1e-3, "Divided by 0.001")])
def test_wrong_units_are_refused_and_the_factor_is_named(factor, said):
    (sentence,) = judge(eeg() * factor).refused
    assert "impossibly" in sentence
    assert said in sentence


def test_no_amplitude_is_written_as_a_power_of_ten():
    (sentence,) = judge(eeg() * 1e6).refused
    assert "e+" not in sentence


def test_one_loose_electrode_is_a_warning():
    x = eeg()
    x[:, 3] *= 3 * IMPOSSIBLE_RMS_UV / 15
    found = judge(x)
    assert found.refused == ()
    assert found.warnings[0].startswith("E4: RMS ")


def test_mains_of_any_size_is_a_warning():
    x = eeg() + 5000 * np.sin(2 * np.pi * 50 * np.arange(5000) / RATE)[:, None]
    found = judge(x)
    assert found.refused == ()
    assert "mains 100%" in found.warnings[0]


def test_most_channels_dead_is_refused_and_one_dead_channel_is_not():
    x = eeg()
    x[:, 0] = 5.0
    assert judge(x).refused == ()
    assert "E1: flat" in judge(x).warnings[0]
    x[:, 1:4] = np.array([1.0, 2.0, 3.0])
    assert any("Most channels carry no signal" in s for s in judge(x).refused)


def test_lost_and_filled_packets_are_told():
    x = eeg()
    x[1000:1007] = 0
    assert any(w.startswith("7 samples are zero in all channels") for w in judge(x).warnings)


def test_only_eeg_channels_are_judged_and_gaps_are_passed_over():
    x = eeg()
    x[:, 5] = 0
    x[:, 4] = 0
    found = judge(x, kinds=("eeg",) * 4 + ("trigger",) * 2, gaps=((1100, 50), (130, 900)))
    assert found.refused == ()
    assert 0 < found.seconds < 20


def test_too_short_a_recording_is_not_judged():
    found = judge(eeg(seconds=0.5))
    assert found.refused == ()
    assert "shorter than a second" in found.warnings[0]


def test_a_long_recording_is_judged_by_seconds_from_all_over_it():
    x = np.tile(eeg(seconds=10), (60, 1))
    x[len(x) // 2 :, :] = 0
    found = judge(x)
    assert found.seconds == 300
    assert found.refused == () or "identical" not in found.refused[0]


@pytest.mark.recordings
def test_the_bad_openbci_recording_is_refused_with_both_reasons(recordings_dir):
    (path,) = (recordings_dir / "openbci_lowquality_p300").rglob("*.vhdr")
    with pytest.raises(QualityError) as caught:
        check_quality(read_recording(path))
    said = str(caught.value)
    assert "CH4, CH5, CH6 are identical" in said
    assert "impossibly large" in said
    assert "Divided by 1,000,000" in said
    assert "--accept-quality" in said


@pytest.mark.recordings
def test_a_person_may_accept_it_all_the_same(recordings_dir, capsys):
    (path,) = (recordings_dir / "openbci_lowquality_p300").rglob("*.vhdr")
    found = check_quality(read_recording(path), accept=True)
    assert len(found.refused) == 2
    assert capsys.readouterr().err.count("accepted although") == 2


@pytest.mark.recordings
@pytest.mark.parametrize("pattern", ["gtec_p300_speller/*_raw.fif", "semisynthetic_errp/*_raw.fif", "muse_*/*_raw.fif", "eeglab_sample/*.set"])
def test_good_recordings_pass(recordings_dir, pattern):
    paths = sorted(recordings_dir.glob(pattern))
    assert paths
    for path in paths:
        assert judge_recording(read_recording(path), QualityLimits()).refused == (), path


@pytest.mark.recordings
def test_a_good_recording_with_one_channel_copied_is_refused(recordings_dir):
    good = read_recording(recordings_dir / "gtec_p300_speller" / "sub-01_task-p300_raw.fif")
    samples = good.samples.copy()
    samples[:, 3] = samples[:, 0]
    with pytest.raises(QualityError, match="Fz, C4 are identical"):
        check_quality(replace(good, samples=samples))
