"""Cut epochs: what MNE and numpy see in the same files; damaged ones are refused."""

from pathlib import Path

import mne
import numpy as np
import pytest

from recordings.epochs import is_epochs, read_epochs
from recordings.errors import RecordingError

FIF, NPZ, TWO = "errp_1ch_256hz-epo.fif", "errp_1ch_256hz_epochs.npz", "gridcursor_s4_2ch_32hz.npz"


def some(path: Path, **changes: object) -> Path:
    fields = {"X_uv": np.arange(24.0).reshape(2, 3, 4), "y": [0, 1], "times_s": np.arange(4) / 100, "sfreq": 100.0}
    np.savez(path, **{key: value for key, value in (fields | changes).items() if value is not None})
    return path


@pytest.mark.recordings
def test_fif_epochs_hold_what_mne_reads(recordings_dir: Path) -> None:
    epochs = read_epochs(recordings_dir / "errp_iturrate" / FIF)
    other = mne.read_epochs(recordings_dir / "errp_iturrate" / FIF, verbose="ERROR")
    assert np.array_equal(epochs.uv, (other.get_data(verbose="ERROR") * 1e6).astype(np.float32))
    assert (epochs.channel_names, epochs.sampling_rate_hz) == (("FCz",), 256.0)
    assert np.allclose(epochs.times_ms, other.times * 1e3)
    assert epochs.descriptions.count("error") == 39
    assert epochs.onset_samples is not None
    assert np.array_equal(epochs.onset_samples, other.events[:, 0])


@pytest.mark.recordings
def test_npz_and_fif_of_the_same_epochs_agree(recordings_dir: Path) -> None:
    npz, fif = (read_epochs(recordings_dir / "errp_iturrate" / name) for name in (NPZ, FIF))
    assert np.abs(npz.uv - fif.uv).max() < 1e-4
    assert npz.descriptions == fif.descriptions
    assert np.allclose(npz.times_ms, fif.times_ms, atol=0.01)
    assert npz.onset_samples is None


@pytest.mark.recordings
def test_npz_of_several_channels_keeps_their_names(recordings_dir: Path) -> None:
    epochs = read_epochs(recordings_dir / "errp_iturrate" / TWO)
    assert (epochs.channel_names, epochs.uv.shape) == (("FCz", "Cz"), (1080, 2, 17))


def test_classes_of_an_npz_may_have_names(tmp_path: Path) -> None:
    assert read_epochs(some(tmp_path / "a.npz")).descriptions == ("correct", "error")
    assert read_epochs(some(tmp_path / "b.npz", classes=np.array(["face", "house"]))).descriptions == ("face", "house")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "lack y"),
        ({"y": [0, 7]}, r"y holds \[0, 7\], the classes are correct, error"),
        ({"times_s": np.arange(5)}, "shapes do not fit"),
        ({"ch_names": np.array(["Fz"])}, "1 channel names for 3 channels"),
        ({"y": np.array([{}, {}], dtype=object)}, "cut or damaged"),
    ],
)
def test_an_npz_that_is_not_the_documented_one_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_epochs(some(tmp_path / "a.npz", **changes))


@pytest.mark.recordings
@pytest.mark.parametrize("name", [FIF, NPZ])
@pytest.mark.parametrize("keep", [0.999, 0.5, 0.01])
def test_a_cut_file_of_epochs_is_refused_in_a_sentence(recordings_dir: Path, tmp_path: Path, name: str, keep: float) -> None:
    raw = (recordings_dir / "errp_iturrate" / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(RecordingError) as refused:
        read_epochs(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_epochs_are_known_by_their_names() -> None:
    assert [is_epochs(Path(name)) for name in ("a-epo.fif", "a_epo.fif.gz", "a.npz", "a_raw.fif", "epo.fif", "a.edf")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
