"""BrainFlow's own driver of the Cyton and its Daisy against the emulated board: what comes out is what was played."""

import itertools
import math
import time

import numpy as np
import pytest

from acquisition.board import BoardError
from acquisition.brainflow_board import BrainFlowBoard
from acquisition.emulator.cyton_protocol import UV_PER_COUNT_AT_GAIN_1, CytonProtocol
from acquisition.emulator.serial_cyton import SerialCyton
from acquisition.emulator.signals import NumberedSignal, PlayedSignal
from hardware_profiles import HardwareProfile, load_profile
from messaging.words import Source
from tests.reference.emulated_cyton import cyton_profile, read_samples

LSB_UV = UV_PER_COUNT_AT_GAIN_1 / 24


def joined(chunks):
    """Sample numbers and samples of chunks."""
    index = np.concatenate([np.arange(c.first_index, c.first_index + len(c.samples)) for c in chunks])
    return index, np.concatenate([c.samples for c in chunks])


@pytest.mark.parametrize("daisy", [False, True])
async def test_what_is_played_comes_out_to_within_the_last_bit(tmp_path, daisy):
    n_channels = 16 if daisy else 8
    played = np.random.default_rng(5).normal(0, 300, (4000, n_channels))
    with SerialCyton(tmp_path / "port", PlayedSignal(played), daisy=daisy) as emulated:
        emulated.faults.speed = 4.0
        board = BrainFlowBoard(cyton_profile(tmp_path / "port", daisy))
        await board.start(0)
        index, samples = joined(await read_samples(board, 150))
        await board.stop()
    assert index.tolist() == list(range(len(index)))
    assert np.abs(samples - played[: len(samples)]).max() <= 0.5 * LSB_UV + np.spacing(np.float32(2000))


@pytest.mark.recordings
async def test_a_real_recording_played_by_the_board_is_read_back(tmp_path, recordings_dir):
    from recordings.recording import read_recording

    played = read_recording(next((recordings_dir / "gtec_p300_speller").rglob("*.fif"))).samples[:1000, :8].astype(np.float64)
    with SerialCyton(tmp_path / "port", PlayedSignal(played)) as emulated:
        emulated.faults.speed = 4.0
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        _, samples = joined(await read_samples(board, 100))
        await board.stop()
    largest = (2**23) * LSB_UV
    assert np.abs(samples - np.clip(played[: len(samples)], -largest, largest)).max() <= 0.5 * LSB_UV + np.spacing(np.float32(largest))


@pytest.mark.parametrize("lost", [1, 7, 300])
async def test_the_loss_of_k_packets_is_a_jump_of_exactly_k(tmp_path, lost):
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        chunks = await read_samples(board, 30)
        emulated.faults.drop_packets = lost
        chunks += await read_samples(board, 40)
        await board.stop()
    index, samples = joined(chunks)
    assert emulated.lost_packets == lost
    assert max(np.diff(index)) == lost + 1
    assert index.tolist() == emulated.signal.number(samples[:, -1]).tolist()


@pytest.mark.parametrize("daisy", [False, True])
async def test_random_loss_noise_and_bursts_never_shift_the_sample_number(tmp_path, daisy):
    with SerialCyton(tmp_path / "port", daisy=daisy) as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port", daisy))
        await board.start(0)
        emulated.faults.drop_fraction, emulated.faults.noise_fraction, emulated.faults.burst = 0.03, 0.03, 5
        index, samples = joined(await read_samples(board, 200))
        await board.stop()
    number = emulated.signal.number(samples[:, -1])
    right = number == index
    assert emulated.lost_packets > 0
    assert (np.diff(index) > 0).all()
    assert right[-1] or right[-2]
    assert (~right).sum() <= 3  # 33 bytes that look like the packet that is due cannot be told from it
    first = emulated.signal.at(int(index[np.flatnonzero(right)[-1]]))
    assert np.abs(samples[np.flatnonzero(right)[-1]] - first).max() <= LSB_UV


async def test_the_packet_number_wraps_without_a_gap(tmp_path):
    with SerialCyton(tmp_path / "port") as emulated:
        emulated.faults.speed = 4.0
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(40)
        chunks = await read_samples(board, 600)
        await board.stop()
    index, _ = joined(chunks)
    assert index.tolist() == list(range(40, 40 + len(index)))


async def test_packets_that_waited_come_without_a_gap(tmp_path):
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        chunks = await read_samples(board, 50)
        emulated.faults.held = True
        at = emulated.sample
        while emulated.sample < at + 150:
            chunks += (await board.read()).chunks
        emulated.faults.held = False
        chunks += await read_samples(board, 160)
        await board.stop()
    index, samples = joined(chunks)
    number = emulated.signal.number(samples[:, -1])
    assert index.tolist() == number.tolist()


async def test_stamps_are_on_the_lsl_clock(tmp_path):
    with SerialCyton(tmp_path / "port"):
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        before = board.clock.now_lsl_s()
        chunks = await read_samples(board, 50)
        after = board.clock.now_lsl_s()
        await board.stop()
    stamps = [c.host_stamp_lsl_s for c in chunks]
    assert stamps == sorted(stamps)
    assert before - 5 < stamps[0] <= stamps[-1] <= after + 0.001


async def test_auxiliary_inputs_are_what_the_profile_says(tmp_path):
    eeg = [{"name": "Cz", "input": "eeg:7"}, {"name": "Pz", "input": "eeg:0"}]
    accel = {"name": "ax", "kind": "aux", "unit": "a.u.", "input": "accel:1"}
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port", channels=[*eeg, accel]))
        await board.start(0)
        index, samples = joined(await read_samples(board, 30))
        await board.stop()
    expected = np.array([emulated.signal.at(k) for k in index])
    assert np.abs(samples[:, :2] - expected[:, [7, 0]]).max() <= LSB_UV
    assert np.allclose(samples[:, 2], 200 * 0.002 / 16)


@pytest.mark.parametrize(("wanted", "mode", "expected"), [("analog:1", "analog", 300.0), ("digital:4", "digital", 400 & 255)])
async def test_analogue_and_digital_pins_are_switched_on_before_streaming(tmp_path, wanted, mode, expected):
    channels = [{"name": "Cz"}, {"name": "diode", "kind": "photodiode", "unit": "a.u.", "input": wanted}]
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port", channels=channels))
        await board.start(0)
        _, samples = joined(await read_samples(board, 30))
        await board.stop()
    assert emulated.protocol.board_mode == mode
    assert (samples[:, 1] == expected).all()


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ([{"name": "a", "input": "eeg:8"}], r"channel a has input 'eeg:8'.*eeg \(8\)"),
        ([{"name": "a", "input": "gyro:0"}], "no such row"),
        ([{"name": "a", "input": "analog:x"}], "positions count from 0"),
        ([{"name": "a", "input": "analog:0"}, {"name": "b", "input": "accel:0"}], "either accel or analog"),
    ],
)
def test_an_input_that_the_board_does_not_have_is_refused_with_what_it_has(tmp_path, channels, words):
    with pytest.raises(BoardError, match=words):
        BrainFlowBoard(cyton_profile(tmp_path / "port", channels=channels))


def test_every_kind_of_row_of_the_synthetic_board_can_be_an_input():
    fields = load_profile("brainflow_synthetic").model_dump()
    kinds = ("eeg:3", "accel:0", "gyro:2", "emg:1", "ecg:0", "eog:0", "ppg:1", "temperature:0", "battery:0", "battery", "eda:0", "resistance:1")
    channels = [{"name": k, "kind": "aux", "unit": "a.u.", "input": k} for k in kinds]
    board = BrainFlowBoard(HardwareProfile.model_validate(fields | {"channels": channels}))
    assert board._rows.channels.tolist() == [4, 17, 22, 2, 1, 1, 25, 26, 29, 29, 23, 28]


async def test_the_scale_is_that_of_the_drivers_microvolts_and_leaves_other_units_alone(tmp_path):
    channels = [{"name": "Cz"}, {"name": "ax", "kind": "aux", "unit": "a.u.", "input": "accel:1"}]
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port", channels=channels, driver={"scale_to_uv": 2.0}))
        await board.start(0)
        index, samples = joined(await read_samples(board, 20))
        await board.stop()
    assert np.allclose(samples[:, 0], [2 * emulated.signal.at(k)[0] for k in index], atol=2 * LSB_UV)
    assert np.allclose(samples[:, 1], 0.025)


# ------------------------------------------------------------ playback and streaming boards


def playback(file, n_channels=8, **driver):
    driver = {"kind": "brainflow", "board_id": -3, "master_board_id": 0, "file": str(file), "counter_modulus": 256} | driver
    return HardwareProfile.model_validate(
        {"name": "playback", "title": "Playback", "sampling_rate_hz": 250, "channels": [{"name": f"x{k}"} for k in range(n_channels)], "driver": driver}
    )


def brainflow_file(path, rows=100, lost=(), pause_at=1000):
    table = np.zeros((rows, 24))
    table[:, 0] = np.arange(rows) % 256
    table[:, 1:9] = np.arange(rows)[:, None] + np.arange(8) / 8
    table[:, 22] = 1.7e9 + np.arange(rows) / 250 + np.where(np.arange(rows) >= pause_at, 1.2, 0.0)
    np.savetxt(path, np.delete(table, list(lost), axis=0), delimiter="\t", fmt="%.6f")
    return path


async def test_a_played_file_gives_its_samples_and_ends(tmp_path):
    file = brainflow_file(tmp_path / "rec.csv", lost=(50, 51, 52), pause_at=90)
    file.write_text(file.read_text() + "1\t2\t3\n")  # a cut line: the driver leaves it out
    board = BrainFlowBoard(playback(file))
    assert board.source is Source.SIMULATED
    await board.start(0)
    chunks, ended, until = [], False, time.monotonic() + 20
    while not ended:
        assert time.monotonic() < until
        output = await board.read()
        chunks += output.chunks
        ended = output.ended
    await board.stop()
    index, samples = joined(chunks)
    assert index.tolist() == [*range(50), *range(53, 90), *range(346, 356)]  # 1.2 s without a sample: a turn of the packet number
    assert samples[:, 0].tolist() == [*range(50), *range(53, 100)]
    assert all(abs(board.clock.now_lsl_s() - c.host_stamp_lsl_s) < 20 for c in chunks)


async def test_a_sample_after_a_loss_is_not_held_back_when_nothing_follows(tmp_path):
    """Its place is proved by the next one; when none comes it is given all the same, and the silence after it is noticed in time."""
    board = BrainFlowBoard(playback(brainflow_file(tmp_path / "rec.csv", rows=40, lost=(37, 38))))
    await board.start(0)
    board._left_to_play = None  # as a board that never ends
    index, _ = joined(await read_samples(board, 38))
    assert index.tolist() == [*range(37), 39]
    assert (await board.read()).chunks == ()
    await board.stop()


async def test_values_that_no_amplifier_gives_are_not_numbers(tmp_path):
    file = brainflow_file(tmp_path / "rec.csv", rows=20)
    lines = file.read_text().splitlines()
    cells = lines[10].split("\t")
    cells[1], cells[2], cells[3] = "nan", "1e300", "-inf"
    lines[10] = "\t".join(cells)
    file.write_text("\n".join(lines) + "\n")
    board = BrainFlowBoard(playback(file))
    await board.start(0)
    index, samples = joined(await read_samples(board, 20))
    await board.stop()
    assert index.tolist() == list(range(20))
    bad = ~np.isfinite(samples)
    assert bad[10, :3].all()
    assert bad.sum() == 3


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ({"board_id": -3, "file": "x.csv"}, "master_board_id"),
        ({"board_id": -3, "master_board_id": 0}, "driver.file"),
        ({"board_id": -2, "master_board_id": 0}, "ip_address"),
        ({"board_id": -3, "master_board_id": 98765, "file": "x.csv"}, "knows no board 98765"),
    ],
)
def test_a_playback_or_streaming_board_without_the_board_behind_it_is_refused(driver, words):
    fields = playback("x.csv").model_dump() | {"driver": {"kind": "brainflow"} | driver}
    with pytest.raises(BoardError, match=words):
        BrainFlowBoard(HardwareProfile.model_validate(fields))


async def test_another_programs_board_is_read_over_brainflows_stream():
    from brainflow.board_shim import BoardShim, BrainFlowInputParams

    address, port = "225.1.1.1", 16677
    sender = BoardShim(-1, BrainFlowInputParams())
    fields = load_profile("brainflow_synthetic").model_dump()
    driver = {"kind": "brainflow", "board_id": -2, "master_board_id": -1, "ip_address": address, "ip_port": port, "counter_modulus": 256}
    board = BrainFlowBoard(HardwareProfile.model_validate(fields | {"driver": driver}))
    sender.prepare_session()
    try:
        sender.start_stream(4500, f"streaming_board://{address}:{port}")
        await board.start(0)
        index, samples = joined(await read_samples(board, 50))
    finally:
        await board.stop()
        sender.release_session()
    assert index.tolist() == list(range(len(index)))
    assert (samples.std(axis=0) > 0.1).all()


# ------------------------------------------------------------ the driver's ring, and the emulator itself


async def test_what_the_drivers_ring_lost_is_a_gap_of_that_length(tmp_path, monkeypatch):
    monkeypatch.setattr("acquisition.brainflow_board.RING_SAMPLES", 100)
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        await board.start(0)
        chunks = await read_samples(board, 20)
        at = emulated.sample
        until = time.monotonic() + 20
        while emulated.sample < at + 500 and time.monotonic() < until:
            time.sleep(0.01)  # nobody reads meanwhile
        chunks += await read_samples(board, 110)
        await board.stop()
    index, samples = joined(chunks)
    assert index.tolist() == emulated.signal.number(samples[:, -1]).tolist()
    assert np.diff(index).max() > 300


def test_the_emulated_board_answers_as_the_sdk_says():
    protocol = CytonProtocol()
    assert protocol.receive(b"v").endswith(b"Firmware: v3.1.2\n$$$")
    assert protocol.receive(b"x3020") == b""
    assert protocol.receive(b"000X") == b"Success: Channel set for 3$$$"
    assert (protocol.channels[2].gain, protocol.channels[2].srb2) == (4, False)
    assert protocol.receive(b"z410Z") == b"Success: Lead off set for 4$$$"
    assert protocol.receive(b"x1020000V") == b"Failure: 9th char not X$$$"
    protocol.receive(b"b")
    assert protocol.receive(b"x1060110X/2") == b""
    assert protocol.receive(b"s") == b""
    protocol.power(False)
    assert protocol.receive(b"v").startswith(b"Failure: Communications timeout")


def test_a_packet_is_33_bytes_with_big_endian_counts():
    (packet,) = CytonProtocol().packets(np.array([LSB_UV * k for k in (0, 1, -1, 2, 256, 65536, -65536, 1e9)]), (1, -2, 300))
    assert len(packet) == 33
    assert (packet[0], packet[1], packet[-1]) == (0xA0, 0, 0xC0)
    counts = [int.from_bytes(packet[2 + 3 * k : 5 + 3 * k], "big", signed=True) for k in range(8)]
    assert counts == [0, 1, -1, 2, 256, 65536, -65536, 2**23 - 1]
    assert packet[26:32] == bytes([0, 1, 255, 254, 1, 44])


def test_numbers_of_the_numbered_signal_read_back():
    signal = NumberedSignal()
    for a, b in itertools.pairwise(signal.at(k)[-1] for k in range(50)):
        assert math.isclose(b - a, NumberedSignal.STEP_UV)
