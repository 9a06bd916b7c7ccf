"""Control and confidence on simulated evidence: causal theta of single trials, response-locked windows, and what stays held."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.calibration import calibrated_llr
from decoders.evidence import fit_log_odds
from decoders.evidence.steps import NO_EVIDENCE_HERE, STEP_SIGNALS, confidence_spec, release_of, released_terms
from decoders.gate import judge
from decoders.lda import ShrinkageLDA
from decoders.metrics import area_under_curve
from decoders.offline import filter_recording
from decoders.spec import MismatchError
from decoders.stream import FilteredStream
from decoders.theta import MIN_PAST, PAST_TRIALS, PastTrials, ThetaReader, filter_delay_ms, log_power, theta_preprocessing
from decoders.windows import window_features, window_layout
from messaging.words import ReleaseState, Signal, Source

RATE_HZ = 250.0
NAMES = ("FCz",)


def recording(seed: int, n_trials: int = 200, burst_uv: float = 6.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples (n, 1) of 1/f noise with theta bursts of any phase, 200-600 ms after onsets that need control; onsets; which these are."""
    rng = np.random.default_rng(seed)
    onsets = (np.arange(n_trials) * 1.5 * RATE_HZ + 4 * RATE_HZ + rng.integers(0, 60, n_trials)).astype(np.int64)
    n = int(onsets[-1] + 3 * RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 0.5) ** 0.8
    noise = np.fft.irfft(spectrum, n)
    samples = 10 * noise / noise.std()
    control = rng.random(n_trials) < 0.4
    since_s = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    for onset in onsets[control]:
        first = onset + int(0.2 * RATE_HZ)
        samples[first : first + len(since_s)] += burst_uv * np.hanning(len(since_s)) * np.sin(2 * np.pi * 6 * since_s + rng.uniform(0, 2 * np.pi))
    return samples[:, np.newaxis].astype(np.float32), onsets, control


def scores_of(samples: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    reader = ThetaReader(RATE_HZ)
    filtered = filter_recording(reader.preprocessing, samples, RATE_HZ, NAMES)
    return np.array([np.nan if (score := reader.score(filtered, int(onset))) is None else score for onset in onsets])


def test_theta_bursts_of_single_trials_are_found_in_simulated_recordings():
    samples, onsets, control = recording(1, n_trials=300, burst_uv=9.0)
    scores = scores_of(samples, onsets)
    valued = np.isfinite(scores)
    assert valued.sum() == len(onsets) - MIN_PAST
    assert area_under_curve(scores[valued], control[valued]) > 0.7
    blocks = (np.arange(len(onsets)) * 5 // len(onsets))[valued]
    x, truth = scores[valued], control[valued]
    llr = np.empty(len(x))
    for block in np.unique(blocks):
        inside = blocks == block
        llr[inside] = calibrated_llr(x[inside], x[~inside], truth[~inside])
    assert judge(llr, truth, blocks).released


def test_without_bursts_scores_tell_nothing():
    aucs = []
    for seed in range(5):
        samples, onsets, control = recording(10 + seed, burst_uv=0.0)
        scores = scores_of(samples, onsets)
        valued = np.isfinite(scores)
        aucs.append(area_under_curve(scores[valued], control[valued]))
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.05)


@settings(max_examples=10)
@given(seed=st.integers(0, 100), trial=st.integers(MIN_PAST, 39))
def test_nothing_after_the_window_and_no_later_trial_changes_a_score(seed, trial):
    samples, onsets, _ = recording(seed, n_trials=40)
    before = scores_of(samples, onsets)
    changed = samples.copy()
    changed[onsets[trial] + ThetaReader(RATE_HZ).samples_after_onset :] += 30 * np.random.default_rng(seed).standard_normal(1).astype(np.float32)
    np.testing.assert_array_equal(scores_of(changed, onsets)[: trial + 1], before[: trial + 1])


@settings(max_examples=10)
@given(seed=st.integers(0, 100), cuts=st.lists(st.integers(1, 400), min_size=1, max_size=5), stop_at=st.integers(1, 39))
def test_live_scores_equal_offline_ones_bit_for_bit_whatever_the_chunks_and_a_restart(seed, cuts, stop_at):
    samples, onsets, _ = recording(seed, n_trials=40)
    stream, reader, live, at, turn = FilteredStream(theta_preprocessing(RATE_HZ), RATE_HZ, NAMES, ring_s=120.0), ThetaReader(RATE_HZ), [], 0, 0
    for number, onset in enumerate(onsets):
        while at < onset + reader.samples_after_onset:
            size = cuts[turn % len(cuts)]
            stream.receive(at, samples[at : at + size])
            at, turn = at + size, turn + 1
        score = reader.score(stream, int(onset))
        live.append(np.nan if score is None else score)
        if number == stop_at:
            state = reader.past.state()
            reader = ThetaReader(RATE_HZ)
            reader.past.restore(*state)
    np.testing.assert_array_equal(live, scores_of(samples, onsets))


def test_window_is_moved_by_the_filters_delay():
    # power of a burst peaks, after the causal filter, about as much later as the delay says
    delay_ms = filter_delay_ms(RATE_HZ)
    assert 50 < delay_ms < 250
    t = np.arange(int(6 * RATE_HZ)) / RATE_HZ
    burst = 10 * np.exp(-(((t - 4.0) / 0.25) ** 2)) * np.sin(2 * np.pi * 6 * t)
    rows, _ = filter_recording(theta_preprocessing(RATE_HZ), burst[:, np.newaxis], RATE_HZ, NAMES).read(0, len(t))
    power = np.convolve(rows[:, 0] ** 2, np.ones(41) / 41, "same")
    assert 1000 * (t[power.argmax()] - 4.0) == pytest.approx(delay_ms, abs=30)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_scores_do_not_depend_on_the_amplifiers_gain(seed, scale):
    powers = np.random.default_rng(seed).standard_normal(60)

    def normalised(values: np.ndarray) -> list[float | None]:
        past, out = PastTrials(), []
        for value in values:
            out.append(past.normalised(value))
            past.learn(value)
        return out

    plain, louder = normalised(powers), normalised(powers + 2 * np.log(scale))
    assert plain[:MIN_PAST] == [None] * MIN_PAST
    np.testing.assert_allclose(np.array(plain[MIN_PAST:], dtype=float), np.array(louder[MIN_PAST:], dtype=float), atol=1e-9)


def test_past_trials_are_the_last_ones_and_equal_trials_say_nothing():
    past = PastTrials()
    for _ in range(MIN_PAST):
        past.learn(1.0)
    assert past.normalised(2.0) is None
    values = np.random.default_rng(0).standard_normal(PAST_TRIALS)
    for value in values:
        past.learn(value)
    spread = 1.482602218505602 * np.median(np.abs(values - np.median(values)))
    assert past.normalised(2.0) == pytest.approx((2.0 - np.median(values)) / spread)


def test_log_power_is_the_log_of_the_mean_square_compiled_and_interpreted():
    rows = np.random.default_rng(1).standard_normal((100, 2))
    assert log_power(rows) == pytest.approx(np.log((rows**2).mean()))
    assert log_power(rows) == pytest.approx(log_power.py_func(rows), rel=1e-12)


def test_a_blink_gets_no_score_and_is_not_remembered():
    samples, onsets, _ = recording(3, n_trials=40)
    samples[onsets[30] + 80 : onsets[30] + 130] += 400
    scores = scores_of(samples, onsets)
    assert np.isnan(scores[30])
    without = np.delete(onsets, 30)
    np.testing.assert_array_equal(np.delete(scores, 30), scores_of(samples, without))


def test_a_state_of_another_size_is_refused():
    with pytest.raises(MismatchError, match="remembers 3 trials"):
        PastTrials().restore({"next": 0, "seen": 3}, {"values": np.zeros(3)})


def test_own_slips_are_found_in_simulated_response_locked_windows():
    spec = confidence_spec("calibration_verdict", RATE_HZ, ("FCz", "CPz"))
    layout = window_layout(spec.window, RATE_HZ)
    rng = np.random.default_rng(4)
    slip = rng.random(300) < 0.3
    time_ms = np.arange(layout.start, layout.stop) * 1000 / RATE_HZ
    ern, pe = -6.0 * np.exp(-(((time_ms - 75) / 25) ** 2)), 6.0 * np.exp(-(((time_ms - 300) / 80) ** 2))
    features = []
    for mark in slip:
        window = 8 * rng.standard_normal((1, 2)) + 6 * rng.standard_normal((len(time_ms), 2)) + mark * np.column_stack([ern, pe])
        features.append(window_features(np.ascontiguousarray(window), layout).copy())
    x = np.array(features)
    model = ShrinkageLDA().fit(x[:200], slip[:200])
    assert area_under_curve(model.decision_function(x[200:]), slip[200:]) > 0.8


@pytest.mark.parametrize("signal", [Signal.CONTROL, Signal.CONFIDENCE])
def test_unproven_signals_stay_held_until_the_labs_own_gate_passes(signal):
    for passed, source in ((False, Source.LIVE), (False, Source.SIMULATED), (True, Source.SIMULATED)):
        assert release_of(signal, passed, source) == (ReleaseState.HELD, NO_EVIDENCE_HERE)
    assert release_of(signal, True, Source.LIVE) == (ReleaseState.OK, None)
    assert release_of(Signal.ERROR, True, Source.SIMULATED).state is ReleaseState.OK
    assert release_of(Signal.ERROR, False, Source.LIVE).state is ReleaseState.HELD


def test_a_steps_evidence_takes_several_signals_together_and_leaves_held_ones_out():
    rng = np.random.default_rng(6)
    d = np.array([0.8, 0.6, 0.4])

    def steps(n: int) -> tuple[np.ndarray, np.ndarray]:
        error = rng.random(n) < 0.3
        return d * (rng.standard_normal((n, 3)) + d * error[:, np.newaxis] - d / 2), error

    terms, error = steps(4000)
    fused = fit_log_odds(terms, error)
    assert len(fused.weights) == len(STEP_SIGNALS)
    new, truth = steps(4000)
    assert area_under_curve(fused.llr(new), truth) > area_under_curve(new[:, 0], truth) + 0.03
    held = released_terms(new, (True, False, False))
    np.testing.assert_allclose(fused.llr(held), fused.weights[0] * new[:, 0] + fused.offset)
