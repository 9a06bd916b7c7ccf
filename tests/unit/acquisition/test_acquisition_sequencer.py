"""The sequencer and the sample clock: one order, every onset at its sample, bursts made straight."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquisition.board import BoardChunk, PlacedEvent
from acquisition.sample_clock import SampleClock
from acquisition.sequencer import Sequencer
from hardware_profiles import load_profile
from messaging.identity import event_id
from messaging.lab import LabEvent, ServerTime
from messaging.records import ClockFit, Header, UnitShown
from messaging.words import ClockKind, EventType, OnsetSource, Source

RATE = 250.0


def header(kind=ClockKind.VIRTUAL):
    return Header(
        recording_id="r", session_id="s", subject="anna", protocol="token_rsvp", task="token_rsvp", source=Source.SIMULATED, clock=kind,
        start_lsl_s=100.0, created_at="2026-01-01T00:00:00Z", profile=load_profile("brainflow_synthetic"), prior=0.2,
    )  # fmt: skip


def chunk(first, n, stamp=0.0):
    return BoardChunk(first_index=first, samples=np.zeros((n, 16), dtype=np.float32), host_stamp_lsl_s=stamp)


def unit_event(k, server_s=None):
    time = None if server_s is None else ServerTime(onset_server_s=server_s, onset_sd_ms=2.0, onset_source=OnsetSource.FRAME)
    identity = event_id("s", "p", EventType.UNIT, k)
    return LabEvent(event_id=identity, type=EventType.UNIT, session_id="s", presentation="p", unit=UnitShown(index=k, text="word"), time=time)


@given(st.lists(st.tuples(st.sampled_from(["chunk", "gap", "event", "again"]), st.integers(1, 40)), max_size=40))
def test_ordinals_rise_by_one_and_no_sample_comes_twice(steps):
    sequencer = Sequencer(header(), SampleClock(RATE, 100.0, ClockKind.VIRTUAL))
    index, records, events = 0, [], 0
    for what, n in steps:
        if what == "gap":
            index += n
        elif what == "event":
            events += 1
            records.append(sequencer.placed(PlacedEvent(unit_event(events), sample_index=index)))
        elif what == "again":
            records.append(sequencer.samples(chunk(max(0, index - n), n)))
            index = max(index, max(0, index - n) + n)
        else:
            records.append(sequencer.samples(chunk(index, n)))
            index += n
    records = [r for r in records if r is not None]
    assert [r.ordinal for r in records] == list(range(2, 2 + len(records)))
    ends = 0
    for r in records:
        if hasattr(r, "samples"):
            assert r.sample_index >= ends
            ends = r.end_index


def test_a_chunk_that_overlaps_what_is_recorded_is_cut_to_what_is_new():
    sequencer = Sequencer(header(), SampleClock(RATE, 100.0, ClockKind.VIRTUAL), last_ordinal=7, next_index=100)
    record = sequencer.samples(chunk(90, 20))
    assert (record.ordinal, record.sample_index, record.n_samples) == (8, 100, 10)
    assert record.time_lsl_s == 100.0 + 100 / RATE


def test_an_event_sent_again_is_not_recorded_again():
    sequencer = Sequencer(header(), SampleClock(RATE, 100.0, ClockKind.VIRTUAL), recorded={event_id("s", "p", EventType.UNIT, 1)})
    assert sequencer.placed(PlacedEvent(unit_event(1), 5)) is None
    assert sequencer.placed(PlacedEvent(unit_event(2), 5)) is not None
    assert sequencer.placed(PlacedEvent(unit_event(2), 5)) is None


def test_an_onset_goes_through_both_clocks_to_its_sample_and_deviations_add_in_quadrature():
    sequencer = Sequencer(header(), SampleClock(RATE, 100.0, ClockKind.VIRTUAL), next_index=1000)
    event = sequencer.event(unit_event(1, server_s=3.0), ClockFit(offset_s=99.0, sd_ms=1.5, rtt_ms=1.0))
    assert event.onset.onset_lsl_s == pytest.approx(102.0)
    assert event.onset_sample_index == 500
    assert event.onset.onset_sd_ms == pytest.approx(2.5)


@pytest.mark.parametrize("server_s", [-50.0, 1e6])
def test_an_onset_outside_the_recording_is_kept_without_a_sample(server_s):
    sequencer = Sequencer(header(), SampleClock(RATE, 100.0, ClockKind.VIRTUAL), next_index=1000)
    event = sequencer.event(unit_event(1, server_s), ClockFit(offset_s=99.0, sd_ms=0, rtt_ms=0))
    assert event.onset_sample_index is None
    assert event.onset is not None


def bursts(drift_ppm, jitter_s, seconds, gap=None, seed=0):
    """Chunks of 8 samples whose stamps are late by up to `jitter_s`."""
    rng = random.Random(seed)
    clock = SampleClock(RATE, 0.0, ClockKind.REAL)
    true = lambda i: 50.0 + i / RATE * (1 + drift_ppm * 1e-6)  # noqa: E731
    errors = []
    for first in range(0, int(seconds * RATE), 8):
        if gap and gap[0] <= first / RATE < gap[1]:
            continue
        last = first + 7
        clock.observe(last, true(last) + rng.uniform(0, jitter_s))
        if first / RATE > 10:
            errors.append(clock.time_at(last) - true(last))
    return clock, np.array(errors)


@pytest.mark.parametrize("gap", [None, (20.0, 27.0)])
def test_bursty_stamps_become_a_straight_line(gap):
    """30 ms of jitter and 50 ppm of drift leave an error far below the jitter, also over a gap."""
    clock, errors = bursts(50, 0.030, 60, gap)
    assert np.percentile(np.abs(errors - np.median(errors)), 99) < 0.002
    assert abs(np.median(errors)) < 0.003
    assert clock.measured_rate_hz() == pytest.approx(RATE / (1 + 50e-6), rel=5e-5)


def test_index_and_time_are_inverse():
    clock, _ = bursts(80, 0.01, 30)
    for index in (0, 1234, 7000, 10_000):
        assert clock.index_at(clock.time_at(index)) == index


@pytest.mark.parametrize("server_s", [1e12, -1e12, 1e300])
def test_an_absurd_onset_harms_nobody(server_s):
    """A page with a broken clock must not stop the daemon: the event is kept, without a sample."""
    sequencer = Sequencer(header(), SampleClock(RATE, 100.0, ClockKind.VIRTUAL), next_index=1000)
    event = sequencer.event(unit_event(1, server_s), ClockFit(offset_s=99.0, sd_ms=0, rtt_ms=0))
    assert event.onset_sample_index is None
    with pytest.raises(ValueError, match="less than or equal"):
        ClockFit(offset_s=1.7e308, sd_ms=1, rtt_ms=1)
