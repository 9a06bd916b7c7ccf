"""Cut epochs: `-epo.fif` of MNE, and the ``.npz`` of docs/formats.md. They have no continuous signal: only `rlhb evaluate` reads them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.files import open_file
from recordings.recording import content_sha256
from recordings.wholeness import check_fif

_FIF_ENDINGS = ("-epo.fif", "_epo.fif", "-epo.fif.gz", "_epo.fif.gz")
_NPZ_KEYS = ("X_uv", "y", "times_s", "sfreq")
_DEFAULT_CLASSES = ("correct", "error")


@dataclass(frozen=True, slots=True)
class Epochs:
    """Epochs of one subject, in the order of the file."""

    path: Path
    sha256: str
    sampling_rate_hz: float
    channel_names: tuple[str, ...]
    """EEG channels."""
    uv: NDArray[np.float32]
    """(n_epochs, n_channels, n_samples), microvolt."""
    times_ms: NDArray[np.float64]
    """(n_samples,) relative to the onset."""
    descriptions: tuple[str, ...]
    """(n_epochs,): what each epoch is of."""
    onset_samples: NDArray[np.int64] | None
    """(n_epochs,) sample of each onset in the recording they were cut from; None where the file does not say."""


def is_epochs(path: Path) -> bool:
    """Whether a file holds epochs, by its name."""
    return path.name.lower().endswith((".npz", *_FIF_ENDINGS))


def read_epochs(path: Path) -> Epochs:
    """Read epochs.

    Raises
    ------
    RecordingError
        The file is missing, cut or damaged, lacks a key, or holds no EEG.
    """
    with open(open_file(path), "rb"):  # noqa: PTH123 - says in a sentence what is wrong with the path
        pass
    return _read_npz(path) if path.suffix.lower() == ".npz" else _read_fif(path)


def _read_npz(path: Path) -> Epochs:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: np.asarray(file[key]) for key in file.files}
    except Exception as error:  # zipfile, zlib and numpy each raise their own on damaged files; this is the border
        raise RecordingError(f"Epochs {path} are cut or damaged: {' '.join(str(error).split())[:200].rstrip('.')}. Copy the file again.") from error
    missing = [key for key in _NPZ_KEYS if key not in found]
    if missing:
        raise RecordingError(f"Epochs {path} lack {', '.join(missing)}; a file needs the keys {', '.join(_NPZ_KEYS)} (docs: formats). Add them.")
    uv = found["X_uv"]
    uv = uv[:, np.newaxis, :] if uv.ndim == 2 else uv
    y, times_s = found["y"].ravel(), found["times_s"].ravel()
    if uv.ndim != 3 or len(y) != len(uv) or len(times_s) != uv.shape[2] or not len(uv):
        shapes = f"X_uv {found['X_uv'].shape}, y {found['y'].shape}, times_s {found['times_s'].shape}"
        raise RecordingError(f"Epochs {path}: shapes do not fit ({shapes}); X_uv is (epochs, channels, samples) or (epochs, samples). Correct the file.")
    classes = tuple(str(c) for c in found["classes"].ravel()) if "classes" in found else _DEFAULT_CLASSES
    if not np.isin(y, np.arange(len(classes))).all():
        raise RecordingError(f"Epochs {path}: y holds {sorted(set(y.tolist()))[:5]}, the classes are {', '.join(classes)} (0, 1 ...). Correct y or classes.")
    names = tuple(str(n) for n in found["ch_names"].ravel()) if "ch_names" in found else tuple(f"Ch{k + 1}" for k in range(uv.shape[1]))
    if len(names) != uv.shape[1] or float(found["sfreq"]) <= 0:
        raise RecordingError(f"Epochs {path}: {len(names)} channel names for {uv.shape[1]} channels at {float(found['sfreq']):g} Hz. Correct the file.")
    return Epochs(
        path=path,
        sha256=content_sha256([path]),
        sampling_rate_hz=float(found["sfreq"]),
        channel_names=names,
        uv=uv.astype(np.float32),
        times_ms=times_s.astype(np.float64) * 1e3,
        descriptions=tuple(classes[int(k)] for k in y),
        onset_samples=None,
    )


def _read_fif(path: Path) -> Epochs:
    if path.suffix.lower() != ".gz":
        check_fif(path)
    import mne  # takes about a second

    try:
        epochs = mne.read_epochs(path, preload=True, verbose="ERROR")
        uv = epochs.get_data(picks="eeg", verbose="ERROR") * 1e6
    except Exception as error:  # readers raise anything on damaged files; this is the border
        said = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise RecordingError(f"Epochs {path} cannot be read: {said}. Check that MNE opens them, or copy the file again.") from error
    names = {number: name for name, number in epochs.event_id.items()}
    return Epochs(
        path=path,
        sha256=content_sha256([path]),
        sampling_rate_hz=float(epochs.info["sfreq"]),
        channel_names=tuple(name for name, kind in zip(epochs.ch_names, epochs.get_channel_types(), strict=True) if kind == "eeg"),
        uv=uv.astype(np.float32),
        times_ms=np.asarray(epochs.times, dtype=np.float64) * 1e3,
        descriptions=tuple(names[int(number)] for number in epochs.events[:, 2]),
        onset_samples=np.asarray(epochs.events[:, 0], dtype=np.int64),
    )
