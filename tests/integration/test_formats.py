"""One real recording in every format that is read: the same trials, the same log on replay, the same decoding; exports through the command."""

import contextlib
import io
import json
import os
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from hardware_profiles import HardwareProfile
from messaging.records import Chunk, Event
from messaging.words import EventType
from recordings.export.exporting import ExportFormat, export_recording
from recordings.recording import Recording, read_recording
from recordings.writer import LogWriter
from rlhb.__main__ import main
from rlhb.commands.lab import replay_plan
from rlhb.offline_log import log_of_foreign
from rlhb.training_input import as_training
from tests.reference.random_logs import small_log

SPELLER = "gtec_p300_speller/sub-01_task-p300_raw.fif"
CODES = {"target": 1, "nontarget": 2}
TEXTS = {"target": "marker/1", "nontarget": "marker/2"}
LOST = slice(20_000, 20_100)


def cyton(names: tuple[str, ...]) -> str:
    """A profile file of a Cyton with these electrodes."""
    channels = "".join(f'{{ name = "{name}" }},' for name in names)
    return (
        'name = "speller"\ntitle = "Cyton"\nsampling_rate_hz = 250\n'
        f'channels = [{channels}]\n[driver]\nkind = "brainflow"\nboard_id = 0\ncounter_modulus = 256\nserial_port = "/dev/null"\n'
    )


def brainflow_table(source: Recording) -> np.ndarray:
    """The recording as rows of a Cyton: packet number, 8 EEG, ..., time stamp, marker; 100 packets are lost."""
    table = np.zeros((source.n_samples, 24))
    table[:, 0] = np.arange(source.n_samples) % 256
    table[:, 1:9] = source.samples
    table[:, 22] = 1.7e9 + np.arange(source.n_samples) / 250
    for event in source.events:
        table[event.onset_sample, 23] = CODES[event.description]
    return np.delete(table, LOST, axis=0)


@pytest.fixture(scope="module")
def source(recordings_dir: Path) -> Recording:
    return read_recording(recordings_dir / SPELLER)


@pytest.fixture(scope="module")
def brainflow_csv(source: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("formats") / "speller.csv"
    np.savetxt(path, brainflow_table(source), fmt="%.6f", delimiter="\t")
    path.with_suffix(".toml").write_text(cyton(source.channel_names), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def gui_text(source: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("formats") / "OpenBCI-RAW.txt"
    table = brainflow_table(source)[:, [0, *range(1, 9), 22, 23]]
    columns = ", ".join(["Sample Index", *(f"EXG Channel {k}" for k in range(8)), "Timestamp", "Marker Channel"])
    header = f"%OpenBCI Raw EXG Data\n%Number of channels = 8\n%Sample Rate = 250 Hz\n%Board = OpenBCI_GUI$BoardCytonSerial\n{columns}"
    np.savetxt(path, table, fmt="%.6f", delimiter=", ", header=header, comments="")
    return path


def read(path: Path, source: Recording) -> Recording:
    profile = HardwareProfile.model_validate(
        {
            "name": "x",
            "title": "x",
            "driver": {"kind": "lsl", "stream_name": "x"},
            "sampling_rate_hz": 250,
            "channels": [{"name": n} for n in source.channel_names],
        }
    )
    return read_recording(path, profile if path.suffix == ".txt" else None)


@pytest.mark.recordings
@pytest.mark.parametrize("kind", ["brainflow_csv", "gui_text"])
def test_text_recordings_give_the_trials_of_the_fif(request: pytest.FixtureRequest, source: Recording, kind: str) -> None:
    found = as_training(read(request.getfixturevalue(kind), source), [TEXTS["target"]], [TEXTS["nontarget"]])
    expected = as_training(source, ["target"], ["nontarget"])
    there = ~((expected.onset_samples >= LOST.start) & (expected.onset_samples < LOST.stop))
    assert there.sum() < len(there)  # some onsets were lost with their samples
    assert np.array_equal(found.onset_samples, expected.onset_samples[there])
    assert np.array_equal(found.positive, expected.positive[there])
    assert found.channel_names == expected.channel_names
    assert np.abs(found.samples - np.delete(expected.samples, LOST, axis=0)).max() < 1e-4
    assert len(found.segments) == 2


@pytest.mark.recordings
@pytest.mark.parametrize("form", ExportFormat)
def test_exports_give_the_trials_of_the_fif(source: Recording, tmp_path: Path, form: ExportFormat) -> None:
    path = export_recording(source, form, tmp_path).path
    found = as_training(read_recording(next(path.rglob("*_eeg.edf")) if path.is_dir() else path), ["target"], ["nontarget"])
    expected = as_training(source, ["target"], ["nontarget"])
    assert np.array_equal(found.onset_samples, expected.onset_samples)
    assert np.array_equal(found.positive, expected.positive)
    assert found.channel_names == expected.channel_names
    assert np.abs(found.samples - expected.samples).max() < 0.01


@pytest.mark.recordings
@pytest.mark.parametrize("kind", ["brainflow_csv", "gui_text"])
def test_replaying_a_text_recording_makes_its_samples_gap_and_events(request: pytest.FixtureRequest, source: Recording, kind: str) -> None:
    recording = read(request.getfixturevalue(kind), source)
    records = list(log_of_foreign(recording, replay_plan(recording, "run", None, 0.2)))
    chunks = [r for r in records if isinstance(r, Chunk)]
    assert np.array_equal(np.concatenate([c.samples for c in chunks]), recording.samples)
    ends = {c.end_index for c in chunks}
    assert [c.sample_index for c in chunks if c.sample_index not in ends and c.sample_index > 0] == [LOST.stop]
    units = [(r.onset_sample_index, r.unit.text) for r in records if isinstance(r, Event) and r.type is EventType.UNIT and r.unit]
    assert units == [(e.onset_sample, e.description) for e in recording.events]


def rlhb(*arguments: object, data_dir: Path) -> tuple[int, str, str]:
    """Run a command inside this process; returns status, output and what it says on stderr."""
    out, err = io.StringIO(), io.StringIO()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RLHB_")} | {"RLHB_DATA_DIR": str(data_dir)}
    surroundings = contextlib.ExitStack()
    surroundings.enter_context(mock.patch.dict(os.environ, clean, clear=True))
    surroundings.enter_context(mock.patch.object(sys, "argv", ["rlhb", *map(str, arguments)]))
    surroundings.enter_context(contextlib.redirect_stdout(out))
    surroundings.enter_context(contextlib.redirect_stderr(err))
    with surroundings, pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@pytest.mark.recordings
def test_the_commands_take_a_brainflow_file_with_the_profile_beside_it_or_given(brainflow_csv: Path, tmp_path: Path) -> None:
    classes = ("--positive", TEXTS["target"], "--negative", TEXTS["nontarget"])
    alone, beside = tmp_path / "alone.csv", tmp_path / "beside.csv"
    alone.write_bytes(b"".join(brainflow_csv.read_bytes().splitlines(keepends=True)[:25_000]))
    shutil.copyfile(alone, beside)
    profile = shutil.copyfile(brainflow_csv.with_suffix(".toml"), beside.with_suffix(".toml"))
    status, said, _ = rlhb("evaluate", beside, *classes, "--pipeline", "lda", "--json", data_dir=tmp_path)
    assert status == 0
    assert json.loads(said)["pipelines"]["lda"]["auc"] > 0.85
    status, _, refusal = rlhb("evaluate", alone, *classes, data_dir=tmp_path)
    assert status == 1
    assert "Give --profile NAME" in refusal
    rlhb("fit", alone, *classes, "--profile", profile, "--signal", "relevance", "--out", "speller", data_dir=tmp_path)
    status, said, _ = rlhb("relabel", alone, "--profile", profile, "--decoder", "speller", data_dir=tmp_path)
    assert status == 0
    assert len(said.splitlines()) == len(read_recording(beside).events) > 400
    status, said, _ = rlhb("export", alone, "--profile", profile, "--format", "bdf", "--json", data_dir=tmp_path)
    assert status == 0
    assert read_recording(Path(json.loads(said)["path"])).channel_names == read_recording(beside).channel_names


@pytest.mark.recordings
def test_evaluate_takes_epochs_and_says_how_they_were_folded(recordings_dir: Path, tmp_path: Path) -> None:
    path = recordings_dir / "errp_iturrate" / "gridcursor_s4_2ch_32hz.npz"
    status, said, _ = rlhb("evaluate", path, "--positive", "error", "--negative", "correct", "--pipeline", "lda", "--json", data_dir=tmp_path)
    assert status == 0
    answer = json.loads(said)
    assert answer["chosen"] == "lda"
    assert answer["pipelines"]["lda"]["auc"] > 0.82
    assert "sorted by class" in answer["per_recording"][0]["remarks"][-1]
    status, _, refusal = rlhb("evaluate", path, recordings_dir / SPELLER, "--positive", "error", "--negative", "correct", data_dir=tmp_path)
    assert status == 1
    assert "is no file of epochs" in refusal


def test_a_session_that_is_not_there_is_refused_with_a_sentence(tmp_path: Path) -> None:
    status, said, refusal = rlhb("export", "nope", "--format", "edf", data_dir=tmp_path)
    assert (status, said) == (1, "")
    assert refusal.strip().startswith("There is no recording or session 'nope'.")
    assert rlhb("export", "nope", "--format", "wav", data_dir=tmp_path)[0] == 2


def test_a_session_is_exported_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    with LogWriter.create(tmp_path / "recordings" / "r1.xdf", small_log()[0]) as writer:
        for record in small_log()[1:]:
            writer.write(record)
    for name, form in (("r1", "fif"), (small_log()[0].session_id, "edf")):
        status, said, _ = rlhb("export", name, "--format", form, "--json", data_dir=tmp_path)
        assert status == 0
        written = read_recording(Path(json.loads(said)["path"]))
        assert written.path.parent == tmp_path / "exports"
        assert [e.description for e in written.events] == ["annotation", "unit/0"]
