"""What goes out over LSL: ids and numbers only, and never a failure of the daemon."""

import json

import numpy as np
import pytest

from acquisition.lsl_outlets import LslOutlets, marker_text
from hardware_profiles import load_profile
from messaging.records import Chunk, Event, Onset, UnitShown
from messaging.words import ClockKind, EventType, OnsetSource

ONSET = Onset(onset_lsl_s=12.5, onset_sd_ms=1.0, onset_source=OnsetSource.FRAME)
UNIT = Event(
    ordinal=7, event_id="id7", type=EventType.UNIT, session_id="s", onset_sample_index=900, onset=ONSET, presentation="p", text="secret",
    unit=UnitShown(index=3, text="secret", item_id="secret", response_id="secret"),
)  # fmt: skip


class BrokenOutlet:
    """liblsl at the end of its memory."""

    def push_chunk(self, *_):
        raise RuntimeError("internal error")

    push_sample = push_chunk


class Heard:
    def __init__(self):
        self.sent = []

    def push_sample(self, sample, stamp):
        self.sent.append((sample, stamp))


def profile(**fields):
    return load_profile("simulated_subject").model_copy(update=fields)


def chunk(first=0, time_lsl_s=100.0, n=8):
    return Chunk(ordinal=2, sample_index=first, time_lsl_s=time_lsl_s, samples=np.zeros((n, 16), dtype=np.float32))


def test_a_marker_holds_ids_and_numbers_and_no_text():
    text = marker_text(UNIT)
    assert "secret" not in text
    assert json.loads(text) == {"type": "unit", "event_id": "id7", "session": "s", "presentation": "p", "unit": 3, "sample_index": 900}
    pause = marker_text(Event(ordinal=8, event_id="e", type=EventType.PAUSE, session_id="s"))
    assert json.loads(pause) == {"type": "pause", "event_id": "e", "session": "s", "presentation": None, "unit": None, "sample_index": None}


def test_markers_are_stamped_with_the_onset_or_with_the_time_of_their_sample():
    outlets = LslOutlets(profile())
    outlets._markers = heard = Heard()
    outlets.event(UNIT.model_copy(update={"onset": None, "onset_sample_index": None}))
    outlets.chunk(chunk(first=1000, time_lsl_s=50.0))
    outlets.event(UNIT)
    outlets.event(UNIT.model_copy(update={"onset": None, "onset_sample_index": 1000 + 250}))
    assert [stamp for _, stamp in heard.sent] == [0.0, 12.5, pytest.approx(50.0 + 250 / profile().sampling_rate_hz)]


@pytest.mark.parametrize(("asked", "clock"), [({}, ClockKind.REAL), ({"lsl_eeg": True, "lsl_markers": True}, ClockKind.VIRTUAL)])
def test_nothing_is_sent_unasked_or_with_times_that_are_not_lsls(asked, clock):
    outlets = LslOutlets(profile(**asked), clock)
    assert not outlets.is_open
    outlets.chunk(chunk())
    outlets.event(UNIT)
    outlets.close()
    assert outlets.failed is None


@pytest.mark.parametrize("what", ["_eeg", "_markers"])
def test_when_sending_fails_the_daemon_goes_on_and_can_say_why(what):
    outlets = LslOutlets(profile())
    setattr(outlets, what, BrokenOutlet())
    outlets.chunk(chunk())
    outlets.event(UNIT)
    assert not outlets.is_open
    assert outlets.failed is not None
    assert "internal error" in outlets.failed
    assert "recording is not affected" in outlets.failed
    outlets.chunk(chunk())
    outlets.event(UNIT)
