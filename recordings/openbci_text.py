"""Text recordings of the OpenBCI GUI, version 5 and 6: Cyton, Cyton + Daisy, Ganglion, over cable, Bluetooth or WiFi."""

import re
from dataclasses import dataclass
from pathlib import Path

from hardware_profiles import HardwareProfile
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.sample_numbers import counting_of
from recordings.text_recording import TextSamples, text_recording
from recordings.text_table import Layout, open_text, read_table

_MODULUS = 256
_IMPEDANCE_ROWS = 201
"""Packets of the Ganglion from this number on carry an impedance instead of samples."""
_MILLISECONDS_FROM = 1e11
"""Unix seconds reach this in the year 5138; larger stamps are milliseconds, as the GUI's converter of old files writes."""


@dataclass(frozen=True, slots=True)
class _Header:
    rate_hz: float
    board: str
    columns: tuple[str, ...]
    n_lines: int


def read_openbci_text(path: Path, profile: HardwareProfile | None = None) -> Recording:
    """Read a text file of the OpenBCI GUI.

    Sample Index tells lost samples, the marker column events (``marker/1``). The file names no electrodes: channels are called Ch1,
    Ch2, ..., or as in the profile that is given.

    Raises
    ------
    RecordingError
        The file is cut or damaged, older than version 5 of the GUI, or has other channels than the profile.
    """
    header = _header(path)
    exg = [k for k, name in enumerate(header.columns) if re.fullmatch(r"EXG Channel \d+", name)]
    wanted = [_column(path, header, "Sample Index"), _column(path, header, "Timestamp")]
    marker = next((k for k, name in enumerate(header.columns) if name in ("Marker Channel", "Marker")), None)
    layout = Layout(",", len(header.columns), [*wanted, *exg, *([] if marker is None else [marker])], header.n_lines)
    table = read_table(path, layout)
    if "Ganglion" in header.board:
        table = table[table[:, 0] < _IMPEDANCE_ROWS]
    stamps_s = table[:, 1] / (1e3 if table[0, 1] > _MILLISECONDS_FROM else 1.0)
    samples = TextSamples(
        uv=table[:, 2 : 2 + len(exg)],
        stamps_s=stamps_s,
        counters=table[:, 0],
        counting=counting_of(table[:, 0], _MODULUS),
        markers=None if marker is None else table[:, -1],
    )
    names, kinds, remarks = _names(path, len(exg), profile)
    return text_recording(path, header.rate_hz, names, kinds, samples, remarks)


def _header(path: Path) -> _Header:
    said: list[str] = []
    with open_text(path) as file:
        try:
            while (line := file.readline()).startswith("%"):
                said.append(line.strip())
        except UnicodeDecodeError as error:
            raise RecordingError(f"Text recording {path} is damaged: {error.reason} in its header. Copy it again from where it was recorded.") from error
    columns = tuple(name.strip() for name in line.split(","))
    text = "\n".join(said)
    rate = re.search(r"^%Sample Rate = ([0-9.]+)", text, re.MULTILINE)
    if rate is None or float(rate.group(1)) <= 0 or not line.endswith("\n"):
        raise RecordingError(f"OpenBCI text {path} has no whole header: it is cut or damaged. Copy it again from where it was recorded.")
    if "Sample Index" not in columns:
        first = columns[0][:40]
        raise RecordingError(f"OpenBCI text {path} has no line of column names ('{first}' is there): versions of the GUI before 5 are not read. Convert it.")
    board = re.search(r"^%Board = (.+)$", text, re.MULTILINE)
    return _Header(float(rate.group(1)), board.group(1) if board else "", columns, len(said) + 1)


def _column(path: Path, header: _Header, name: str) -> int:
    if name not in header.columns:
        raise RecordingError(f"OpenBCI text {path} has no column '{name}'; it has {', '.join(header.columns)}. Give the file as the GUI wrote it.")
    return header.columns.index(name)


def _names(path: Path, n_channels: int, profile: HardwareProfile | None) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    if profile is None:
        names = tuple(f"Ch{k + 1}" for k in range(n_channels))
        remark = f"The file names no electrodes: channels are called Ch1 to Ch{n_channels}; give a profile to name them."
        return names, ("eeg",) * n_channels, (remark,)
    taken = [c for c in profile.channels if c.input is None or c.input.startswith("eeg:")]
    if len(taken) != n_channels:
        counts = f"{n_channels} channels, profile {profile.name} has {len(taken)}"
        raise RecordingError(f"OpenBCI text {path} has {counts}. Give the profile of the board that was recorded.")
    ordered = sorted(enumerate(taken), key=lambda pair: int(pair[1].input.split(":")[1]) if pair[1].input else pair[0])
    return tuple(c.name for _, c in ordered), tuple(c.kind for _, c in ordered), ()
