"""Sample numbers from a sender's stamps: jitter and drift are no loss, loss is, whatever the cuts."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquisition.lsl_numbering import LONGEST_HOLD_S, StampNumbering

RATE = 250.0


def number(sent, stamps_s, rate_hz=RATE, cuts=itertools.repeat(8), first=0):  # noqa: B008
    """Number samples that carry their true index; returns the numbers given, in order."""
    numbering = StampNumbering(rate_hz)
    numbering.begin(first)
    given, carried, at = [], [], 0
    while at < len(sent):
        n = next(cuts)
        runs = numbering.take(sent[at : at + n, None].astype(float), stamps_s[at : at + n])
        at += n
        for run in runs:
            given += range(run.first_index, run.first_index + len(run.samples))
            carried += run.samples[:, 0].tolist()
    for run in numbering.flush():
        given += range(run.first_index, run.first_index + len(run.samples))
        carried += run.samples[:, 0].tolist()
    assert carried == sent.tolist()
    assert all(a < b for a, b in itertools.pairwise(given))
    return np.array(given), numbering


def sent_with(lost, seconds=20, rate_hz=RATE):
    index = np.arange(round(seconds * rate_hz))
    for first, n in lost:
        index = index[(index < first) | (index >= first + n)]
    return index


@given(
    losses=st.lists(st.tuples(st.integers(200, 4000), st.integers(1, 600)), max_size=5),
    drift_ppm=st.sampled_from([0, 50, -200, 1000, -1000]),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    begin_s=st.sampled_from([0.0, 1e5, 1e9]),
    first=st.sampled_from([0, 1000]),
)
def test_every_lost_sample_of_a_regular_sender_is_a_missing_number(losses, drift_ppm, cuts, begin_s, first):
    # Two losses within the time that samples are held back are one question each: keep them apart here.
    losses = [loss for k, loss in enumerate(sorted(losses)) if k == 0 or loss[0] > sum(sorted(losses)[k - 1]) + 150]
    sent = sent_with(losses)
    numbers, _ = number(sent, begin_s + sent / RATE * (1 + drift_ppm * 1e-6), cuts=itertools.cycle(cuts), first=first)
    # Until drift is known (1.5 s) a sample may be the drift's; 1000 ppm over a gap are less than half a sample.
    assert np.abs(numbers - first - sent).max() <= (0 if abs(drift_ppm) <= 200 else 1)


@settings(max_examples=15)
@given(mean_ms=st.sampled_from([1.0, 5.0, 15.0, 30.0]), seed=st.integers(0, 2**16), chunk=st.sampled_from([1, 4, 8, 12]))
def test_jitter_alone_is_hardly_ever_taken_for_loss(mean_ms, seed, chunk):
    sent = sent_with([], seconds=30)
    late_s = np.repeat(np.random.default_rng(seed).exponential(mean_ms / 1e3, len(sent) // chunk + 1), chunk)[: len(sent)]
    numbers, numbering = number(sent, 1e5 + sent / RATE + late_s, cuts=itertools.repeat(chunk))
    assert np.abs(numbers - sent).max() <= 3 * mean_ms / 1e3 * RATE + 1
    assert numbering.lost_samples <= 3 * mean_ms / 1e3 * RATE + 1


@pytest.mark.parametrize("mean_ms", [1.0, 5.0, 30.0])
def test_a_loss_longer_than_the_jitter_is_found_to_within_the_jitter(mean_ms):
    sent = sent_with([(2500, 500)])
    late_s = np.repeat(np.random.default_rng(3).exponential(mean_ms / 1e3, len(sent) // 8 + 1), 8)[: len(sent)]
    numbers, _ = number(sent, 1e5 + sent / RATE + late_s)
    assert np.abs(numbers - sent).max() <= 2 * mean_ms / 1e3 * RATE + 1


def test_a_sender_that_hesitates_and_catches_up_has_lost_nothing():
    sent = sent_with([])
    stamps = 1e5 + sent / RATE
    stamps[2000:2015] = stamps[2015] + np.arange(15) * 1e-4  # stamped when pushed, 60 ms late, in a burst
    numbers, _ = number(sent, stamps, cuts=itertools.repeat(1))
    assert numbers.tolist() == sent.tolist()


def test_stamps_that_are_no_numbers_are_taken_to_be_on_time():
    sent = sent_with([])
    stamps = 1e5 + sent / RATE
    stamps[[0, 7, 700, 701, 702, 1999]] = np.nan
    stamps[0] = 1e5
    numbers, _ = number(sent, stamps)
    assert numbers.tolist() == sent.tolist()


@given(stamps=st.lists(st.floats(-1e9, 1e9) | st.just(float("nan")), min_size=1, max_size=400))
def test_whatever_the_stamps_no_sample_is_lost_and_memory_is_bounded(stamps):
    numbering = StampNumbering(RATE)
    sent, out = np.arange(len(stamps)), 0
    numbering.take(np.zeros((200, 1)), np.arange(200) / RATE)
    last = -1
    for at in range(0, len(stamps), 7):
        for run in numbering.take(sent[at : at + 7, None], np.array(stamps[at : at + 7])):
            assert run.first_index > last
            last = run.first_index + len(run.samples) - 1
            out += len(run.samples)
        assert numbering.holding <= LONGEST_HOLD_S * RATE
    out += sum(len(run.samples) for run in numbering.flush())
    assert out == len(stamps)
