"""The recorder after a kill: real time has passed, and what was shown before still belongs to the samples before."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from acquisition.board import BoardChunk
from acquisition.recorder import Recorder
from hardware_profiles import HardwareProfile, load_profile
from messaging.lab import LabEvent, ServerTime, SessionPlan
from messaging.records import ClockFit, Event, UnitShown
from messaging.words import ClockKind, EventType, OnsetSource, Source

PLAN = SessionPlan(session_id="s", recording_id="s-1", subject="anna", protocol="token_rsvp", task="token_rsvp", prior=0.15)
FIT = ClockFit(offset_s=0.0, sd_ms=0.5, rtt_ms=1.0)
N = 8


@dataclass
class HandClock:
    now: float = 0.0
    kind: ClockKind = ClockKind.REAL

    def now_lsl_s(self) -> float:
        return self.now


@dataclass
class StillBoard:
    """A board whose samples the test makes: sample i is taken at `start + i / rate` and arrives `delay_ms` later."""

    profile: HardwareProfile = field(default_factory=lambda: load_profile("simulated_subject"))
    source: Source = Source.LIVE
    clock: HandClock = field(default_factory=HandClock)

    def feed(self, recorder: Recorder, start_lsl_s: float, first: int, seconds: float) -> None:
        rate, delay_s = self.profile.sampling_rate_hz, self.profile.driver.delay_ms / 1e3
        for index in range(first, first + int(seconds * rate), N):
            stamp = start_lsl_s + (index + N - 1) / rate + delay_s
            self.clock.now = stamp
            samples = np.zeros((N, len(self.profile.channels)), dtype=np.float32)
            recorder.samples(BoardChunk(first_index=index, samples=samples, host_stamp_lsl_s=stamp))


def unit(k: int, at_s: float) -> LabEvent:
    time = ServerTime(onset_server_s=at_s, onset_sd_ms=1.0, onset_source=OnsetSource.FRAME)
    return LabEvent(event_id=f"e{k}", type=EventType.UNIT, session_id="s", presentation="p", unit=UnitShown(index=k, text="w"), time=time)


@pytest.mark.parametrize("startup_s", [0.0, 0.7, 3.0])
def test_after_a_restart_an_onset_has_the_sample_it_had_before(tmp_path, startup_s):
    board = StillBoard()
    board.clock.now = 1000.0
    first = Recorder(tmp_path, PLAN, board)
    board.feed(first, 990.0, 2480, 30.0)
    before = first.event(unit(1, 1010.0), FIT)
    end = first.sequencer.next_index
    first.close()

    board.clock.now = 1032.0
    second = Recorder(tmp_path, PLAN, board)
    assert not second.can_place
    board.feed(second, 1032.0 + startup_s, 0, 5.0)
    assert second.can_place
    after = second.event(unit(2, 1010.0), FIT)
    in_the_gap = second.event(unit(3, 1031.0), FIT)
    assert isinstance(before, Event)
    assert abs(after.onset_sample_index - before.onset_sample_index) <= 1
    rate = board.profile.sampling_rate_hz
    assert end < in_the_gap.onset_sample_index < end + (1032.0 + startup_s - 1029.0) * rate
    assert second.sequencer.lost_samples == pytest.approx((1032.0 + startup_s - (990.0 + 2480 / rate + 30.0)) * rate, abs=N)


def test_a_fresh_recording_counts_from_its_first_sample(tmp_path):
    board = StillBoard()
    recorder = Recorder(tmp_path, PLAN, board)
    board.feed(recorder, 500.0, 12345 * N, 1.0)
    chunk = next(r for r in recorder.take_new() if hasattr(r, "samples"))
    assert chunk.sample_index == 0
    assert recorder.sequencer.lost_samples == 0
