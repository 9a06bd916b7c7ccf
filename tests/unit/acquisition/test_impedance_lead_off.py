"""Electrode impedance from the lead-off current: the estimate, the sweep over channels, and the commands an emulated board gets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquisition.board import AcquisitionError, BoardChunk, BoardError
from acquisition.brainflow_board import BrainFlowBoard
from acquisition.emulator.cyton_protocol import ChannelSettings, CytonProtocol
from acquisition.emulator.serial_cyton import SerialCyton
from acquisition.emulator.signals import Electrodes, PlayedSignal
from acquisition.impedance import ImpedanceSweep, LeadOffEstimator, impedance_kohm, lead_off_command, ordinary_command
from hardware_profiles import HardwareProfile, load_profile
from tests.reference.emulated_cyton import cyton_profile, read_samples

DEFAULT = ChannelSettings()


def test_the_equation_is_that_of_the_openbci_program():
    rms_uv = 6e-9 * (10e3 + 2200) * 1e6 / np.sqrt(2)
    assert impedance_kohm(np.sqrt(2) * rms_uv) == pytest.approx(10.0)
    assert impedance_kohm(0.0) == 0.0


def measured(samples_uv, kohm, rate_hz=250.0, keep=None):
    """First estimate of an electrode on top of a signal."""
    n = len(samples_uv)
    electrodes, on = Electrodes(np.array([kohm * 1e3])), [ChannelSettings(lead_off_n=True)]
    values = np.array([electrodes.add(np.array([samples_uv[k]]), k, rate_hz, on)[0] for k in range(n)])
    estimator = LeadOffEstimator(rate_hz, 50.0)
    blocks = [(k, k + 10) for k in range(0, n, 10)] if keep is None else [(k, k + 1) for k in np.flatnonzero(keep)]
    return [f for a, b in blocks if (f := estimator.add(int(a), values[a:b])) is not None]


@given(kohm=st.floats(3, 500), seed=st.integers(0, 2**32 - 1), rate=st.sampled_from([125.0, 250.0, 1000.0]))
def test_drift_mains_alpha_and_noise_are_not_taken_for_impedance(kohm, seed, rate):
    rng = np.random.default_rng(seed)
    t = np.arange(round(2.1 * rate)) / rate
    signal = 40_000 + 500 * t + 30 * np.sin(2 * np.pi * 10 * t + 1) + 80 * np.sin(2 * np.pi * 50 * t) + rng.normal(0, 2, len(t))
    (found,) = measured(signal, kohm, rate)
    assert found == pytest.approx(kohm, rel=0.1)


@given(seed=st.integers(0, 2**32 - 1), lost=st.floats(0, 0.4))
def test_lost_samples_do_not_change_the_estimate(seed, lost):
    rng = np.random.default_rng(seed)
    keep = rng.random(600) >= lost
    found = measured(rng.normal(0, 2, 600), 20.0, keep=keep)
    assert found
    assert found[0] == pytest.approx(20.0, rel=0.1)


def test_nothing_is_made_up_when_most_of_the_second_is_missing():
    keep = np.random.default_rng(1).random(400) < 0.3
    keep[399] = True
    assert measured(np.zeros(400), 20.0, keep=keep) == []


@pytest.mark.recordings
@pytest.mark.parametrize("kohm", [5.0, 20.0, 100.0])
def test_electrodes_are_measured_within_ten_per_cent_on_top_of_real_eeg(kohm, recordings_dir):
    from recordings.recording import read_recording

    recording = read_recording(next((recordings_dir / "gtec_p300_speller").rglob("*.fif")))
    rate = recording.sampling_rate_hz
    for channel in range(4):
        found = measured(recording.samples[: round(12 * rate), channel].astype(np.float64), kohm, rate)
        assert len(found) >= 10
        assert np.abs(np.array(found) / kohm - 1).max() < 0.1


def test_commands_are_taken_by_the_board_and_taken_back():
    for position in range(16):
        protocol = CytonProtocol(daisy=True)
        protocol.receive(lead_off_command(position).encode())
        assert protocol.channels[position] == ChannelSettings(gain=1, srb2=False, lead_off_n=True)
        protocol.receive(ordinary_command(position).encode())
        assert protocol.channels == [DEFAULT] * 16


async def swept(board, sweep, steps):
    """Run a sweep as the daemon does; returns the messages."""
    await board.impedance_start(sweep.measuring)
    messages = []
    while len(messages) < steps:
        for chunk in await read_samples(board, 1):
            step = sweep.add(chunk)
            if step is not None:
                messages.append(step.message)
                if step.next_channel is not None:
                    await board.impedance_start(step.next_channel)
    await board.impedance_stop()
    return [*messages, sweep.ended()]


@pytest.mark.recordings
@pytest.mark.parametrize("daisy", [False, True])
async def test_the_boards_electrodes_are_measured_one_after_the_other_and_left_as_they_were(tmp_path, recordings_dir, daisy):
    from recordings.recording import read_recording

    eeg = read_recording(next((recordings_dir / "gtec_p300_speller").rglob("*.fif"))).samples[:5000, :8].astype(np.float64)
    kohm = np.tile([5.0, 20.0, 100.0, 10.0], 4 if daisy else 2)
    with SerialCyton(tmp_path / "port", PlayedSignal(np.tile(eeg, (1, 2)) if daisy else eeg), daisy=daisy, electrodes=Electrodes(kohm * 1e3)) as emulated:
        emulated.faults.speed = 4.0
        profile = cyton_profile(tmp_path / "port", daisy)
        board = BrainFlowBoard(profile)
        await board.start(0)
        names = ("x8", "x9", "x10") if daisy else ("x0", "x1", "x2")
        messages = await swept(board, ImpedanceSweep(profile, names), 3)
        await read_samples(board, 30)
        settings = list(emulated.protocol.channels)
        await board.stop()
    found = {c.name: c for c in messages[-1].channels}
    for name in names:
        assert found[name].impedance_kohm == pytest.approx(kohm[int(name[1:])], rel=0.1)
    assert [m.measuring for m in messages] == [*names, None]
    assert messages[0].channels[1].impedance_kohm is None
    assert [found[n].bad for n in names] == [False, False, True]
    assert settings == [DEFAULT] * len(settings)


async def test_the_test_current_ends_with_the_board_also_when_nobody_ended_it(tmp_path):
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        await board.impedance_start("x3")
        await read_samples(board, 30)
        assert emulated.protocol.channels[3].lead_off_n
        await board.stop()
        await board.start(0)
        await read_samples(board, 10)
        await board.stop()
        assert any(c == "z400Z" for c in emulated.protocol.commands)
    assert emulated.protocol.channels == [DEFAULT] * 8


async def test_a_board_that_goes_while_it_is_measured_has_its_settings_when_it_is_back(tmp_path):
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        await board.impedance_start("x0")
        await read_samples(board, 30)
        emulated.unplug()
        with pytest.raises(BoardError, match="did not take the command"):
            await board.impedance_start("x1")
        await board.stop()
        emulated.plug()
        assert emulated.protocol.channels[0].lead_off_n
        await board.start(100)
        await read_samples(board, 10)
        assert emulated.protocol.channels == [DEFAULT] * 8
        await board.impedance_start("x1")
        await board.impedance_stop()
        await board.stop()


async def test_where_a_board_offers_no_measurement_none_is_invented(tmp_path):
    synthetic = load_profile("brainflow_synthetic")
    with pytest.raises(BoardError, match="offers no measurement"):
        await BrainFlowBoard(synthetic).impedance_start("Cz")
    with pytest.raises(AcquisitionError, match="offers no measurement"):
        ImpedanceSweep(synthetic)
    claims = HardwareProfile.model_validate(synthetic.model_dump() | {"driver": synthetic.driver.model_dump() | {"impedance": "openbci"}})
    with pytest.raises(BoardError, match="offers no measurement"):
        await BrainFlowBoard(claims).impedance_start("Cz")
    with pytest.raises(AcquisitionError, match="no channel Qz"):
        ImpedanceSweep(cyton_profile(tmp_path / "port"), ("Qz",))
    with pytest.raises(BoardError, match="no electrode channel 'Qz'"):
        await BrainFlowBoard(cyton_profile(tmp_path / "port")).impedance_start("Qz")


def test_a_single_channel_is_measured_once_a_second(tmp_path):
    sweep = ImpedanceSweep(cyton_profile(tmp_path / "port"), ("x2",))
    samples = np.zeros((25, 8), dtype=np.float32)
    steps = [s for k in range(60) if (s := sweep.add(BoardChunk(25 * k, samples, 0.0))) is not None]
    assert len(steps) == 5
    assert all(s.next_channel is None and s.message.measuring == "x2" for s in steps)
