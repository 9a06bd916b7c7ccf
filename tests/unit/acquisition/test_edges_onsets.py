"""Onsets move to their hardware edges: held back, in order, frozen when written, none lost."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquisition.board import BoardChunk
from acquisition.held_events import ALARM_AFTER, MOST_HELD
from acquisition.recorder import Recorder
from hardware_profiles import HardwareProfile, load_profile
from messaging.lab import LabEvent, ServerTime, SessionPlan
from messaging.records import Chunk, ClockFit, Event
from messaging.words import ClockKind, EventType, OnsetSource, Source
from recordings.log import read_log
from tests.reference.photodiode import RATE_HZ, photodiode_profile, unit

PLAN = SessionPlan(session_id="s", recording_id="s-1", subject="anna", protocol="token_rsvp", task="token_rsvp", prior=0.15)
FIT = ClockFit(offset_s=0.0, sd_ms=0.5, rtt_ms=1.0)
START_S = 1000.0


@dataclass
class HandClock:
    now: float = START_S
    kind: ClockKind = ClockKind.REAL

    def now_lsl_s(self) -> float:
        return self.now


@dataclass
class LitBoard:
    """A board with a photodiode (or trigger line) that is high for 100 ms from each of `edges_s` on."""

    edges_s: list = field(default_factory=list)
    profile: HardwareProfile = field(default_factory=photodiode_profile)
    source: Source = Source.LIVE
    clock: HandClock = field(default_factory=HandClock)
    at: int = 0

    def feed(self, recorder: Recorder, seconds: float, chunk: int = 25) -> None:
        end = self.at + round(seconds * RATE_HZ)
        while self.at < end:
            n = min(chunk, end - self.at)
            t = (self.at + np.arange(n)) / RATE_HZ
            samples = np.zeros((n, len(self.profile.channels)), dtype=np.float32)
            for edge in self.edges_s:
                samples[(t >= edge) & (t < edge + 0.1), -1] = 1.0
            self.at += n
            recorder.samples(BoardChunk(self.at - n, samples, START_S + (self.at - 1) / RATE_HZ))


def written(recorder):
    return [r for r in recorder.take_new() if isinstance(r, Event)]


def test_an_onset_waits_for_its_edge_and_moves_to_it(tmp_path):
    board = LitBoard([5.023])
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 5.01)
    held = unit(0, START_S + 5.0, offset_s=START_S + 5.2)
    assert recorder.event(held, FIT) is None
    assert not recorder.has(held.event_id)
    assert recorder.event(held, FIT) is None, "sent again while it waits"
    board.feed(recorder, 0.5)
    (event,) = recorder.take_released()
    assert recorder.has(held.event_id)
    assert written(recorder) == [event]
    assert event.onset_sample_index == round(5.023 * RATE_HZ + 0.5)
    assert event.onset.onset_source is OnsetSource.PHOTODIODE
    assert event.onset.onset_lsl_s == pytest.approx(START_S + 5.023, abs=0.5 / RATE_HZ)
    assert event.onset.offset_lsl_s - event.onset.onset_lsl_s == pytest.approx(0.2)
    assert event.onset.onset_sd_ms == pytest.approx(1e3 / RATE_HZ / np.sqrt(12))
    assert event.onset.page_ms == held.time.page_ms
    assert recorder.event(held, FIT) is None
    assert recorder.take_released() == []


def test_an_onset_without_an_edge_keeps_its_own_source_and_several_raise_an_alarm_once(tmp_path):
    board = LitBoard([])
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 2.0)
    for k in range(ALARM_AFTER + 3):
        assert recorder.take_alarm() is None or k > ALARM_AFTER
        recorder.event(unit(k, START_S + 2.0 + k), FIT)
        board.feed(recorder, 1.0)
        if k == ALARM_AFTER - 1:
            assert "edge on channel light" in recorder.take_alarm()
    assert recorder.take_alarm() is None
    events = recorder.take_released()
    assert [e.onset.onset_source for e in events] == [OnsetSource.FRAME] * (ALARM_AFTER + 3)
    assert recorder.sequencer.held.n_without_edge == ALARM_AFTER + 3


def test_a_trigger_line_gives_the_source_trigger(tmp_path):
    board = LitBoard([3.0], profile=photodiode_profile(kind="trigger"))
    recorder = Recorder(tmp_path, PLAN, board)
    recorder_event = unit(0, START_S + 3.01)
    board.feed(recorder, 3.05)
    recorder.event(recorder_event, FIT)
    board.feed(recorder, 0.5)
    assert recorder.take_released()[0].onset.onset_source is OnsetSource.TRIGGER


def test_a_late_report_finds_its_edge_in_what_was_seen(tmp_path):
    """A page that was cut off reports its onsets when it is back."""
    board = LitBoard([3.02, 3.52, 4.02])
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 60.0)
    events = [recorder.event(unit(k, START_S + 3.0 + 0.5 * k), FIT) for k in range(3)]
    assert [e.onset_sample_index for e in events] == [round(s * RATE_HZ) for s in board.edges_s]


def test_an_edge_that_is_missing_is_not_taken_from_the_next_unit(tmp_path):
    for soa_ms, known in ((200.0, False), (None, True)):
        board = LitBoard([3.02, 3.42])
        recorder = Recorder(tmp_path / str(known), PLAN.model_copy(update={"soa_ms": soa_ms}), board)
        board.feed(recorder, 3.0)
        times = [3.0, 3.2, 3.4]
        for k, at in enumerate(times):
            if not known:
                board.feed(recorder, max(0.0, at + 0.21 - board.at / RATE_HZ))
            recorder.event(unit(k, START_S + at), FIT)
        board.feed(recorder, 1.0)
        events = written(recorder)
        assert [e.onset.onset_source for e in events] == [OnsetSource.PHOTODIODE, OnsetSource.FRAME, OnsetSource.PHOTODIODE]


def test_what_comes_after_a_held_event_stays_behind_it(tmp_path):
    board = LitBoard([3.02])
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 3.0)
    pause = LabEvent(event_id="pause", type=EventType.PAUSE, session_id="s")
    recorder.event(unit(0, START_S + 3.0), FIT)
    assert recorder.event(pause) is None
    assert not recorder.has("pause")
    board.feed(recorder, 0.5)
    assert [e.type for e in recorder.take_released()] == [EventType.UNIT, EventType.PAUSE]


def test_the_end_of_a_recording_waits_for_nobody(tmp_path):
    board = LitBoard([3.02])
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 3.1)
    recorder.event(unit(0, START_S + 3.0), FIT)
    recorder.event(unit(1, START_S + 3.09), FIT)
    recorder.finish("finished")
    records = list(read_log(recorder.path))
    units = [r for r in records if isinstance(r, Event)]
    assert [u.onset.onset_source for u in units] == [OnsetSource.PHOTODIODE, OnsetSource.FRAME]
    assert [r.ordinal for r in records] == list(range(1, len(records) + 1))


def test_after_a_crash_what_was_held_comes_again_and_still_finds_its_edge(tmp_path):
    board = LitBoard([3.02])
    first = Recorder(tmp_path, PLAN, board)
    board.feed(first, 3.1)
    held = unit(0, START_S + 3.0)
    assert first.event(held, FIT) is None
    first.close()
    again = LitBoard(board.edges_s, at=0)
    again.clock.now = START_S + 5.0
    second = Recorder(tmp_path, PLAN, again)
    assert not second.has(held.event_id)
    t = START_S + 5.0
    second.samples(BoardChunk(0, np.zeros((25, len(again.profile.channels)), dtype=np.float32), t))
    event = second.event(held, FIT)
    assert event.onset.onset_source is OnsetSource.PHOTODIODE
    assert event.onset_sample_index == round(3.02 * RATE_HZ)


def test_a_silent_board_does_not_make_the_daemon_grow(tmp_path):
    board = LitBoard([])
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 2.0)
    for k in range(MOST_HELD + 50):
        recorder.event(unit(k, START_S + 1.9 + 0.001 * k), FIT)
    board.feed(recorder, 0.1)
    assert len(recorder.sequencer.held) <= MOST_HELD
    assert [e.unit.index for e in recorder.take_released()[:50]] == list(range(50))


@settings(max_examples=25)
@given(
    data=st.data(), chunk=st.integers(1, 200), latency_ms=st.integers(-30, 120), missing=st.sets(st.integers(0, 9)),
    report_ms=st.lists(st.integers(0, 3000), min_size=10, max_size=10),
)  # fmt: skip
def test_every_event_is_written_once_in_order_and_at_its_edge_whenever_it_is_reported(tmp_path_factory, data, chunk, latency_ms, missing, report_ms):
    """Units every 500 ms; some edges are missing; reports come after up to three seconds."""
    shown = [2.0 + 0.5 * k for k in range(10)]
    edges = {k: s + latency_ms / 1e3 for k, s in enumerate(shown) if k not in missing}
    board = LitBoard(list(edges.values()))
    recorder = Recorder(tmp_path_factory.mktemp("held"), PLAN, board)
    reports = sorted((s + ms / 1e3, k) for k, (s, ms) in enumerate(zip(shown, report_ms, strict=True)))
    sent = []
    for at, k in reports:
        board.feed(recorder, max(0.0, at - board.at / RATE_HZ), chunk)
        sent.append(k)
        recorder.event(unit(k, START_S + shown[k]), FIT)
        if data.draw(st.booleans()):
            recorder.event(unit(k, START_S + shown[k]), FIT)
    board.feed(recorder, 2.0, chunk)
    recorder.finish("finished")
    records = list(read_log(recorder.path))
    assert [r.ordinal for r in records] == list(range(1, len(records) + 1))
    units = [r for r in records if isinstance(r, Event)]
    assert [u.unit.index for u in units] == sent
    for u in units:
        k = u.unit.index
        if k in edges:
            assert u.onset.onset_source is OnsetSource.PHOTODIODE
            assert abs(u.onset_sample_index - edges[k] * RATE_HZ) <= 1
        else:
            assert u.onset.onset_source is OnsetSource.FRAME
    assert sum(r.n_samples for r in records if isinstance(r, Chunk)) == board.at


def test_without_onset_edges_nothing_waits(tmp_path):
    board = LitBoard([3.0], profile=load_profile("simulated_subject"))
    recorder = Recorder(tmp_path, PLAN, board)
    time = ServerTime(onset_server_s=START_S, onset_sd_ms=1.0, onset_source=OnsetSource.FRAME)
    assert recorder.event(LabEvent(event_id="e", type=EventType.UNIT, session_id="s", time=time), FIT) is not None
