"""Text recordings of the OpenBCI GUI, BrainFlow and Mind Monitor: their numbers, events and gaps; damaged ones are refused."""

import csv
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from hardware_profiles import HardwareProfile, load_profile, profile_names
from recordings.errors import RecordingError
from recordings.recording import Recording, Segment, read_recording

OPENBCI = "format_samples/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt"
MUSE = "format_samples/testmusemonitor.csv"
GUI_COLUMNS = "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Timestamp, Marker Channel, Timestamp (Formatted)"


def gui_file(path: Path, rows: list[tuple[int, float, float]], board: str = "BoardCytonSerial", rate_hz: float = 250) -> Path:
    """Write rows of (sample index, stamp in s, marker) as the GUI does; the first channel counts the rows, the second is its negative."""
    head = ["%OpenBCI Raw EXG Data", "%Number of channels = 2", f"%Sample Rate = {rate_hz:g} Hz", f"%Board = OpenBCI_GUI${board}", GUI_COLUMNS]
    lines = [f"{index}, {k}.5, -{k}.25, 0.04, {stamp:.6f}, {marker:g}, 2020-01-01 00:00:00.000" for k, (index, stamp, marker) in enumerate(rows)]
    path.write_text("\r\n".join([*head, *lines, ""]), encoding="utf-8", newline="")
    return path


def board(**driver: object) -> HardwareProfile:
    """Two channels of the synthetic board, in another order than it delivers them."""
    fields = {
        "name": "two",
        "title": "Two of sixteen",
        "driver": {"kind": "brainflow", "board_id": -1, "counter_modulus": 256, **driver},
        "sampling_rate_hz": 250,
    }
    return HardwareProfile.model_validate(
        fields | {"channels": [{"name": "Cz", "input": "eeg:2"}, {"name": "Temp", "kind": "aux", "unit": "a.u.", "input": "temperature:0"}]}
    )


@pytest.fixture(scope="module")
def brainflow_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray]:
    """What BrainFlow itself writes of its synthetic board: with `DataFilter.write_file`, and with the streamer; and the samples."""
    from brainflow.board_shim import BoardShim, BrainFlowInputParams
    from brainflow.data_filter import DataFilter

    folder = tmp_path_factory.mktemp("brainflow")
    BoardShim.disable_board_logger()
    shim = BoardShim(-1, BrainFlowInputParams())
    shim.prepare_session()
    shim.add_streamer(f"file://{folder}/streamed.csv:w")
    shim.start_stream()
    try:
        for marker in (7, 8):
            wanted = shim.get_board_data_count() + 150
            while shim.get_board_data_count() < wanted:
                time.sleep(0.01)
            shim.insert_marker(marker)
        while shim.get_board_data_count() < 400:
            time.sleep(0.01)
        shim.stop_stream()
        data = shim.get_board_data()
    finally:
        shim.release_session()
    DataFilter.write_file(data, str(folder / "written.csv"), "w")
    return folder / "written.csv", folder / "streamed.csv", data


@pytest.mark.recordings
def test_openbci_gui_text_holds_the_numbers_of_the_file(recordings_dir: Path) -> None:
    path = recordings_dir / OPENBCI
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row[0].isdigit()]
    expected = np.array([[float(cell) for cell in row[1:9]] for row in rows], dtype=np.float64)
    recording = read_recording(path)
    assert np.array_equal(recording.samples, expected.astype(np.float32))
    assert recording.sampling_rate_hz == 250.0
    assert recording.channel_names == tuple(f"Ch{k}" for k in range(1, 9))
    assert set(recording.channel_kinds) == {"eeg"}
    assert recording.segments == (Segment(0, 0, 22490),)  # indices run 0 to 255 without a jump
    assert recording.events == ()


@pytest.mark.recordings
def test_lost_packets_of_the_real_openbci_file_are_a_gap(recordings_dir: Path, tmp_path: Path) -> None:
    lines = (recordings_dir / OPENBCI).read_bytes().splitlines(keepends=True)
    path = tmp_path / "lost.txt"
    path.write_bytes(b"".join(lines[:1005] + lines[1105:3005] + lines[4005:]))
    whole, lost = read_recording(recordings_dir / OPENBCI), read_recording(path)
    assert lost.segments == (Segment(0, 0, 1000), Segment(1100, 1000, 1900), Segment(4000, 2900, 18490))
    assert np.array_equal(lost.samples, np.delete(whole.samples, [*range(1000, 1100), *range(3000, 4000)], axis=0))


def test_a_stall_whose_backlog_arrives_later_is_no_gap(tmp_path: Path) -> None:
    stamps = np.arange(2000) / 250.0
    stamps[500:800] = stamps[800]  # silent for 1.2 s, then everything at once
    recording = read_recording(gui_file(tmp_path / "a.txt", [(k % 256, 1.7e9 + t, 0) for k, t in enumerate(stamps)]))
    assert recording.segments == (Segment(0, 0, 2000),)


def test_a_pause_longer_than_the_counter_is_told_by_the_stamps(tmp_path: Path) -> None:
    kept = [*range(700), *range(700 + 2 * 256 + 10, 2400)]
    recording = read_recording(gui_file(tmp_path / "a.txt", [(k % 256, 1.7e9 + k / 250, 0) for k in kept]))
    assert recording.segments == (Segment(0, 0, 700), Segment(1222, 700, 1178))


def test_daisy_counts_in_twos_and_markers_are_events_at_their_samples(tmp_path: Path) -> None:
    kept = [*range(300), *range(303, 600)]
    rows = [(2 * k % 256, 1.7e9 + k / 125, 5.0 if k in (40, 400) else 0.0) for k in kept]
    recording = read_recording(gui_file(tmp_path / "a.txt", rows, "BoardCytonSerialDaisy", 125))
    assert recording.segments == (Segment(0, 0, 300), Segment(303, 300, 297))
    assert [(e.onset_sample, e.description) for e in recording.events] == [(40, "marker/5"), (400, "marker/5")]
    assert recording.sampling_rate_hz == 125.0


@pytest.mark.parametrize("first", [1, 101])
def test_ganglion_counts_in_pairs_and_impedance_rows_are_no_samples(tmp_path: Path, first: int) -> None:
    cycle = [0, *(n for k in range(100) for n in (first + k, first + k))]
    numbers = [cycle[k % 201] for k in range(1000)]
    rows = [(n, 1.7e9 + k / 200, 0.0) for k, n in enumerate(numbers)]
    lost = rows[:300] + rows[302:]  # one packet of two samples
    lost.insert(500, (203, lost[500][1], 0.0))
    recording = read_recording(gui_file(tmp_path / "a.txt", lost, "BoardGanglionBLE", 200))
    assert recording.segments == (Segment(0, 0, 300), Segment(302, 300, 698))


def test_millisecond_stamps_of_converted_files_are_understood(tmp_path: Path) -> None:
    kept = [*range(500), *range(1500, 2000)]
    recording = read_recording(gui_file(tmp_path / "a.txt", [(k % 256, 1.7e12 + k * 4, 0) for k in kept]))
    assert recording.segments == (Segment(0, 0, 500), Segment(1500, 500, 500))


def test_a_profile_names_the_electrodes_of_the_openbci_gui(tmp_path: Path) -> None:
    path = gui_file(tmp_path / "a.txt", [(k, 1.7e9 + k / 250, 0) for k in range(100)])
    fields = board().model_dump()
    named = HardwareProfile.model_validate(fields | {"channels": [{"name": "Pz", "input": "eeg:1"}, {"name": "Cz", "input": "eeg:0"}]})
    assert read_recording(path, named).channel_names == ("Cz", "Pz")
    with pytest.raises(RecordingError, match="has 2 channels, profile two has 1"):
        read_recording(path, board())


@pytest.mark.parametrize("which", [0, 1])
def test_files_that_brainflow_writes_hold_its_samples_and_markers(brainflow_files: tuple[Path, Path, np.ndarray], which: int) -> None:
    path, data = brainflow_files[which], brainflow_files[2]
    recording = read_recording(path, load_profile("brainflow_synthetic"))
    assert recording.samples.shape == (data.shape[1], 16)
    assert np.abs(recording.samples - data[1:17].T).max() < 1e-4  # the file has six decimals, float32 seven digits
    assert recording.segments == (Segment(0, 0, data.shape[1]),)
    marked = [(int(k), f"marker/{data[31, k]:g}") for k in np.flatnonzero(data[31])]
    assert [(e.onset_sample, e.description) for e in recording.events] == marked
    assert len(marked) == 2


def test_brainflow_packets_that_are_missing_are_a_gap(brainflow_files: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    lines = brainflow_files[0].read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "lost.csv"
    path.write_text("".join(lines[:100] + lines[140:]).replace("\t", ","), encoding="utf-8")
    recording = read_recording(path, board())
    assert recording.segments == (Segment(0, 0, 100), Segment(140, 100, len(lines) - 140))
    expected = np.delete(brainflow_files[2][[3, 26]].T, range(100, 140), axis=0)
    assert np.abs(recording.samples - expected).max() < 1e-4
    assert (recording.channel_names, recording.channel_kinds) == (("Cz", "Temp"), ("eeg", "aux"))


def test_a_profile_beside_a_brainflow_file_says_which_board_wrote_it(brainflow_files: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    shutil.copyfile(brainflow_files[0], path)
    with pytest.raises(RecordingError, match=r"Give --profile NAME, or put run.toml beside it .* 32 columns: .*brainflow_synthetic"):
        read_recording(path)
    (tmp_path / "run.toml").write_text('profile = "brainflow_synthetic"\n', encoding="utf-8")
    before = read_recording(path)
    assert len(before.channel_names) == 16
    shutil.copyfile(Path(load_profile.__code__.co_filename).with_name("brainflow_synthetic.toml"), tmp_path / "run.toml")
    after = read_recording(path)
    assert np.array_equal(before.samples, after.samples)
    assert before.sha256 != after.sha256  # the sidecar is part of the recording


@pytest.mark.parametrize("name", [n for n in profile_names() if load_profile(n).driver.kind == "brainflow" and load_profile(n).driver.board_id not in (-2, -3)])
def test_a_file_of_every_brainflow_board_is_read_by_its_profile(tmp_path: Path, name: str) -> None:
    """Rows as BrainFlow describes them: EEG inputs hold 1, 2, ... microvolt; one packet in the middle is missing."""
    from brainflow.board_shim import BoardShim

    profile = load_profile(name)
    described = BoardShim.get_board_descr(profile.driver.board_id)
    table = np.zeros((400, described["num_rows"]))
    table[:, described["eeg_channels"]] = np.arange(1, 1 + len(described["eeg_channels"]))
    table[:, described["timestamp_channel"]] = 1.7e9 + np.arange(400) / profile.sampling_rate_hz
    step = 2 if "daisy" in name else 1
    modulus = profile.driver.counter_modulus or 256
    numbers = np.arange(400) // 12 if "muse" in name else np.arange(400) * step % modulus
    if "ganglion" in name:
        cycle = [0, *(100 + n for k in range(1, 101) for n in (k, k))]
        numbers = np.array([cycle[k % 201] for k in range(400)])
    table[:, described["package_num_channel"]] = numbers
    np.savetxt(tmp_path / "a.csv", np.delete(table, range(204, 228), axis=0), fmt="%.6f", delimiter="\t")
    recording = read_recording(tmp_path / "a.csv", profile)
    lost = 24 if profile.driver.counter_modulus else 0
    assert recording.end_index == 376 + lost
    assert len(recording.segments) == 1 + bool(lost)
    eeg = [k for k, kind in enumerate(recording.channel_kinds) if kind == "eeg"]
    assert recording.samples[0, eeg].tolist() == [profile.driver.scale_to_uv * (k + 1) for k in range(len(eeg))]
    assert recording.channel_names == profile.channel_names


def test_a_profile_of_another_board_is_refused(brainflow_files: tuple[Path, Path, np.ndarray]) -> None:
    with pytest.raises(RecordingError, match="has 32 columns, board Cyton of profile two writes 24"):
        read_recording(brainflow_files[0], board(board_id=0))
    with pytest.raises(RecordingError, match="is no BrainFlow board"):
        read_recording(brainflow_files[0], load_profile("replay"))


@pytest.mark.recordings
def test_mind_monitor_holds_the_raw_columns_of_the_file(recordings_dir: Path) -> None:
    with (recordings_dir / MUSE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    at = rows[0].index("RAW_TP9")
    recording = read_recording(recordings_dir / MUSE)
    assert np.array_equal(recording.samples, np.array([[float(c) for c in row[at : at + 4]] for row in rows[1:]]).astype(np.float32))
    assert recording.channel_names == ("TP9", "AF7", "AF8", "TP10")
    assert recording.sampling_rate_hz == pytest.approx(1 / 1.016)
    assert recording.segments == (Segment(0, 0, 26),)
    assert "not every sample" in recording.remarks[0]


def muse_file(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(["TimeStamp,Delta_TP9,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10,AUX_RIGHT,Battery,Elements", *lines, ""]), encoding="utf-8")
    return path


def muse_stamp(seconds: float) -> str:
    return f"2020-01-01 12:{int(seconds // 60):02d}:{seconds % 60:06.3f}"


def test_mind_monitor_at_full_rate_keeps_order_marks_gaps_and_places_its_elements(tmp_path: Path) -> None:
    lines = []
    for k in [*range(2000), *range(3000, 4000)]:
        stamp = muse_stamp((k // 12 * 12) / 256)  # twelve samples a packet, one stamp
        lines.append(f"{stamp},0.1,{800 + k % 7},1,2,3,850,90")
        if k == 1000:
            lines.append(f"{muse_stamp(1000 / 256)},,,,,,,,/muse/elements/blink")
        if k == 3600:
            lines.append(f"{muse_stamp(3600 / 256)},,,,,,,,/Marker/2")
    recording = read_recording(muse_file(tmp_path / "a.csv", lines))
    assert recording.sampling_rate_hz == 256.0
    first, second = recording.segments
    assert (first, second.row, second.n_samples) == (Segment(0, 0, 2000), 2000, 1000)
    assert abs(second.sample_index - 3000) <= 12  # stamps are of whole packets
    assert [e.description for e in recording.events] == ["/muse/elements/blink", "/Marker/2"]
    assert abs(recording.events[0].onset_sample - 1000) <= 12
    assert abs(recording.events[1].onset_sample - 3600) <= 24
    assert recording.samples[:, 0].tolist() == [800.0 + k % 7 for k in [*range(2000), *range(3000, 4000)]]


@pytest.mark.recordings
@pytest.mark.parametrize("keep", [0.9999, 0.7, 0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", [OPENBCI, MUSE])
def test_a_cut_text_file_is_refused_in_a_sentence(recordings_dir: Path, tmp_path: Path, name: str, keep: float) -> None:
    raw = (recordings_dir / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(raw[: max(3, int(len(raw) * keep))])
    _refused(path)


def test_a_cut_brainflow_file_is_refused_in_a_sentence(brainflow_files: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    raw = brainflow_files[0].read_bytes()
    for keep in (len(raw) - 1, len(raw) // 2, 1000, 10):
        (tmp_path / "cut.csv").write_bytes(raw[:keep])
        _refused(tmp_path / "cut.csv", load_profile("brainflow_synthetic"))


@pytest.mark.recordings
@pytest.mark.parametrize("name", [OPENBCI, MUSE])
@pytest.mark.parametrize("damage", [b"abc", b"\xff\xfe", b",,,,", b"\n"])
def test_damaged_bytes_in_a_text_file_are_refused_in_a_sentence(recordings_dir: Path, tmp_path: Path, name: str, damage: bytes) -> None:
    raw = (recordings_dir / name).read_bytes()
    line = raw.rindex(b"\n", 0, len(raw) * 2 // 3)
    line = line + len(b",".join(raw[line : line + 600].split(b",")[: 22 if name == MUSE else 3])) - 2  # inside a channel's cell
    path = tmp_path / Path(name).name
    path.write_bytes(raw[:line] + damage + raw[line:])
    _refused(path)


def test_a_text_that_no_known_program_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary,\n", encoding="utf-8")
    with pytest.raises(RecordingError, match="starts with 'Dear diary,', which no known program writes"):
        read_recording(tmp_path / "notes.txt")


def test_rows_without_a_number_are_lost_samples_with_a_remark(brainflow_files: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    lines = brainflow_files[0].read_text(encoding="utf-8").splitlines(keepends=True)
    for k in range(50, 60):
        cells = lines[k].split("\t")
        lines[k] = "\t".join([*cells[:3], "nan", *cells[4:]])
    (tmp_path / "a.csv").write_text("".join(lines), encoding="utf-8")
    recording = read_recording(tmp_path / "a.csv", board())
    assert recording.segments == (Segment(0, 0, 50), Segment(60, 50, len(lines) - 60))
    assert "10 rows hold a channel that is no number" in recording.remarks[-1]


@pytest.mark.recordings
def test_reading_xdf_prints_nothing(recordings_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    logging.basicConfig(level="INFO", force=True)
    try:
        read_recording(recordings_dir / "format_samples" / "switch_example.xdf")
    finally:
        logging.basicConfig(level="WARNING", force=True)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def _refused(path: Path, profile: HardwareProfile | None = None) -> Recording | None:
    with pytest.raises(RecordingError) as refused:
        read_recording(path, profile)
    said = str(refused.value)
    assert str(path) in said
    assert said.endswith(".")
    assert "\n" not in said
    return None
