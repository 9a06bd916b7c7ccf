from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import kernels
from decoders.filters import band_pass_sections
from decoders.offline import filter_recording
from decoders.spec import MismatchError, Preprocessing, Reference, StreamError
from decoders.stream import FilteredStream
from tests.reference import kernels as naive

RATE_HZ, MAX_GAP, SETTLE = 100.0, 4, 20
NAMES = ("Fz", "Cz", "Pz")
PREPROCESSING = Preprocessing(RATE_HZ, ("Pz", "Fz"), 0.5, 20.0, settle_s=0.2, max_interpolated_gap_ms=40.0)


def noise(n, seed=0):
    return (np.random.default_rng(seed).normal(scale=20, size=(n, 3)) + 500).astype(np.float32)


def stream(preprocessing=PREPROCESSING, ring_s=5.0, loss_history_s=1.0):
    return FilteredStream(preprocessing, RATE_HZ, NAMES, ring_s=ring_s, loss_history_s=loss_history_s)


def feed(target, samples, missing, as_nan, cuts, first=0):
    """Send samples in chunks; missing ones are NaN where `as_nan`, else never come."""
    samples = samples.copy()
    # A NaN in one picked channel is enough; an infinity does the same.
    samples[missing & as_nan, 0] = np.nan
    samples[missing & as_nan & (np.arange(len(samples)) % 2 == 0), 2] = np.inf
    absent = missing & ~as_nan
    borders = sorted({0, len(samples), *cuts, *(np.flatnonzero(np.diff(absent)) + 1).tolist()})
    for start, stop in pairwise(borders):
        if not absent[start]:
            target.receive(first + start, samples[start:stop])


def everything(target):
    rows, marks = target.read(target.oldest_index, target.end_index)
    losses = [(target.loss_at(i).total, target.loss_at(i).recent) for i in range(target.oldest_index, target.end_index)]
    return target.oldest_index, target.end_index, rows.tobytes(), marks.tobytes(), losses


gaps = st.lists(st.tuples(st.integers(0, 299), st.integers(1, 12), st.booleans()), max_size=12)
cut_places = st.lists(st.integers(0, 300), max_size=60)


def missing_of(spans):
    missing, as_nan = np.zeros(300, bool), np.zeros(300, bool)
    for start, n, nan in spans:
        missing[start : start + n] = True
        as_nan[start : start + n] = nan
    return missing, as_nan


@given(gaps, cut_places, st.integers(0, 10_000))
@settings(max_examples=80, deadline=None)
def test_gaps_and_nans_come_out_as_in_the_twin(spans, cuts, first):
    samples, (missing, as_nan) = noise(300), missing_of(spans)
    # Where nothing ever came, a stream has not begun or has not ended yet.
    came = np.flatnonzero(~missing | as_nan)
    if not len(came):
        return
    begin, stop = came[0], came[-1] + 1
    target = stream()
    feed(target, samples, missing, as_nan, cuts, first)
    rows, marks = naive.filtered_with_gaps(samples[begin:stop, [2, 0]], missing[begin:stop], band_pass_sections(PREPROCESSING), MAX_GAP, SETTLE)
    assert (target.oldest_index, target.end_index) == (first + begin, first + begin + len(marks))
    found, found_marks = target.read(target.oldest_index, target.end_index)
    np.testing.assert_array_equal(found_marks, marks)
    np.testing.assert_allclose(found, rows, rtol=0, atol=1e-9)
    total, recent = naive.missing_counts((marks & kernels.MISSING) != 0, 100)
    assert [target.loss_at(first + begin + i).total for i in range(len(marks))] == total
    assert [target.loss_at(first + begin + i).recent for i in range(len(marks))] == recent


@given(gaps, cut_places, cut_places, st.sampled_from([1.2, 2.0, 5.0]), st.sampled_from(Reference))
@settings(max_examples=80, deadline=None)
def test_output_is_bit_identical_for_any_chunking(spans, cuts, other_cuts, ring_s, reference):
    preprocessing = Preprocessing(RATE_HZ, ("Pz", "Fz"), 0.5, 20.0, reference=reference, settle_s=0.2)
    samples, (missing, as_nan) = noise(300), missing_of(spans)
    one, other = stream(preprocessing, ring_s), stream(preprocessing, ring_s)
    feed(one, samples, missing, as_nan, cuts)
    feed(other, samples, missing, as_nan, other_cuts)
    assert everything(one) == everything(other)


@given(gaps, cut_places, st.integers(0, 300), st.sampled_from([1.2, 5.0]))
@settings(max_examples=60, deadline=None)
def test_a_restored_stream_goes_on_bit_for_bit(spans, cuts, at, ring_s):
    samples, (missing, as_nan) = noise(300), missing_of(spans)
    whole, before, after = stream(ring_s=ring_s), stream(ring_s=ring_s), stream(ring_s=ring_s)
    feed(whole, samples, missing, as_nan, [*cuts, at])
    feed(before, samples[:at], missing[:at], as_nan[:at], [c for c in cuts if c < at])
    after.restore(*before.state())
    feed(before, samples[:0], missing[:0], as_nan[:0], [])
    if at < 300:
        feed(after, samples[at:], missing[at:], as_nan[at:], [c - at for c in cuts if c > at], first=at)
    assert everything(after) == everything(whole)


def test_state_is_a_copy():
    target = stream()
    target.receive(0, noise(50))
    numbers, arrays = target.state()
    kept = {name: array.tobytes() for name, array in arrays.items()}
    target.receive(50, noise(400))
    assert {name: array.tobytes() for name, array in arrays.items()} == kept
    assert numbers["end_index"] == 50


def test_an_interpolated_gap_waits_for_its_end_and_lies_on_the_line():
    flat = Preprocessing(RATE_HZ, ("Fz",), 0.0, 49.0, order=1, settle_s=0.0)
    target = FilteredStream(flat, RATE_HZ, ("Fz",), ring_s=5, loss_history_s=1)
    target.receive(0, np.full((10, 1), 7.0, np.float32))
    target.receive(10, np.full((4, 1), np.nan, np.float32))
    assert (target.end_index, target.received_index) == (10, 14)
    target.receive(14, np.full((3, 1), 7.0, np.float32))
    rows, marks = target.read(0, 17)
    np.testing.assert_allclose(rows, 7.0, atol=1e-12)
    assert marks.tolist() == [0] * 10 + [kernels.INTERPOLATED] * 4 + [0] * 3


def test_one_sample_more_than_the_limit_loses_the_gap_and_settles_again():
    target = stream()
    target.receive(0, noise(50))
    target.receive(55, noise(40))
    marks = target.read(0, 95)[1]
    assert set(marks[50:55]) == {kernels.LOST}
    assert set(marks[55:75]) == {kernels.SETTLING}
    assert set(marks[75:]) == {0}


def test_a_gap_longer_than_the_ring_leaves_only_its_number():
    target = stream()
    target.receive(0, noise(50))
    target.receive(5_000_050, noise(10))
    assert (target.oldest_index, target.end_index) == (5_000_060 - 500, 5_000_060)
    assert target.loss_at(5_000_059).total == 5_000_000
    assert target.loss_at(5_000_059).recent == 90
    assert set(target.read(target.oldest_index, 5_000_050)[1]) == {kernels.LOST}


def test_a_constant_offset_gives_no_step_transient():
    target = stream()
    target.receive(0, np.full((300, 3), 25_000, np.float32))
    assert np.abs(target.read(0, 300)[0]).max() < 1e-5


def test_channels_that_are_not_picked_may_be_broken():
    samples = noise(300)
    broken = samples.copy()
    broken[:, 1] = np.nan
    one, other = stream(), stream()
    one.receive(0, samples)
    other.receive(0, broken)
    assert everything(one) == everything(other)


def test_a_whole_recording_equals_the_stream_bit_for_bit():
    samples = noise(900)
    segments = [(100, 0, 300), (402, 300, 100), (520, 400, 500)]
    recording = filter_recording(PREPROCESSING, samples, RATE_HZ, NAMES, segments)
    live = stream(ring_s=20)
    for index, row, n in segments:
        for start in range(0, n, 7):
            live.receive(index + start, samples[row + start : row + min(start + 7, n)])
    rows, marks = live.read(live.oldest_index, live.end_index)
    assert (recording.first_index, recording.end_index) == (100, 1020)
    assert recording.rows.tobytes() == rows.tobytes()
    assert recording.marks.tobytes() == marks.tobytes()
    assert recording.read(150, 160)[0].tobytes() == live.read(150, 160)[0].tobytes()
    assert not recording.holds(99, 110)
    with pytest.raises(StreamError, match="outside the recording"):
        recording.read(1000, 1021)


def test_reading_outside_the_ring_is_refused():
    target = stream()
    target.receive(0, noise(600))
    with pytest.raises(StreamError, match="not in the ring"):
        target.read(99, 200)
    with pytest.raises(StreamError, match="not in the ring"):
        target.read(500, 601)


def test_samples_twice_or_of_another_width_are_refused():
    target = stream()
    target.receive(0, noise(50))
    with pytest.raises(StreamError, match="received before"):
        target.receive(49, noise(5))
    with pytest.raises(StreamError, match="3 channels"):
        target.receive(50, noise(5)[:, :2])


def test_a_state_of_another_size_is_refused():
    with pytest.raises(StreamError, match="size"):
        stream(ring_s=3.0).restore(*stream(ring_s=5.0).state())


@pytest.mark.parametrize(
    ("preprocessing", "match"),
    [
        (Preprocessing(250.0, ("Fz",), 0.5, 20.0), "100 Hz.*250 Hz"),
        (Preprocessing(RATE_HZ, ("Fz", "FCz", "CPz"), 0.5, 20.0), "FCz, CPz"),
        (Preprocessing(RATE_HZ, (), 0.5, 20.0), "no channel"),
        (Preprocessing(RATE_HZ, ("Fz",), 0.5, 50.0), "0.5-50 Hz"),
        (Preprocessing(RATE_HZ, ("Fz",), 20.0, 20.0), "20-20 Hz"),
        (Preprocessing(RATE_HZ, ("Fz",), 0.5, 20.0, order=0), "order of 0"),
    ],
)
def test_what_does_not_fit_is_named(preprocessing, match):
    with pytest.raises(MismatchError, match=match):
        stream(preprocessing)


def test_an_empty_recording_is_refused():
    with pytest.raises(StreamError, match="no sample"):
        filter_recording(PREPROCESSING, noise(0), RATE_HZ, NAMES)
