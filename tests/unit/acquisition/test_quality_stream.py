"""Figures of the stream: loss, jitter, drift, age and blinks, against streams whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquisition.board import BoardChunk
from acquisition.quality import Preview, StreamWatch
from acquisition.quality.blinks import BlinkCounter, count_blinks
from hardware_profiles.profile import Channel, Driver, HardwareProfile, QualityLimits

RATE = 250


def profile(*names, eog=(), **limits):
    channels = tuple(Channel(name=n, kind="eog" if n in eog else "eeg") for n in names or ("Cz", "Pz"))
    return HardwareProfile(name="lab", title="Lab", driver=Driver(kind="replay"), sampling_rate_hz=RATE, channels=channels, quality=QualityLimits(**limits))


def stream(watch, seconds, n=10, drift_ppm=0.0, jitter_s=0.0, lose=lambda k: False, seed=0, start_s=1000.0, first=0):
    """Feed chunks of n samples; returns the stamp of the last one."""
    rng = np.random.default_rng(seed)
    samples = np.zeros((n, 2), dtype=np.float32)
    stamp = start_s
    for k in range(round(seconds * RATE / n)):
        stamp = (
            start_s + (k + 1) * n / RATE * (1 + drift_ppm * 1e-6) + rng.exponential(jitter_s)
            if jitter_s
            else start_s + (k + 1) * n / RATE * (1 + drift_ppm * 1e-6)
        )
        if not lose(k):
            watch.add(BoardChunk(first + k * n, samples, stamp))
    return stamp


def test_a_good_stream_has_nothing_against_it():
    watch = StreamWatch(profile())
    now = stream(watch, 60)
    found = watch.verdict(now + 0.02)
    assert found.loss_fraction == 0
    assert found.jitter_ms == pytest.approx(0, abs=0.01)
    assert found.drift_ppm == pytest.approx(0, abs=1)
    assert found.sample_age_ms == pytest.approx(20, abs=0.1)
    assert found.blinks_per_min is None
    assert found.reasons == ()


@given(lost=st.integers(1, 9), seed=st.integers(0, 20))
def test_the_loss_is_the_share_of_samples_that_never_came(lost, seed):
    watch = StreamWatch(profile())
    stream(watch, 40, lose=lambda k: k % 10 and k % 10 <= lost - 1 if lost > 1 else False, seed=seed)
    assert watch.loss_fraction() == pytest.approx((lost - 1) / 10, abs=0.02)


def test_loss_is_named_and_forgotten_after_ten_seconds():
    watch = StreamWatch(profile())
    stream(watch, 10, lose=lambda k: k % 20 == 5)
    found = watch.verdict(0)
    assert found.loss_fraction == pytest.approx(0.05, abs=0.01)
    assert any(r.startswith(("loss 5", "loss 4")) for r in found.reasons)
    stream(watch, 12, first=10 * RATE, start_s=1010.0)
    assert watch.verdict(0).loss_fraction == 0


@pytest.mark.parametrize("ppm", [-400, -50, 50, 2000])
def test_the_drift_against_the_host_is_found_under_jitter(ppm):
    watch = StreamWatch(profile())
    stream(watch, 100, drift_ppm=ppm, jitter_s=0.01)
    found = watch.verdict(0)
    assert found.drift_ppm == pytest.approx(ppm, abs=30)
    assert any("drift" in r for r in found.reasons) == (abs(ppm) > 500)


def test_a_drift_is_not_told_before_half_a_minute():
    watch = StreamWatch(profile())
    stream(watch, 20, drift_ppm=50)
    assert watch.verdict(0).drift_ppm is None


def test_the_jitter_of_arrival_is_found_beside_a_drift():
    watch = StreamWatch(profile())
    stream(watch, 30, drift_ppm=200, jitter_s=0.03)
    assert watch.jitter_ms() == pytest.approx(30, rel=0.2)
    watch = StreamWatch(profile(jitter_ms=20))
    stream(watch, 30, jitter_s=0.03)
    assert any("jitter" in r for r in watch.verdict(0).reasons)


def test_an_old_sample_is_named():
    watch = StreamWatch(profile())
    now = stream(watch, 5)
    assert watch.verdict(now + 0.8).reasons == ("newest sample 800 ms old (limit 500 ms)",)


def test_a_virtual_clock_has_neither_jitter_nor_drift_nor_age():
    watch = StreamWatch(profile(), real_time=False)
    stream(watch, 60, jitter_s=0.2)
    found = watch.verdict(5000)
    assert (found.jitter_ms, found.drift_ppm, found.sample_age_ms) == (None, None, None)
    assert found.reasons == ()


def test_before_the_first_sample_there_are_no_figures():
    found = StreamWatch(profile()).verdict(10.0)
    assert (found.loss_fraction, found.jitter_ms, found.drift_ppm, found.sample_age_ms) == (0, None, None, None)


def test_numbers_that_start_again_are_no_loss():
    watch = StreamWatch(profile())
    stream(watch, 30, first=100_000)
    stream(watch, 30, first=0, start_s=2000)
    found = watch.verdict(0)
    assert found.loss_fraction == 0
    assert found.drift_ppm == pytest.approx(0, abs=1)


def with_blinks(per_minute, seconds=60, uv=150.0, noise_uv=10.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=seconds * RATE) * noise_uv
    every = 60 / per_minute
    shape = uv * np.hanning(round(0.3 * RATE))
    for k in range(int(seconds / every)):
        at = round((k * every + rng.uniform(0.2, every - 0.6)) * RATE)
        x[at : at + len(shape)] += shape
    return x.astype(np.float32)


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("per_minute", [6, 12, 30])
def test_blinks_are_counted_from_an_eog_channel_of_either_polarity(per_minute, polarity):
    x = with_blinks(per_minute) * polarity
    counter = BlinkCounter(profile("Cz", "EOG", eog=("EOG",)))
    for start in range(0, len(x), 8):
        counter.add(np.stack([np.zeros(len(x[start : start + 8]), np.float32), x[start : start + 8]], axis=1))
    assert counter.per_minute() == pytest.approx(per_minute, abs=1.5)


def test_blinks_are_counted_above_the_eyes_and_not_elsewhere():
    x = with_blinks(12)
    above, elsewhere = BlinkCounter(profile("Fp1", "Fp2")), BlinkCounter(profile("Cz", "Pz"))
    for counter in (above, elsewhere):
        counter.add(np.stack([x, x], axis=1))
    assert above.per_minute() == pytest.approx(12, abs=1.5)
    assert elsewhere.per_minute() is None


def test_eeg_without_blinks_has_none():
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.normal(size=60 * RATE)) * 1.0
    x = x - np.convolve(x, np.ones(RATE) / RATE, "same") + 20 * np.sin(2 * np.pi * 10 * np.arange(60 * RATE) / RATE)
    counter = BlinkCounter(profile("Fp1"))
    counter.add(x[:, None].astype(np.float32))
    assert counter.per_minute() <= 2


def test_closing_the_eyes_for_a_second_is_no_blink():
    x = np.zeros(60 * 50)
    x[1000:1060] = 200
    assert count_blinks(x, 50.0) == 0


def test_a_missing_stretch_does_not_stop_the_counting():
    x = with_blinks(12)
    x[3000:3100] = np.nan
    counter = BlinkCounter(profile("Fp1"))
    counter.add(x[:, None])
    assert counter.per_minute() == pytest.approx(12, abs=2)


def test_a_preview_frame_never_spans_a_gap():
    preview = Preview(profile())
    rows = np.arange(100, dtype=np.float32).repeat(2).reshape(-1, 2)
    assert preview.add(0, 1.0, rows[:20]) is None
    frame = preview.add(500, 3.0, rows[60:90])
    assert frame is not None
    assert frame.sample_index == 500
    assert frame.samples[0, 0] >= 60


def test_the_simulated_subjects_blinks_are_found_in_its_eeg(monkeypatch):
    """What is there is known: the same subject with and without blinks, subtracted."""
    from acquisition.simulated_subject import SimulatedSubject, artifacts, load_subject_key
    from hardware_profiles import load_profile

    board = load_profile("simulated_subject")
    found, there = 0, 0
    for seed in range(1, 6):
        x = SimulatedSubject(board, load_subject_key([]), seed, seed + 10, 1.0).generate(60 * RATE)
        with monkeypatch.context() as patch:
            patch.setattr(artifacts, "BLINKS_PER_MINUTE", 0.0)
            without = SimulatedSubject(board, load_subject_key([]), seed, seed + 10, 1.0).generate(60 * RATE)
        over = (x - without)[:, 0] > 40
        there += int(np.count_nonzero(np.diff(over.astype(int)) == 1))
        counter = BlinkCounter(board)
        counter.add(x)
        found += counter.per_minute()
    assert found == pytest.approx(there, rel=0.2)
