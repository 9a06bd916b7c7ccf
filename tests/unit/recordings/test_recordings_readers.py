"""Other programs' recordings: real ones agree with each other; cut ones are refused in a sentence."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import mne
import numpy as np
import pytest

from recordings.errors import RecordingError
from recordings.recording import Recording, Segment, read_recording


@pytest.fixture(scope="module")
def gtec_fif(recordings_dir: Path) -> Recording:
    return read_recording(recordings_dir / "gtec_p300_speller" / "sub-01_task-p300_raw.fif")


@pytest.mark.recordings
def test_the_same_recording_as_fif_and_edf_agrees(recordings_dir: Path, gtec_fif: Recording) -> None:
    edf = read_recording(recordings_dir / "gtec_p300_speller" / "sub-01_task-p300.edf")
    assert edf.samples.shape == gtec_fif.samples.shape == (60871, 8)
    assert np.abs(edf.samples - gtec_fif.samples).max() < 0.003  # half a step of 16 bit
    assert edf.events == gtec_fif.events
    assert Counter(e.description for e in edf.events) == {"nontarget": 1050, "target": 150}
    assert edf.segments == gtec_fif.segments == (Segment(0, 0, 60871),)
    assert (edf.channel_names, edf.sampling_rate_hz) == (gtec_fif.channel_names, 250.0)


@pytest.mark.recordings
def test_values_are_microvolt_of_the_float64_volts(recordings_dir: Path, gtec_fif: Recording) -> None:
    raw = mne.io.read_raw_fif(gtec_fif.path, verbose="ERROR")
    assert np.array_equal(gtec_fif.samples, (raw.get_data() * 1e6).T.astype(np.float32))
    assert gtec_fif.samples.dtype == np.float32
    assert gtec_fif.sha256 == hashlib.sha256(gtec_fif.path.read_bytes()).hexdigest()


@pytest.mark.recordings
def test_events_are_where_mne_finds_them(recordings_dir: Path) -> None:
    path = recordings_dir / "semisynthetic_errp" / "sub-01_task-errpsim_raw.fif"
    raw = mne.io.read_raw_fif(path, verbose="ERROR")
    events, ids = mne.events_from_annotations(raw, verbose="ERROR")
    names = {v: k for k, v in ids.items()}
    found = [(e.onset_sample, e.description) for e in read_recording(path).events]
    assert found == [(int(sample) - raw.first_samp, names[int(number)]) for sample, _, number in events]
    assert len(found) == 223


@pytest.mark.recordings
@pytest.mark.parametrize("date", [False, True])
def test_onsets_count_from_the_first_sample_of_a_cropped_file(recordings_dir: Path, gtec_fif: Recording, tmp_path: Path, date: bool) -> None:
    raw = mne.io.read_raw_fif(gtec_fif.path, verbose="ERROR")
    if date:
        raw.set_meas_date(1_700_000_000.0)
    raw.crop(tmin=20.0).save(tmp_path / "part_raw.fif", verbose="ERROR")
    part = read_recording(tmp_path / "part_raw.fif")
    assert np.array_equal(part.samples, gtec_fif.samples[5000:])
    expected = [(e.onset_sample - 5000, e.description) for e in gtec_fif.events if e.onset_sample >= 5000]
    assert [(e.onset_sample, e.description) for e in part.events] == expected


@pytest.mark.recordings
def test_eeglab_and_its_fif_conversion_agree(recordings_dir: Path) -> None:
    folder = recordings_dir / "eeglab_sample"
    eeglab, fif = read_recording(folder / "eeglab_data.set"), read_recording(folder / "eeglab_data_raw.fif")
    assert eeglab.samples.shape == (30504, 32)
    assert np.array_equal(eeglab.samples, fif.samples)
    assert eeglab.events == fif.events
    assert Counter(e.description for e in eeglab.events) == {"square": 80, "rt": 74}
    assert [n for n, k in zip(eeglab.channel_names, eeglab.channel_kinds, strict=True) if k == "eog"] == ["EOG1", "EOG2"]
    both = (folder / "eeglab_data.set").read_bytes() + (folder / "eeglab_data.fdt").read_bytes()
    assert eeglab.sha256 == hashlib.sha256(both).hexdigest()


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "shape", "rate_hz", "kinds", "events"),
    [
        ("test.bdf", (15360, 16), 256.0, {"eeg": 16}, 0),
        ("test.edf", (15360, 16), 256.0, {"eeg": 16}, 0),
        ("testbva.vhdr", (2112, 32), 200.0, {"eeg": 29, "eog": 1, "ecg": 2}, 16),
        ("test.xdf", (9520, 8), 1000.0, {"eeg": 8}, 0),
        ("switch_example.xdf", (34320, 16), 256.0, {"eeg": 16}, 652),
    ],
)
def test_samples_of_each_format_are_read(recordings_dir: Path, name: str, shape: tuple[int, int], rate_hz: float, kinds: dict[str, int], events: int) -> None:
    recording = read_recording(recordings_dir / "format_samples" / name)
    assert (recording.samples.shape, recording.sampling_rate_hz, len(recording.events)) == (shape, rate_hz, events)
    assert Counter(recording.channel_kinds) == kinds
    assert recording.samples.dtype == np.float32
    assert np.isfinite(recording.samples).all()
    spread_uv = np.median(recording.samples.std(axis=0))
    assert 1 < spread_uv < 1000
    assert recording.end_index == shape[0]


@pytest.mark.recordings
def test_brainvision_hash_covers_its_three_files(recordings_dir: Path, tmp_path: Path) -> None:
    for name in ("testbva.vhdr", "testbva.dat", "testbva.vmrk"):
        shutil.copyfile(recordings_dir / "format_samples" / name, tmp_path / name)
    before = read_recording(tmp_path / "testbva.vhdr").sha256
    marks = tmp_path / "testbva.vmrk"
    marks.write_text(marks.read_text(encoding="utf-8") + "; a remark\n", encoding="utf-8")
    assert read_recording(tmp_path / "testbva.vhdr").sha256 != before


@pytest.mark.recordings
def test_markers_of_a_foreign_xdf_lie_on_its_samples(recordings_dir: Path) -> None:
    recording = read_recording(recordings_dir / "format_samples" / "switch_example.xdf")
    starts = [e.onset_sample for e in recording.events if e.description == "Trial Started"]
    # First marker of UnityMarkerStream: 1222198.60820 s; first sample: 1222188.23153 s; 256 Hz.
    assert starts[0] == round((1222198.60820139 - 1222188.23153211) * 256)
    assert all(0 <= s < recording.end_index for s in starts)


@pytest.mark.recordings
@pytest.mark.parametrize("keep", [0.999999, 0.9, 0.5, 0.1, 0.01, 0.0001])
@pytest.mark.parametrize(
    "name",
    [
        "gtec_p300_speller/sub-01_task-p300_raw.fif",
        "gtec_p300_speller/sub-01_task-p300.edf",
        "format_samples/test.bdf",
        "format_samples/test.xdf",
        "eeglab_sample/eeglab_data.set",
    ],
)
def test_a_cut_copy_is_refused_in_a_sentence(recordings_dir: Path, tmp_path: Path, name: str, keep: float) -> None:
    raw = (recordings_dir / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(raw[: max(int(len(raw) * keep), 1)])
    if path.suffix == ".set":
        shutil.copyfile(recordings_dir / "eeglab_sample" / "eeglab_data.fdt", tmp_path / "eeglab_data.fdt")
    with pytest.raises(RecordingError) as refused:
        read_recording(path)
    assert str(path) in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.recordings
@pytest.mark.parametrize("data", ["testbva.dat", "eeglab_data.fdt"])
@pytest.mark.parametrize("keep", [0.5, None])
def test_cut_or_missing_data_beside_a_header_is_refused(recordings_dir: Path, tmp_path: Path, data: str, keep: float | None) -> None:
    folder = recordings_dir / ("format_samples" if data == "testbva.dat" else "eeglab_sample")
    names = ("testbva.vhdr", "testbva.vmrk") if data == "testbva.dat" else ("eeglab_data.set",)
    for name in names:
        shutil.copyfile(folder / name, tmp_path / name)
    if keep is not None:
        raw = (folder / data).read_bytes()
        (tmp_path / data).write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(RecordingError):
        read_recording(tmp_path / names[0])


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("errp_iturrate/errp_1ch_256hz-epo.fif", "holds cut epochs"),
        ("format_samples/testbva.dat", "is the data of testbva.vhdr"),
        ("eeglab_sample/eeglab_data.fdt", "is the data of eeglab_data.set"),
        ("README.md", "'.md' is no format that is read here"),
        ("format_samples", "is a folder"),
        ("format_samples/nothing.edf", "There is no recording"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(recordings_dir: Path, name: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_recording(recordings_dir / name)


def test_a_file_without_eeg_is_refused(tmp_path: Path) -> None:
    info = mne.create_info(["STI", "Temp"], 100.0, ["stim", "misc"])
    mne.io.RawArray(np.zeros((2, 200)), info, verbose="ERROR").save(tmp_path / "a_raw.fif", verbose="ERROR")
    with pytest.raises(RecordingError, match="has no EEG channel; it holds misc, stim"):
        read_recording(tmp_path / "a_raw.fif")


def test_skipped_samples_become_a_gap_and_bad_spans_no_event(tmp_path: Path) -> None:
    info = mne.create_info(["Fz", "STI", "HEOG"], 100.0, ["eeg", "stim", "eog"])
    values = np.arange(600.0).reshape(3, 200) * 1e-6
    raw = mne.io.RawArray(values, info, verbose="ERROR")
    raw.set_annotations(mne.Annotations([0.5, 1.5, 0.2, 0.3], [0.2, 0.5, 0.1, 0.0], ["BAD_ACQ_SKIP", "bad_acq_skip", "BAD_blink", "word"]))
    raw.save(tmp_path / "a_raw.fif", verbose="ERROR")
    recording = read_recording(tmp_path / "a_raw.fif")
    assert recording.segments == (Segment(0, 0, 50), Segment(70, 50, 80))
    assert recording.samples[:, 0] == pytest.approx(np.r_[0:50, 70:150])
    assert [(e.onset_sample, e.description) for e in recording.events] == [(30, "word")]
    assert (recording.channel_names, recording.channel_kinds) == (("Fz", "HEOG"), ("eeg", "eog"))
    assert (recording.row(49), recording.row(60), recording.row(70), recording.row(150)) == (49, None, 50, None)
