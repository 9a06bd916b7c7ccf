"""Readers of the field's formats. MNE and pyxdf are loaded when a file needs them."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import HardwareProfile
from recordings.errors import RecordingError
from recordings.foreign_xdf import read_foreign_xdf
from recordings.recording import RecordedEvent, Recording, Segment, content_sha256
from recordings.text_formats import TEXT_SUFFIXES, read_text
from recordings.wholeness import check_brainvision, check_edf, check_fif, edf_other_units

_BLOCK_SAMPLES = 1 << 16
_KINDS = ("eeg", "eog", "ecg", "emg")
_NAME_KINDS = ((re.compile(r"eog", re.IGNORECASE), "eog"), (re.compile(r"e[ck]g", re.IGNORECASE), "ecg"), (re.compile(r"emg", re.IGNORECASE), "emg"))
_NAMED_BY_ANOTHER = {".eeg": ".vhdr", ".dat": ".vhdr", ".vmrk": ".vhdr", ".fdt": ".set"}
_CHECKS: dict[str, Callable[[Path], None]] = {".fif": check_fif, ".edf": check_edf, ".bdf": check_edf}
_MNE_SUFFIXES = (".fif", ".fif.gz", ".edf", ".bdf", ".vhdr", ".set")
_XDF_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz")


def read_foreign(path: Path, profile: HardwareProfile | None = None) -> Recording:
    """Read another program's recording, by its suffix.

    Parameters
    ----------
    path : Path
    profile : HardwareProfile, optional
        Board that was recorded; only text files need one (`recordings.text_formats`).

    Raises
    ------
    RecordingError
        The format is unknown, the file is cut or damaged, or holds no EEG.
    """
    suffix = _suffix(path)
    if suffix in TEXT_SUFFIXES:
        return read_text(path, profile)
    if suffix in _XDF_SUFFIXES:
        return read_foreign_xdf(path)
    if suffix in _MNE_SUFFIXES:
        return _read_mne(path, suffix)
    header = path.with_suffix(_NAMED_BY_ANOTHER.get(suffix, ".?"))
    if header.exists():
        raise RecordingError(f"{path} is the data of {header.name}. Give that file.")
    raise RecordingError(f"{path}: '{suffix}' is no format that is read here. Known: {', '.join((*_XDF_SUFFIXES, *_MNE_SUFFIXES, *TEXT_SUFFIXES))}.")


def _suffix(path: Path) -> str:
    double = "".join(path.suffixes[-2:]).lower()
    return double if double in (".fif.gz", ".xdf.gz") else path.suffix.lower()


def _read_mne(path: Path, suffix: str) -> Recording:
    if suffix in _CHECKS:
        _CHECKS[suffix](path)
    raw, remarks = _open_raw(path)
    files = _files(path, suffix, raw)
    if suffix == ".vhdr":
        check_brainvision(path, files[1], len(raw.ch_names))
    names, kinds, picks = _channels(path, suffix, raw, edf_other_units(path) if suffix in (".edf", ".bdf") else frozenset())
    rate_hz = float(raw.info["sfreq"])
    events, skipped = _annotations(raw, rate_hz)
    segments = _segments(int(raw.n_times), skipped)
    return Recording(
        path=path,
        sha256=content_sha256(files),
        sampling_rate_hz=rate_hz,
        channel_names=names,
        channel_kinds=kinds,
        samples=_samples_uv(path, raw, picks, segments),
        segments=segments,
        events=events,
        remarks=remarks,
    )


def _open_raw(path: Path) -> tuple[Any, tuple[str, ...]]:
    import mne  # takes about a second

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            # EDF+ labels say the kind: "EEG Fz" is channel Fz
            kinds = {"infer_types": True} if path.suffix.lower() in (".edf", ".bdf") else {}
            raw = mne.io.read_raw(path, verbose="WARNING", **kinds)
        except Exception as error:  # noqa: BLE001 - readers raise anything on damaged files; this is the border
            _refuse(path, error)
    return raw, tuple(dict.fromkeys(" ".join(str(w.message).split()) for w in said))


def _refuse(path: Path, error: Exception) -> NoReturn:
    said = " ".join(str(error).split())[:300] or type(error).__name__
    remedy = "Check that it opens in the program that wrote it, or copy it again."
    if said.startswith("No raw data"):
        remedy = "It holds cut epochs, which only 'rlhb evaluate' reads: give the continuous recording."
    raise RecordingError(f"{path} cannot be read: {said.rstrip('.')}. {remedy}") from error


def _files(path: Path, suffix: str, raw: Any) -> list[Path]:
    """All files of the recording, the named one first, then data, then markers."""
    found = [path, *(Path(name) for name in raw.filenames if name is not None and Path(name).resolve() != path.resolve())]
    if suffix == ".vhdr":
        line = re.search(r"^\s*MarkerFile\s*=\s*(.+?)\s*$", path.read_text(encoding="latin-1"), re.MULTILINE)
        if line:
            marker = path.with_name(line.group(1).replace("$b", path.stem))
            found.extend([marker] if marker.exists() else [])
    return found


def _channels(path: Path, suffix: str, raw: Any, other_units: frozenset[int]) -> tuple[tuple[str, ...], tuple[str, ...], list[int]]:
    """Channels that are kept: EEG, and EOG, ECG, EMG by type, or by name where the file has no types."""
    names, kinds, picks = [], [], []
    for index, (name, declared) in enumerate(zip(raw.ch_names, raw.get_channel_types(), strict=True)):
        # The BrainVision reader calls whatever has no position "misc", an EOG among them; other formats' misc is in other units.
        untyped = declared == "eeg" or (declared == "misc" and suffix == ".vhdr")
        kind = next((k for pattern, k in _NAME_KINDS if untyped and pattern.search(name)), declared)
        if kind in _KINDS and index not in other_units:
            names.append(str(name).strip())
            kinds.append(str(kind))
            picks.append(index)
    if "eeg" not in kinds:
        there = ", ".join(sorted(set(raw.get_channel_types()))) or "nothing"
        raise RecordingError(f"{path} has no EEG channel; it holds {there}. Give a recording with EEG, or correct its channel types.")
    return tuple(names), tuple(kinds), picks


def _annotations(raw: Any, rate_hz: float) -> tuple[tuple[RecordedEvent, ...], list[tuple[int, int]]]:
    """Events, and (start, end) of the samples that the file marks as not recorded."""
    events, skipped = [], []
    marks = raw.annotations
    # Onsets count from the measurement's date; the first sample lies `first_time` after it.
    first_s = float(raw.first_time)
    for onset_s, duration_s, description in zip(marks.onset, marks.duration, marks.description, strict=True):
        onset = round((float(onset_s) - first_s) * rate_hz)
        text = str(description)
        if text.upper() == "BAD_ACQ_SKIP":
            skipped.append((onset, round((float(onset_s) - first_s + float(duration_s)) * rate_hz)))
        elif not text.upper().startswith(("BAD", "EDGE BOUNDARY")):
            events.append(RecordedEvent(onset, text, float(duration_s)))
    return tuple(sorted(events, key=lambda e: e.onset_sample)), sorted(skipped)


def _segments(n_samples: int, skipped: list[tuple[int, int]]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    row = position = 0
    for start, end in [*skipped, (n_samples, n_samples)]:
        n = min(start, n_samples) - position
        if n > 0:
            segments.append(Segment(position, row, n))
            row += n
        position = max(position, end)
    return tuple(segments)


def _samples_uv(path: Path, raw: Any, picks: list[int], segments: tuple[Segment, ...]) -> NDArray[np.float32]:
    """Read the segments block by block: volt in float64, times 1e6, then float32."""
    samples = np.empty((sum(s.n_samples for s in segments), len(picks)), dtype=np.float32)
    for segment in segments:
        for begin in range(0, segment.n_samples, _BLOCK_SAMPLES):
            n = min(_BLOCK_SAMPLES, segment.n_samples - begin)
            start = segment.sample_index + begin
            try:
                volt = raw.get_data(picks=picks, start=start, stop=start + n, verbose="ERROR")
            except Exception as error:  # noqa: BLE001 - see _open_raw
                _refuse(path, error)
            if volt.shape[1] != n:
                raise RecordingError(f"{path} ends early: {volt.shape[1]} of {n} samples from sample {start}. Copy it again from where it was recorded.")
            samples[segment.row + begin : segment.row + begin + n] = (volt * 1e6).T
    samples.flags.writeable = False
    return samples
