"""Which files of the data folder belong to a subject."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from server.subjects.files import erase_files, files_of

KEPT = [
    "recordings/a-10.xdf", "recordings/b-1.xdf", "recordings/xa-1.xdf", "recordings/README", "checkpoints/a-10.npz",
    "exports/sub-S2/eeg/x.edf", "exports/a-12.edf", "decoders/a-1/1/decoder.json", "snapshots/a-1/x.jsonl",
]  # fmt: skip
GONE = ["recordings/a-1.xdf", "recordings/a-1.xdf.tail", "checkpoints/a-1.npz", "exports/a-1.edf", "exports/a-1_eeg.fif", "exports/sub-S1/eeg/x.edf"]


def lay(folder: Path) -> None:
    for name in (*KEPT, *GONE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "exports" / "participants.tsv").write_text("participant_id\tage\nsub-S1\tn/a\nsub-S2\tn/a\n")


def test_files_of_the_subject_go_and_no_other_file_does(tmp_path: Path) -> None:
    lay(tmp_path)
    removed = erase_files(tmp_path, "S-1", ["a-1"])
    assert sorted(removed) == sorted(["exports/sub-S1" if n.startswith("exports/sub") else n for n in GONE])
    assert [n for n in KEPT if not (tmp_path / n).is_file()] == []
    assert (tmp_path / "exports" / "participants.tsv").read_text() == "participant_id\tage\nsub-S2\tn/a\n"
    assert erase_files(tmp_path, "S-1", ["a-1"]) == []


def test_nothing_recorded_means_nothing_removed(tmp_path: Path) -> None:
    lay(tmp_path)
    assert files_of(tmp_path, "nobody", []) == []
    assert files_of(tmp_path / "nowhere", "S-1", ["a-1"]) == []


@given(st.lists(st.from_regex(r"[a-z0-9.*+\[(-]{3,12}", fullmatch=True), unique=True, min_size=1, max_size=5), st.data())
def test_only_files_named_after_the_recording_are_found(names: list[str], data: st.DataObject) -> None:
    import tempfile

    chosen = data.draw(st.sampled_from(names))
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings"
        recordings.mkdir()
        for name in names:
            (recordings / f"{name}_raw").write_text("x")
        found = files_of(Path(folder), "nobody", [chosen])
        assert [path.name for path in found] == [f"{chosen}_raw"]
