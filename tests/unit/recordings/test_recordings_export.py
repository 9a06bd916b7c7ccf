"""Exports read back: by ourselves, and by MNE, pyxdf and MNE-BIDS, which did not write them."""

import json
from dataclasses import replace
from pathlib import Path

import mne
import mne_bids
import numpy as np
import pytest
import pyxdf

from hardware_profiles.profile import Channel, Driver, HardwareProfile
from messaging.records import Chunk, DecoderRef, End, Event, Record, UnitShown
from messaging.words import EventType
from recordings.errors import RecordingError
from recordings.export.edf_file import edf_labels
from recordings.export.exporting import Exported, ExportFormat, export_recording
from recordings.recording import Recording, Segment, read_recording
from recordings.writer import LogWriter
from tests.reference.random_logs import header
from tests.reference.scripted_board import short_recording

N_CHANNELS = 5
RATE_HZ = 250.0
PIECES = ((0, 300), (330, 400), (1000, 613))  # (first sample, number): gaps of 30 and 270 samples; no whole number of seconds
SECRET = "schadenfreude"


def board() -> HardwareProfile:
    channels = (
        Channel(name="Fz"),
        Channel(name="Cz"),
        Channel(name="HEOG", kind="eog"),
        Channel(name="Light", kind="photodiode", unit="a.u."),
        Channel(name="Accelerometer of the long arm", kind="aux", unit="a.u."),
    )
    return HardwareProfile(
        name="bench_board",
        title="Bench board",
        driver=Driver(kind="replay"),
        sampling_rate_hz=RATE_HZ,
        mains_hz=60,
        reference="earlobes",
        ground="Fpz",
        channels=channels,
    )


def samples(first: int, n: int) -> np.ndarray:
    """EEG on the offsets of dry electrodes (up to 60 mV), drifting."""
    rng = np.random.default_rng(first)
    return (rng.normal(0, 12, (n, N_CHANNELS)) + np.array([-61_379.0, 812.5, 3.0, 0.0, 1e4]) + np.linspace(0, 40, n)[:, None]).astype(np.float32)


def event(ordinal: int, kind: EventType, at: int, **fields: object) -> Event:
    return Event(ordinal=ordinal, event_id=f"{ordinal:032x}", type=kind, session_id="s" * 32, onset_sample_index=at, **fields)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    records: list[Record] = [
        header(board(), versions={"rlhb": "0.1.0"}, subject="S-07"),
        event(2, EventType.DECODER, 0, decoder=DecoderRef(name="lda", version=1)),
    ]
    for first, n in PIECES:
        records.append(Chunk(len(records) + 1, first, 1000.25 + first / RATE_HZ, samples(first, n)))
    records.append(event(6, EventType.TRIAL_START, 5))
    for k, at in enumerate((10, 299, 310, 330, 1400)):  # the third lies in a gap
        records.append(event(7 + k, EventType.UNIT, at, unit=UnitShown(index=k, text=f"{SECRET} {k}")))
    records.append(event(12, EventType.ANNOTATION, 1500, text=f"note {SECRET}"))
    records.append(End(ordinal=13, reason="done", end_index=1613))
    path = tmp_path_factory.mktemp("own") / "run.xdf"
    with LogWriter.create(path, records[0]) as writer:
        for record in records[1:]:
            writer.write(record)
    return read_recording(path)


NAMED = [(0, "decoder"), (5, "trial_start"), (10, "unit/0"), (299, "unit/1"), (310, "unit/2"), (330, "unit/3"), (1400, "unit/4"), (1500, "annotation")]


@pytest.fixture(scope="module")
def exported(own: Recording, tmp_path_factory: pytest.TempPathFactory) -> dict[ExportFormat, Exported]:
    folder = tmp_path_factory.mktemp("exports")
    return {form: export_recording(own, form, folder) for form in ExportFormat}


def back(exported: dict[ExportFormat, Exported], form: ExportFormat) -> Recording:
    path = exported[form].path
    return read_recording(next(path.rglob("*_eeg.edf")) if form is ExportFormat.BIDS else path)


@pytest.mark.parametrize("form", ExportFormat)
def test_events_come_back_at_their_samples_without_texts(exported: dict[ExportFormat, Exported], form: ExportFormat) -> None:
    assert [(e.onset_sample, e.description) for e in back(exported, form).events] == NAMED


@pytest.mark.parametrize("form", ExportFormat)
def test_gaps_come_back_as_gaps(exported: dict[ExportFormat, Exported], form: ExportFormat) -> None:
    assert back(exported, form).segments == (Segment(0, 0, 300), Segment(330, 300, 400), Segment(1000, 700, 613))


@pytest.mark.parametrize("form", ExportFormat)
def test_channels_keep_names_and_kinds(own: Recording, exported: dict[ExportFormat, Exported], form: ExportFormat) -> None:
    found = back(exported, form)
    kept = [k for k, kind in enumerate(found.channel_kinds) if kind in ("eeg", "eog")]
    assert [(found.channel_names[k], found.channel_kinds[k]) for k in kept] == [("Fz", "eeg"), ("Cz", "eeg"), ("HEOG", "eog")]
    assert found.sampling_rate_hz == own.sampling_rate_hz


@pytest.mark.parametrize("form", [ExportFormat.XDF, ExportFormat.FIF])
def test_xdf_and_fif_give_every_sample_bit_for_bit(own: Recording, exported: dict[ExportFormat, Exported], form: ExportFormat) -> None:
    assert back(exported, form).samples[:, :3].tobytes() == own.samples[:, :3].tobytes()


@pytest.mark.parametrize(("form", "bits"), [(ExportFormat.EDF, 16), (ExportFormat.BIDS, 16), (ExportFormat.BDF, 24)])
def test_edf_and_bdf_clip_nothing_and_round_by_at_most_half_a_step(
    own: Recording, exported: dict[ExportFormat, Exported], form: ExportFormat, bits: int
) -> None:
    path = exported[form].path
    path = next(path.rglob("*_eeg.edf")) if path.is_dir() else path
    raw = mne.io.read_raw(path, infer_types=True, verbose="ERROR")
    for k, name in enumerate(("Fz", "Cz", "HEOG")):
        uv = raw.get_data(picks=[name])[0] * 1e6
        there = np.concatenate([np.arange(first, first + n) for first, n in PIECES])
        original = own.samples[:, k].astype(np.float64)
        # the header has eight characters for each end of the range: it may be wider than the samples by 0.01 at -61,379 microvolt
        step = (original.max() - original.min() + 2 * 10.0 ** (np.ceil(np.log10(np.abs(original).max())) - 6)) / (2**bits - 1)
        error = np.abs(uv[there] - original)
        assert error.max() <= step / 2 * 1.001 + 1e-7
        assert error.max() > 0 or bits == 24


def test_a_gap_is_filled_with_the_last_value_and_annotated(own: Recording, exported: dict[ExportFormat, Exported]) -> None:
    raw = mne.io.read_raw_fif(exported[ExportFormat.FIF].path, verbose="ERROR")
    filled = raw.get_data(picks=["Cz"])[0, 300:330]
    assert np.array_equal((filled * 1e6).astype(np.float32), np.full(30, own.samples[299, 1]))
    skipped = [(round(a["onset"] * RATE_HZ), round(a["duration"] * RATE_HZ)) for a in raw.annotations if a["description"] == "BAD_ACQ_SKIP"]
    assert skipped == [(300, 30), (730, 270)]
    assert np.isfinite(raw.get_data()).all()


def test_fif_says_who_when_and_with_what(exported: dict[ExportFormat, Exported]) -> None:
    info = mne.io.read_raw_fif(exported[ExportFormat.FIF].path, verbose="ERROR").info
    assert info["line_freq"] == 60
    assert info["subject_info"]["his_id"] == "S-07"
    assert info["device_info"]["type"] == "Bench board"
    assert info["meas_date"].isoformat() == "2026-01-01T00:00:00+00:00"
    assert "reference earlobes; ground Fpz; rlhb 0.1.0" in info["description"]


@pytest.mark.parametrize("form", [ExportFormat.EDF, ExportFormat.BDF])
def test_the_edf_header_says_who_when_and_with_what(exported: dict[ExportFormat, Exported], form: ExportFormat) -> None:
    fixed = exported[form].path.read_bytes()[:256].decode("latin-1")
    assert fixed[8:88].strip() == "S-07 X X X"
    assert fixed[88:168].split() == ["Startdate", "01-JAN-2026", "X", "X", "bench_board", "rlhb_0.1.0"]


def test_pyxdf_dejitters_the_export_to_straight_lines(own: Recording, exported: dict[ExportFormat, Exported]) -> None:
    streams, _ = pyxdf.load_xdf(exported[ExportFormat.XDF].path)
    eeg, marks = streams
    numbers = np.concatenate([np.arange(first, first + n) for first, n in PIECES])
    assert np.abs(eeg["time_stamps"] - (1000.25 + np.arange(1613) / RATE_HZ)).max() < 1e-6
    assert np.array_equal(eeg["time_series"][numbers], own.samples)
    assert np.array_equal(eeg["time_series"][300:330], np.repeat(own.samples[299:300], 30, axis=0))
    assert marks["info"]["type"] == ["Markers"]
    expected = sorted([*NAMED, (300, "BAD_ACQ_SKIP/30"), (730, "BAD_ACQ_SKIP/270")])
    assert [row[0] for row in marks["time_series"]] == [text for _, text in expected]
    assert np.abs(np.array(marks["time_stamps"]) - [1000.25 + at / RATE_HZ for at, _ in expected]).max() < 1e-9
    described = eeg["info"]["desc"][0]
    assert described["reference"][0]["label"] == ["earlobes"]
    assert described["acquisition"][0]["power_line"] == ["60"]


def test_the_bids_dataset_reads_back_with_its_sidecars(exported: dict[ExportFormat, Exported]) -> None:
    root = exported[ExportFormat.BIDS].path
    path = mne_bids.BIDSPath(subject="S07", session="s" * 32, task="tokenrsvp", datatype="eeg", root=root, suffix="eeg")
    raw = mne_bids.read_raw_bids(path, verbose="ERROR")
    assert raw.get_channel_types() == ["eeg", "eeg", "eog", "misc", "misc"]
    assert raw.info["line_freq"] == 60
    marks = [(round(a["onset"] * RATE_HZ), a["description"]) for a in raw.annotations if a["description"] != "BAD_ACQ_SKIP"]
    assert marks == NAMED
    sidecar = json.loads(next(root.rglob("*_eeg.json")).read_text(encoding="utf-8"))
    wanted = {"EEGReference": "earlobes", "EEGGround": "Fpz", "PowerLineFrequency": 60, "Manufacturer": "Bench board", "RecordingType": "discontinuous"}
    assert {key: sidecar[key] for key in wanted} == wanted
    assert json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))["BIDSVersion"]
    rows = next(root.rglob("*_channels.tsv")).read_text(encoding="utf-8-sig").splitlines()
    assert [row.split("\t")[:2] for row in rows[1:]][:3] == [["Fz", "EEG"], ["Cz", "EEG"], ["HEOG", "EOG"]]


def test_every_file_of_the_bids_dataset_has_a_name_that_bids_knows(exported: dict[ExportFormat, Exported]) -> None:
    import bids_validator as validator

    root = exported[ExportFormat.BIDS].path
    names = ["/" + p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
    assert names
    assert [name for name in names if not validator.BIDSValidator().is_bids(name)] == []


@pytest.mark.parametrize("form", ExportFormat)
def test_texts_leave_only_when_asked_for(own: Recording, exported: dict[ExportFormat, Exported], tmp_path: Path, form: ExportFormat) -> None:
    def content(path: Path) -> bytes:
        return b"".join(p.read_bytes() for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file())

    def holds(raw: bytes) -> bool:
        return SECRET.encode() in raw or SECRET.encode("utf-16-le") in raw

    assert not holds(content(exported[form].path))
    with_text = export_recording(own, form, tmp_path, with_text=True)
    assert holds(content(with_text.path))
    if form is ExportFormat.XDF:
        assert with_text.path.read_bytes() == own.path.read_bytes()


def test_nothing_half_written_is_left_and_nothing_is_replaced(own: Recording, exported: dict[ExportFormat, Exported], tmp_path: Path) -> None:
    for form, was in exported.items():
        with pytest.raises(RecordingError, match="is there already"):
            export_recording(own, form, was.path.parent)
    odd = Recording(**{name: getattr(own, name) for name in own.__slots__} | {"sampling_rate_hz": 250.0123})
    for form in (ExportFormat.EDF, ExportFormat.BDF, ExportFormat.BIDS):
        with pytest.raises(RecordingError, match=r"250.0123 Hz has none. Export FIF or XDF\."):
            export_recording(odd, form, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(own: Recording, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(RecordingError, match="cannot be written"):
        export_recording(own, ExportFormat.FIF, tmp_path / "file" / "inside")


@pytest.mark.parametrize("form", [ExportFormat.EDF, ExportFormat.BDF, ExportFormat.FIF, ExportFormat.BIDS])
def test_texts_of_any_script_come_back_without_control_characters(tmp_path: Path, form: ExportFormat) -> None:
    texts = ("Straße 🧠", "a:b;c,d\x14e\x00f\tg\nh", "x" * 300, "")
    records = [header(board()), Chunk(2, 0, 1000.25, samples(0, 250))]
    records += [event(3 + k, EventType.UNIT, 10 * k, unit=UnitShown(index=k, text=text)) for k, text in enumerate(texts)]
    with LogWriter.create(tmp_path / "odd.xdf", records[0]) as writer:
        for record in records[1:]:
            writer.write(record)
    path = export_recording(read_recording(tmp_path / "odd.xdf"), form, tmp_path / "out", with_text=True).path
    found = read_recording(next(path.rglob("*_eeg.edf")) if path.is_dir() else path)
    expected = ["unit/0/Straße 🧠", "unit/1/a:b;c,d e f g h", "unit/2/" + "x" * 300, "unit/3"]
    assert [(e.onset_sample, e.description) for e in found.events] == [(10 * k, text) for k, text in enumerate(expected)]


def test_labels_of_edf_are_sixteen_ascii_characters_each_once() -> None:
    long = "Accelerometer of the arm"
    labels = edf_labels(("Fz", "Cz", long, long + " 2", "Äther"), ("eeg", "eog", "aux", "aux", "eeg"))
    assert labels == ["EEG Fz", "EOG Cz", "Accelerometer of", "Accelerometer ~2", "EEG _ther"]


@pytest.mark.recordings
@pytest.mark.parametrize("form", ExportFormat)
def test_a_real_recording_of_another_program_exports_with_its_events(recordings_dir: Path, tmp_path: Path, form: ExportFormat) -> None:
    source = read_recording(recordings_dir / "eeglab_sample" / "eeglab_data.set")
    path = export_recording(source, form, tmp_path).path
    found = read_recording(next(path.rglob("*_eeg.edf")) if path.is_dir() else path)
    assert found.channel_names == source.channel_names
    assert found.channel_kinds == source.channel_kinds
    assert [(e.onset_sample, e.description) for e in found.events] == [(e.onset_sample, e.description) for e in source.events]
    assert found.samples.shape == source.samples.shape
    assert np.abs(found.samples - source.samples).max() < 0.02


def test_a_value_that_no_edf_header_holds_is_refused_in_a_sentence_and_leaves_nothing(tmp_path):
    recording = short_recording(tmp_path)
    samples = recording.samples.copy()
    samples[3, 1] = -60592250880.0
    with pytest.raises(RecordingError, match=r"channel FCz reaches 6\.\S+; EDF and BDF headers hold values below 1e\+06"):
        export_recording(replace(recording, samples=samples), ExportFormat.EDF, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
