"""Is a file of another program all there? MNE reads cut files without complaint, so this is checked before it is asked.

Each check takes a path and raises `RecordingError` where the file ends before its own headers say it does.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from recordings.errors import RecordingError

_FIF_TAG = struct.Struct(">iiii")
_EDF_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_VOLTS = frozenset({"v", "mv", "uv", "nv", "µv", "μv", "volt", "volts", "microvolt", "microvolts", "microv"})
_FIF_FILE_ID, _FIF_NEXT_NONE = 100, -1


def check_fif(path: Path) -> None:
    """Walk the tags of a FIF file to its closing one.

    References
    ----------
    FIFF format: each tag is kind, type, size, next (big-endian int32); next 0 = the following byte, -1 = the last tag.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        position, first = 0, True
        while True:
            file.seek(position)
            raw = file.read(_FIF_TAG.size)
            if len(raw) < _FIF_TAG.size:
                raise _cut(path, "FIF", f"its {size} bytes end without the closing tag")
            kind, _, n_bytes, following = _FIF_TAG.unpack(raw)
            if first and kind != _FIF_FILE_ID:
                raise RecordingError(f"{path} is no FIF file: it starts with tag {kind} instead of {_FIF_FILE_ID}. Check what it is.")
            end = position + _FIF_TAG.size + n_bytes
            if n_bytes < 0 or end > size:
                raise _cut(path, "FIF", f"it has {size} bytes, the tag at byte {position} reaches to byte {end}")
            if following == _FIF_NEXT_NONE:
                return
            if following < 0 or 0 < following <= position:
                raise _cut(path, "FIF", f"the tag at byte {position} points to byte {following}")
            position, first = following or end, False


def check_edf(path: Path) -> None:
    """Compare the size of an EDF or BDF file with its header: number of records times bytes per record.

    A header with -1 records (a recording that was not closed) is taken as it is when the last record is whole.

    References
    ----------
    Kemp & Olivan (2003), European data format 'plus' (EDF+), doi:10.1016/S1388-2457(03)00123-8.
    """
    size = path.stat().st_size
    sample_bytes = 3 if path.suffix.lower() == ".bdf" else 2
    with path.open("rb") as file:
        fixed = file.read(256)
        try:
            if len(fixed) < 256:
                raise ValueError
            header_bytes, n_records, n_signals = int(fixed[184:192]), int(fixed[236:244]), int(fixed[252:256])
            samples_per_record = _edf_samples_per_record(file, n_signals)
        except ValueError:
            raise RecordingError(f"{path} has no EDF/BDF header, or it is cut ({size} bytes). Copy the file again from where it was recorded.") from None
    record_bytes = sample_bytes * samples_per_record
    expected = header_bytes + max(n_records, 0) * record_bytes
    if size < expected:
        raise _cut(path, "EDF/BDF", f"it has {size} bytes, its header promises {n_records} records = {expected} bytes")
    if n_records < 0 and (record_bytes == 0 or (size - header_bytes) % record_bytes):
        raise _cut(path, "EDF/BDF", f"its {size - header_bytes} bytes after the header are no whole number of records of {record_bytes} bytes")


def _edf_samples_per_record(file: BinaryIO, n_signals: int) -> int:
    file.seek(256 + 216 * n_signals)
    return sum(int(file.read(8)) for _ in range(n_signals))


def edf_other_units(path: Path) -> frozenset[int]:
    """Signals of an EDF or BDF file that are in another unit than volts: temperature, movement, light. No unit is taken for volts.

    Numbers count the signals without those of annotations, as readers do.
    """
    with path.open("rb") as file:
        fixed = file.read(256)
        n_signals = int(fixed[252:256])
        labels = [file.read(16).decode("latin-1").strip() for _ in range(n_signals)]
        file.seek(256 + 96 * n_signals)
        units = [file.read(8).decode("latin-1").strip().lower() for _ in range(n_signals)]
    signals = [unit for label, unit in zip(labels, units, strict=True) if label not in _EDF_ANNOTATIONS]
    return frozenset(k for k, unit in enumerate(signals) if unit and unit not in _VOLTS)


def check_brainvision(path: Path, data_path: Path, n_channels: int) -> None:
    """Compare the size of a BrainVision data file with the header's ``DataPoints``, where it is given (binary formats only)."""
    keys: dict[str, str] = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(";"):
            keys.setdefault(key.strip(), value.strip())
    width = {"INT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}.get(keys.get("BinaryFormat", ""))
    if width is None or keys.get("DataFormat", "BINARY") != "BINARY":
        return
    size, row_bytes = data_path.stat().st_size, width * n_channels
    points = int(keys["DataPoints"]) if keys.get("DataPoints", "").isdigit() else None
    if size % row_bytes or (points is not None and size < points * row_bytes):
        promised = f"{points} samples = {points * row_bytes} bytes" if points is not None else f"a multiple of {row_bytes} bytes"
        raise _cut(data_path, "BrainVision", f"it has {size} bytes, its header promises {promised}")


def _cut(path: Path, form: str, how: str) -> RecordingError:
    return RecordingError(f"{form} file {path} is cut or damaged: {how}. Copy it again from where it was recorded.")
