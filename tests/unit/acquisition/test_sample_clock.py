"""The sample clock against boards whose clock is known: bursts in, a straight line out."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquisition.board import BoardChunk
from acquisition.clock_fit import lower_line
from acquisition.recorder import Recorder, clock_of
from acquisition.sample_clock import LARGEST_STEP_S, SampleClock, StampKind
from acquisition.sequencer import Sequencer
from hardware_profiles import HardwareProfile, load_profile
from messaging.clocks import RealClock
from messaging.lab import SessionPlan
from messaging.records import Chunk, Header
from messaging.words import ClockKind, Source
from tests.reference.clock_bursts import JITTERS, Bursts


class StillBoard:
    """What a recorder asks of a board."""

    source = Source.LIVE
    clock = RealClock()
    profile: HardwareProfile = load_profile("simulated_subject")


BOARDS = [(250.0, 8), (1000.0, 8), (500.0, 16)]


def fresh(rate_hz=250.0, **settings):
    return SampleClock(rate_hz, 0.0, ClockKind.REAL, **settings)


def p99_ms(errors):
    return np.percentile(np.abs(errors), 99) * 1e3


@pytest.mark.parametrize(("rate_hz", "chunk"), BOARDS)
@pytest.mark.parametrize("jitter", JITTERS)
def test_after_ten_seconds_the_error_is_under_a_millisecond_at_30_ms_of_jitter_and_50_ppm_of_drift(jitter, rate_hz, chunk):
    errors = [Bursts(jitter, drift, 60, rate_hz, chunk, seed).feed(fresh(rate_hz)) for seed in range(6) for drift in (50, -50)]
    assert p99_ms(np.concatenate(errors)) < 1.0


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("fault", [{"gaps": [(20, 27)]}, {"stalls": [(20, 25), (40, 40.5)]}, {"gaps": [(15, 15.1), (21, 22)], "stalls": [(30, 38)]}])
def test_gaps_and_stalls_do_not_move_the_line(jitter, fault):
    errors = [Bursts(jitter, 50, 60, seed=seed, **fault).feed(fresh()) for seed in range(6)]
    assert p99_ms(np.concatenate(errors)) < 1.0


def test_an_hour_is_as_good_as_a_minute_and_takes_no_more_memory():
    clock = fresh()
    board = Bursts("uniform", 50, 3600)
    last, stamps = board.stamps()
    errors, sizes = np.zeros(len(last)), []
    tracemalloc.start()
    try:
        for k, (index, stamp) in enumerate(zip(last, stamps, strict=True)):
            clock.observe(int(index), float(stamp))
            if k % 20000 == 19999:
                sizes.append(tracemalloc.get_traced_memory()[0])
            if k % 10 == 0 and index > 2500:
                errors[k] = clock.time_at(index) - board.true(index)
    finally:
        tracemalloc.stop()
    assert p99_ms(errors[errors != 0]) < 1.0
    assert clock.drift_ppm() == pytest.approx(-50, abs=15)
    assert sizes[-1] < sizes[0] + 20_000


@settings(max_examples=30)
@given(drift_ppm=st.floats(-2000, 2000), seed=st.integers(0, 999), jitter=st.sampled_from(sorted(JITTERS)), chunk=st.integers(4, 12))
def test_rate_and_drift_are_found_whatever_they_are(drift_ppm, seed, jitter, chunk):
    clock = fresh()
    Bursts(jitter, drift_ppm, 70, seed=seed, chunk=chunk).feed(clock)
    assert clock.drift_ppm() == pytest.approx(-drift_ppm, abs=0.1 * abs(drift_ppm) + 80)
    assert clock.measured_rate_hz() == pytest.approx(250 / (1 + drift_ppm * 1e-6), rel=3e-4)


@settings(max_examples=30)
@given(drift_ppm=st.floats(-100, 100), seed=st.integers(0, 999), jitter=st.sampled_from(sorted(JITTERS)))
def test_a_settled_line_moves_little_between_chunks_and_never_runs_backwards(drift_ppm, seed, jitter):
    clock, times = fresh(), []
    last, stamps = Bursts(jitter, drift_ppm, 40, seed=seed).stamps()
    for index, stamp in zip(last.tolist(), stamps.tolist(), strict=True):
        clock.observe(index, stamp)
        if index > 11.1 * 250:
            times.append(clock.time_at(index))
    steps = np.diff(times) - 8 / 250
    assert np.abs(steps).max() <= LARGEST_STEP_S + 8 / 250 * 500e-6
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("wrong_by_s", [1.2, 0.3, -0.3, -0.8])
@pytest.mark.parametrize("gap", [(30.0, 33.0), (5.0, 6.0)])
def test_a_board_that_was_opened_again_and_numbered_wrongly_is_right_within_three_seconds(wrong_by_s, gap):
    """What was numbered by the time it was away lies beside the old line by the time that opening took."""
    clock = fresh()
    board = Bursts("uniform", 50, 60, gaps=[gap])
    shift = round(wrong_by_s * 250)
    last = board.stamps()[0]
    errors = board.feed(clock, after_s=0.0, numbered=lambda index: index + (shift if index > gap[0] * 250 else 0))
    settled = last[last > 0] > max(gap[1] + 3, 12.0) * 250
    assert p99_ms(errors[settled]) < 2.0


def test_a_delay_that_lasts_is_no_drift_while_the_numbers_go_on():
    """A link that is congested for twenty seconds delivers late; the samples were taken when they were taken."""
    clock = fresh()
    board = Bursts("uniform", 50, 60)
    last, stamps = board.stamps()
    late = np.where((last > 25 * 250) & (last < 45 * 250), 0.2, 0.0)
    errors = []
    for index, stamp in zip(last.tolist(), (stamps + late).tolist(), strict=True):
        clock.observe(index, stamp)
        errors.append(clock.time_at(index) - board.true(index))
    assert p99_ms(np.array(errors)[last > 2500]) < 2.0


@settings(max_examples=20)
@given(seed=st.integers(0, 999), noise_ms=st.floats(0.01, 2.0), drift_ppm=st.floats(-100, 100))
def test_sender_stamps_err_to_both_sides_and_the_line_goes_through_their_middle(seed, noise_ms, drift_ppm):
    clock, random = fresh(stamps=StampKind.SENDER), np.random.default_rng(seed)
    board = Bursts("uniform", drift_ppm, 40, seed=seed)
    errors = []
    for index in board.stamps()[0].tolist():
        outlier = 0.05 if random.random() < 0.05 else 0.0
        clock.observe(index, board.true(index) + random.normal(0, noise_ms / 1e3) + outlier)
        if index > 2500:
            errors.append(clock.time_at(index) - board.true(index))
    assert p99_ms(np.array(errors)) < 0.1 + 0.6 * noise_ms
    assert clock.drift_ppm() == pytest.approx(-drift_ppm, abs=20 + 40 * noise_ms)


@pytest.mark.parametrize("wrong_by_s", [0.8, 0.1, 0.0, -0.1])
def test_a_stream_that_came_back_and_was_numbered_wrongly_is_right_within_three_seconds(wrong_by_s):
    clock, random = fresh(stamps=StampKind.SENDER), np.random.default_rng(3)
    board, shift, errors = Bursts("uniform", 50, 60), round(wrong_by_s * 250), []
    for index in board.stamps()[0].tolist():
        back = index >= 33 * 250
        if 30 * 250 <= index < 33 * 250:
            continue
        if back and len(errors) == 938:
            clock.gap()
        outlier = 0.05 if random.random() < 0.05 else 0.0
        clock.observe(index + shift * back, board.true(index) + random.normal(0, 1e-3) + outlier)
        errors.append((index / 250, clock.time_at(index + shift * back) - board.true(index)))
    at, error = np.array(errors).T
    assert p99_ms(error[(at > 10) & (at < 30)]) < 1.0
    assert p99_ms(error[at > 36]) < 1.0


def test_jitter_is_the_stamps_deviation_and_the_transmission_delay_is_taken_off():
    clock = fresh(delay_ms=40.0)
    board = Bursts("exponential", 0, 60)
    last, stamps = board.stamps()
    for index, stamp in zip(last.tolist(), stamps.tolist(), strict=True):
        clock.observe(index, stamp + 0.040)
    assert clock.jitter_ms() == pytest.approx(30, rel=0.2)
    assert clock.time_at(last[-1]) == pytest.approx(board.true(last[-1]), abs=1e-3)


def test_exact_stamps_hold_also_after_the_stream_stood_still():
    clock = fresh(stamps=StampKind.EXACT)
    for index in range(7, 5000, 8):
        clock.observe(index, 100.0 + index / 250)
    for index in range(5007, 6000, 8):
        clock.observe(index, 107.5 + index / 250)
    assert clock.time_at(5999) == pytest.approx(107.5 + 5999 / 250, abs=1e-9)
    assert clock.measured_rate_hz() is None


@given(drift_ppm=st.floats(-500, 500), index=st.integers(0, 10**7), base=st.integers(0, 10**6))
@settings(max_examples=20)
def test_index_and_time_are_inverse_and_a_shifted_clock_is_the_same_clock(drift_ppm, index, base):
    clock = fresh()
    Bursts("uniform", drift_ppm, 20).feed(clock)
    assert clock.index_at(clock.time_at(index)) == index
    assert clock.shifted(base).time_at(index) == pytest.approx(clock.time_at(index + base), abs=1e-9)
    assert clock.shifted(base).index_at(clock.time_at(index + base)) == index


def test_a_virtual_clock_takes_no_notice_of_stamps():
    clock = SampleClock(250.0, 100.0, ClockKind.VIRTUAL)
    clock.observe(1000, 1e9)
    assert clock.time_at(500) == 102.0
    assert (clock.index_at(102.0), clock.measured_rate_hz(), clock.drift_ppm(), clock.jitter_ms()) == (500, None, None, None)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=80), st.sampled_from(StampKind))
def test_whatever_a_board_stamps_the_clock_answers(stamps, kind):
    clock = fresh(stamps=kind)
    for k, stamp in enumerate(stamps):
        clock.observe(k * 100, stamp)
        assert isinstance(clock.time_at(k), float)


@given(seed=st.integers(0, 999), slope=st.floats(-1e-3, 1e-3), level=st.floats(-1e3, 1e3))
def test_the_lower_line_moves_with_its_points(seed, slope, level):
    """Equivariance: adding a constant to all stamps adds it to the line."""
    random = np.random.default_rng(seed)
    x = np.arange(40.0)
    points = slope * x + random.exponential(1e-3, 40)
    line, moved = lower_line(x, points, 1e-3), lower_line(x, points + level, 1e-3)
    assert moved.offset_s - line.offset_s == pytest.approx(level, abs=1e-6)
    assert moved.slope == pytest.approx(line.slope, abs=1e-7)


def test_a_recording_that_begins_on_a_running_stream_takes_its_settled_clock_over(tmp_path):
    """The daemon's clock has heard the board for a while; the recording's first chunk is timed as well as its thousandth."""
    plan = SessionPlan(session_id="s", recording_id="s-1", subject="anna", protocol="token_rsvp", task="token_rsvp", prior=0.15)
    board, bursts = StillBoard(), Bursts("uniform", 50, 40)
    running = clock_of(board)
    last, stamps = bursts.stamps()
    begins = 750
    for index, stamp in zip(last[:begins].tolist(), stamps[:begins].tolist(), strict=True):
        running.observe(index, stamp + board.profile.driver.delay_ms / 1e3)
    recorder = Recorder(tmp_path, plan, board, clock=running)
    samples = np.zeros((8, len(board.profile.channels)), dtype=np.float32)
    for index, stamp in zip(last[begins : begins + 20].tolist(), stamps[begins : begins + 20].tolist(), strict=True):
        recorder.samples(BoardChunk(index - 7, samples, stamp + board.profile.driver.delay_ms / 1e3))
    chunks = [r for r in recorder.take_new() if isinstance(r, Chunk)]
    assert chunks[0].sample_index == 0
    assert chunks[0].time_lsl_s == pytest.approx(bursts.true(int(last[begins]) - 7), abs=1.5e-3)


@given(jitter_s=st.floats(0, 0.1), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_times_of_recorded_chunks_never_run_backwards(jitter_s, seed):
    """Also in the first seconds, while the clock still comes to know better."""
    header = Header(
        recording_id="r", session_id="s", subject="anna", protocol="p", task="t", source=Source.LIVE, clock=ClockKind.REAL, start_lsl_s=0.0,
        created_at="2026-01-01T00:00:00Z", profile=load_profile("brainflow_synthetic"), prior=0.2,
    )  # fmt: skip
    sequencer, random = Sequencer(header, fresh()), np.random.default_rng(seed)
    samples = np.zeros((8, 16), dtype=np.float32)
    times = [sequencer.samples(BoardChunk(8 * k, samples, 100 + (8 * k + 7) / 250 + random.uniform(0, jitter_s))).time_lsl_s for k in range(400)]
    assert (np.diff(times) >= 0).all()
