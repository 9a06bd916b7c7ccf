"""A session at real speed: a recording, and beside it the LSL outlets, fed as the daemon feeds them."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pylsl

from acquisition.board import BoardChunk
from acquisition.lsl_outlets import LslOutlets
from acquisition.recorder import Recorder
from hardware_profiles import HardwareProfile
from messaging.clocks import Clock, RealClock
from messaging.lab import LabEvent, ServerTime, SessionPlan
from messaging.records import Chunk, ClockFit, Event, UnitShown
from messaging.words import EventType, OnsetSource, Source

CHUNK = 8
SAME_CLOCK = ClockFit(offset_s=0.0, sd_ms=0.1, rtt_ms=0.1)


@dataclass
class _Board:
    profile: HardwareProfile
    source: Source = Source.LIVE
    clock: Clock = field(default_factory=RealClock)


class LslSession(threading.Thread):
    """Records samples at their rate, in chunks that arrive with a jitter, and sends what was recorded.

    Parameters
    ----------
    folder : Path
    profile : HardwareProfile
        With `lsl_eeg` or `lsl_markers`.
    samples : (n_samples, n_channels)
    units : list of int
        At these samples, and a third of a sample later, a unit is shown.
    """

    def __init__(self, folder: Path, profile: HardwareProfile, samples: np.ndarray, units: list[int]) -> None:
        super().__init__(daemon=True)
        plan = SessionPlan(session_id="s", recording_id="s-1", subject="anna", protocol="p", task="t", prior=0.15)
        self.outlets = LslOutlets(profile, host="test")
        self._recorder = Recorder(folder, plan, _Board(profile))  # type: ignore[arg-type]
        self.path = self._recorder.path
        self._rate, self._samples, self._units = profile.sampling_rate_hz, samples, units

    def run(self) -> None:
        """Play the session to its end."""
        begun, random = pylsl.local_clock(), np.random.default_rng(1)
        units = list(self._units)
        self._send()
        for first in range(0, len(self._samples), CHUNK):
            taken = begun + (first + CHUNK - 1) / self._rate
            arrives = taken + random.exponential(2e-3)
            time.sleep(max(0.0, arrives - pylsl.local_clock()))
            self._recorder.samples(BoardChunk(first, self._samples[first : first + CHUNK], pylsl.local_clock()))
            while units and units[0] < first:
                sample = units.pop(0)
                self._show(len(self._units) - len(units), begun + (sample + 1 / 3) / self._rate)
            self._send()
        self._recorder.finish("over")
        self._send()

    def _show(self, k: int, onset_lsl_s: float) -> None:
        shown = UnitShown(index=k, text=f"secret{k}")
        at = ServerTime(onset_server_s=onset_lsl_s, onset_sd_ms=1.0, onset_source=OnsetSource.FRAME)
        event = LabEvent(event_id=f"e{k}", type=EventType.UNIT, session_id="s", presentation="p", unit=shown, time=at)
        self._recorder.event(event, SAME_CLOCK)

    def _send(self) -> None:
        for record in self._recorder.take_new():
            if isinstance(record, Chunk):
                self.outlets.chunk(record)
            elif isinstance(record, Event):
                self.outlets.event(record)
