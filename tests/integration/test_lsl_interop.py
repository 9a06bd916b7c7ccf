"""MNE-LSL and MNE-realtime read our LSL stream and cut the epochs that we cut."""

import sys
import warnings

import mne
import numpy as np
import pytest

from acquisition.lsl_outlets import SOURCE_PREFIX
from hardware_profiles import HardwareProfile
from recordings.recording import read_recording
from tests.reference import lsl_outlet_process  # noqa: F401 - keeps liblsl to this process and its children
from tests.reference.lsl_session import LslSession

pytestmark = pytest.mark.interop

RATE = 250
TRIGGERS = list(range(150, 520, 60))
BEFORE, AFTER = 25, 100
SOURCE_ID = f"{SOURCE_PREFIX}lab-test-eeg"


@pytest.fixture
def session(tmp_path):
    channels = [{"name": "Fz"}, {"name": "Cz"}, {"name": "Pz"}, {"name": "TRG", "kind": "trigger", "unit": "a.u."}]
    fields = {"name": "lab", "title": "Amp", "driver": {"kind": "simulated_subject"}, "sampling_rate_hz": RATE, "channels": channels, "lsl_eeg": True}
    samples = np.random.default_rng(0).normal(0, 20, (640, 4)).astype(np.float32)
    samples[:, 3] = 0
    for at in TRIGGERS:
        samples[at : at + 3, 3] = 1
    session = LslSession(tmp_path, HardwareProfile.model_validate(fields), samples, [])
    yield session
    session.outlets.close()


def own_epochs(path):
    """Epochs around the rising edges of our own recording's trigger channel, (n_epochs, n_channels, n_samples), microvolt."""
    own = read_recording(path)
    edges = np.flatnonzero(np.diff(own.samples[:, 3]) > 0) + 1
    assert edges.tolist() == TRIGGERS
    return np.stack([own.samples[at - BEFORE : at + AFTER].T for at in edges])


def raw_buffers(client, until_samples):
    """Whole buffers of an `LSLClient` until so many samples came: its own iterator also gives empty ones, on which `RtEpochs` fails."""
    n = 0
    while n < until_samples:
        buffer = np.empty(client.buffer.shape, dtype=client.buffer.dtype)
        _, stamps = client.client.pull_chunk(max_samples=len(buffer), timeout=10.0, dest_obj=buffer)
        assert stamps, "the stream has stopped"
        n += len(stamps)
        yield buffer[: len(stamps)].T


def test_mne_lsl_cuts_the_same_epochs(session):
    from mne_lsl.stream import EpochsStream, StreamLSL

    stream = StreamLSL(bufsize=6, source_id=SOURCE_ID).connect(acquisition_delay=None, timeout=10)
    assert stream.info["ch_names"] == ["Fz", "Cz", "Pz", "TRG"]
    assert stream.get_channel_types() == ["eeg", "eeg", "eeg", "stim"]
    epochs = EpochsStream(
        stream, bufsize=len(TRIGGERS), event_id={"unit": 1}, event_channels="TRG", tmin=-BEFORE / RATE, tmax=AFTER / RATE, baseline=None, picks="all"
    ).connect(acquisition_delay=None)
    session.start()
    session.join()
    stream.acquire()
    epochs.acquire()
    theirs = epochs.get_data()
    epochs.disconnect()
    stream.disconnect()
    assert theirs.astype(np.float32).tobytes() == own_epochs(session.path).tobytes()


def test_mne_realtime_cuts_the_same_epochs(session, monkeypatch):
    import pylsl
    import pylsl.lib

    monkeypatch.setattr(pylsl, "pylsl", pylsl.lib, raising=False)  # the module's name until pylsl 1.17, which LSLClient asks for
    monkeypatch.setitem(sys.modules, "pylsl.pylsl", pylsl.lib)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mne_realtime import LSLClient, RtEpochs

        mne.set_log_level("ERROR")
        client = LSLClient(host=SOURCE_ID, wait_max=10, buffer_size=80).start()
        assert client.get_measurement_info()["ch_names"] == ["Fz", "Cz", "Pz", "TRG"]
        epochs = RtEpochs(client, 1, -BEFORE / RATE, (AFTER - 1) / RATE, stim_channel="TRG", baseline=None, picks="all", proj=False)
        client.register_receive_callback(epochs._process_raw_buffer)  # what start() does, without a thread that never ends
        client.client.open_stream(10)
        session.start()
        for buffer in raw_buffers(client, 640):
            client._push_raw_buffer(buffer)
        session.join()
        theirs = np.array(epochs._epoch_queue)  # RtEpochs.get_data() does not work with MNE of today
        client.stop()
    assert theirs.astype(np.float32).tobytes() == own_epochs(session.path).tobytes()
