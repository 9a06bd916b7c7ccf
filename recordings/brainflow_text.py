"""Files of BrainFlow: `DataFilter.write_file` and the streamer ``file://``. They hold numbers only, so a profile says which board wrote them."""

import tomllib
import warnings
from pathlib import Path
from typing import Any

from hardware_profiles import HardwareProfile, load_profile, profile_names
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.sample_numbers import counting_of
from recordings.text_recording import TextSamples, text_recording
from recordings.text_table import Layout, open_text, read_table

_MICROVOLT_INPUTS = ("eeg", "eog", "ecg", "emg")
_CYTONS = (0, 2, 5, 6)
_DIGITAL_AMONG_OTHERS = (1, 2, 3, 4, 6)
"""Rows of a Cyton's digital pins D11, D12, D13, D17, D18 among its other rows (OpenBCI GUI, BoardBrainFlow)."""


def read_brainflow_text(path: Path, profile: HardwareProfile | None = None) -> Recording:
    """Read a tab- or comma-separated file of BrainFlow.

    Parameters
    ----------
    path : Path
    profile : HardwareProfile, optional
        Board that was recorded. Without it a file of the same name that ends in ``.toml`` is looked for beside the recording: a
        profile, or one line ``profile = "NAME"``.

    Raises
    ------
    RecordingError
        The file is cut or damaged, no profile is given, or it does not fit.
    """
    sidecar = path.with_suffix(".toml")
    sidecars = [sidecar] if profile is None and sidecar.is_file() else []
    delimiter, n_columns = _shape(path)
    if profile is None:
        profile = _profile_beside(sidecar) if sidecars else None
    if profile is None:
        fitting = ", ".join(_fitting(n_columns)) or "none of the shipped ones"
        raise RecordingError(
            f"BrainFlow file {path} does not say which board wrote it. Give --profile NAME, or put {sidecar.name} beside it with the line"
            f' profile = "NAME". Profiles with its {n_columns} columns: {fitting}.'
        )
    described = _described(path, profile, n_columns)
    inputs = _inputs(profile)
    rows = [_row(path, profile, described, wanted) for wanted in inputs]
    wanted = [described["package_num_channel"], described["timestamp_channel"], described["marker_channel"], *rows]
    table = read_table(path, Layout(delimiter, n_columns, wanted))
    modulus = profile.driver.counter_modulus
    uv = table[:, 3:]
    uv[:, [k for k, wanted in enumerate(inputs) if wanted.partition(":")[0] in _MICROVOLT_INPUTS]] *= profile.driver.scale_to_uv
    samples = TextSamples(
        uv=uv,
        stamps_s=table[:, 1],
        counters=table[:, 0] if modulus else None,
        counting=counting_of(table[:, 0], modulus) if modulus else None,
        markers=table[:, 2],
    )
    kinds = tuple(c.kind for c in profile.channels)
    return text_recording(path, profile.sampling_rate_hz, profile.channel_names, kinds, samples, (f"Read as board {profile.title}.",), sidecars)


def _shape(path: Path) -> tuple[str, int]:
    with open_text(path) as file:
        try:
            line = file.readline().strip()
        except UnicodeDecodeError as error:
            raise RecordingError(f"Text recording {path} is damaged: {error.reason} in its first line. Copy it again.") from error
    delimiter = "\t" if "\t" in line else ","
    return delimiter, line.count(delimiter) + 1


def _profile_beside(sidecar: Path) -> HardwareProfile:
    try:
        fields = tomllib.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecordingError(f"{sidecar}, which should name the board, cannot be read: {error}. Correct it.") from error
    named = fields.get("profile") if set(fields) == {"profile"} else str(sidecar)
    if not isinstance(named, str):
        raise RecordingError(f'{sidecar} names the profile {named!r}, which is no text. Write profile = "NAME".')
    return load_profile(sidecar.parent / named if named.endswith(".toml") else named)


def _board(profile: HardwareProfile) -> int | None:
    """Board that the rows are of: for playback and streaming boards the one that recorded."""
    driver = profile.driver
    return driver.board_id if driver.master_board_id is None else driver.master_board_id


def _descr(board_id: int) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about setuptools, which is pinned
        from brainflow.board_shim import BoardShim  # loads BrainFlow's library

    BoardShim.disable_board_logger()
    return dict(BoardShim.get_board_descr(board_id))


def _described(path: Path, profile: HardwareProfile, n_columns: int) -> dict[str, Any]:
    board_id = _board(profile)
    if profile.driver.kind != "brainflow" or board_id is None:
        raise RecordingError(
            f"Profile {profile.name} is no BrainFlow board ({profile.driver.kind}), but {path} is a file of BrainFlow. Give its board's profile."
        )
    try:
        described = _descr(board_id)
    except Exception as error:  # BrainFlow's errors have no common type; this is the border
        raise RecordingError(f"Profile {profile.name}: BrainFlow knows no board {board_id}. Correct driver.board_id.") from error
    if described["num_rows"] != n_columns:
        counts = f"{n_columns} columns, board {described['name']} of profile {profile.name} writes {described['num_rows']}"
        raise RecordingError(f"BrainFlow file {path} has {counts}. Give the profile of the board that wrote it.")
    return described


def _row(path: Path, profile: HardwareProfile, described: dict[str, Any], wanted: str) -> int:
    """Row of an input such as ``analog:2``."""
    kind, _, position = wanted.partition(":")
    rows = [described[f"{kind}_channel"]] if f"{kind}_channel" in described else list(described.get(f"{kind}_channels", ()))
    if kind == "digital" and _board(profile) in _CYTONS:
        rows = [described["other_channels"][k] for k in _DIGITAL_AMONG_OTHERS]
    at = int(position or 0) if (position or "0").isdigit() else len(rows)
    if at >= len(rows):
        there = ", ".join(f"{key.removesuffix('_channels')} ({len(value)})" for key, value in described.items() if key.endswith("_channels"))
        raise RecordingError(f"{path}: profile {profile.name} has the input '{wanted}', the board has {there}. Correct the profile.")
    return int(rows[at])


def _inputs(profile: HardwareProfile) -> list[str]:
    """Input of each channel; those that name none are the board's EEG inputs in order."""
    plain = iter(range(len(profile.channels)))
    return [c.input if c.input is not None else f"eeg:{next(plain)}" for c in profile.channels]


def _fitting(n_columns: int) -> list[str]:
    """Shipped profiles whose board writes as many columns."""
    found = []
    for name in profile_names():
        try:
            profile = load_profile(name)
            board_id = _board(profile)
            if profile.driver.kind == "brainflow" and board_id is not None and _descr(board_id)["num_rows"] == n_columns:
                found.append(name)
        except Exception:  # noqa: BLE001, S112 - a hint in a refusal: a profile that cannot be asked is no hint
            continue
    return found
