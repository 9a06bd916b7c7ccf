"""Which row of BrainFlow's table is which channel of the profile, and what the board must be told so that it fills them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardError
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import Channel

CYTON_BOARDS = (0, 2, 5, 6)
STREAMING_BOARD, PLAYBACK_BOARD, SYNTHETIC_BOARD = -2, -3, -1
MICROVOLT_INPUTS = ("eeg", "eog", "ecg", "emg")
DIGITAL_AMONG_OTHERS = (1, 2, 3, 4, 6)
"""In digital mode the Cyton's pins D11, D12, D13, D17, D18 are these of its other rows (OpenBCI GUI, BoardBrainFlow)."""
MODE_COMMANDS = {"accel": "/0", "analog": "/2", "digital": "/3"}
"""Cyton: its three auxiliary values are acceleration, or three analogue, or five digital pins (Cyton SDK, board modes)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the profile's channels are in BrainFlow's table.

    Attributes
    ----------
    channels : (n_channels,) int array
    scale : (n_channels,) float array
        Factor of each channel.
    counter, stamp : int
        Rows of the packet number and of the host stamp.
    n_rows : int
    sampling_rate_hz : float
    mode_command : str or None
        What a Cyton must be sent before it streams.
    eeg : dict
        Position among the board's EEG inputs by channel name.
    """

    channels: NDArray[np.intp]
    scale: NDArray[np.float64]
    counter: int
    stamp: int
    n_rows: int
    sampling_rate_hz: float
    mode_command: str | None
    eeg: dict[str, int]


def described_board(profile: HardwareProfile) -> int:
    """Number of the board that makes the samples: the profile's own, or the one that recorded or streams.

    Raises
    ------
    BoardError
        BrainFlow's playback or streaming board without the board behind it, file or address.
    """
    driver = profile.driver
    assert driver.board_id is not None
    if driver.board_id not in (STREAMING_BOARD, PLAYBACK_BOARD):
        return driver.board_id
    kind = "plays a file" if driver.board_id == PLAYBACK_BOARD else "receives the stream of another board"
    if driver.master_board_id is None:
        raise BoardError(
            f"Profile {profile.name}: board {driver.board_id} {kind}; give driver.master_board_id, the number of the board that recorded or sends it."
        )
    if driver.board_id == PLAYBACK_BOARD and not driver.file:
        raise BoardError(f"Profile {profile.name}: board {driver.board_id} {kind}; give driver.file.")
    if driver.board_id == STREAMING_BOARD and not (driver.ip_address and driver.ip_port):
        raise BoardError(f"Profile {profile.name}: board {driver.board_id} {kind}; give driver.ip_address (multicast group) and driver.ip_port.")
    return driver.master_board_id


def rows_of(profile: HardwareProfile, described: dict[str, Any], board_id: int) -> Rows:
    """Find the profile's channels in a board's description.

    Parameters
    ----------
    profile : HardwareProfile
    described : dict
        BrainFlow's description of the board (`BoardShim.get_board_descr`).
    board_id : int
        The board that is described.

    Raises
    ------
    BoardError
        The board has no such input, another rate, or cannot give the wanted inputs at the same time.
    """
    rate = float(described.get("sampling_rate", 0.0))
    if rate != profile.sampling_rate_hz:
        raise BoardError(f"Profile {profile.name}: sampling_rate_hz is {profile.sampling_rate_hz:g}, the board gives {rate:g}. Correct the profile.")
    plain = [c for c in profile.channels if c.input is None]
    inputs = {c.name: f"eeg:{k}" for k, c in enumerate(plain)} | {c.name: c.input for c in profile.channels if c.input is not None}
    has = len(described.get("eeg_channels", ()))
    if len(plain) > has:
        raise BoardError(f"Profile {profile.name} lists {len(plain)} channels, board {board_id} has {has}. Correct channels.")
    found = [(c, *_row(profile, c, inputs[c.name], described, board_id)) for c in profile.channels]
    kinds = {kind for _, _, kind, _ in found}
    scale = [profile.driver.scale_to_uv if kind in MICROVOLT_INPUTS else 1.0 for _, _, kind, _ in found]
    return Rows(
        channels=np.array([row for _, row, _, _ in found], dtype=np.intp),
        scale=np.array(scale),
        counter=int(described["package_num_channel"]),
        stamp=int(described["timestamp_channel"]),
        n_rows=int(described["num_rows"]),
        sampling_rate_hz=rate,
        mode_command=_mode(profile, kinds) if board_id in CYTON_BOARDS else None,
        eeg={c.name: at for c, _, kind, at in found if kind in MICROVOLT_INPUTS},
    )


def _row(profile: HardwareProfile, channel: Channel, wanted: str, described: dict[str, Any], board_id: int) -> tuple[int, str, int]:
    """Row, kind and position of an input such as ``analog:2``."""
    kind, _, position = wanted.partition(":")
    rows = list(described.get(f"{kind}_channels", ()))
    if f"{kind}_channel" in described:
        rows = [described[f"{kind}_channel"]]
    if kind == "digital" and board_id in CYTON_BOARDS:
        rows = [described["other_channels"][k] for k in DIGITAL_AMONG_OTHERS]
    at = int(position) if position.isdigit() else 0 if not position else -1
    if not 0 <= at < len(rows):
        there = [f"{k.rsplit('_', 1)[0]} ({len(v)})" for k, v in sorted(described.items()) if k.endswith("_channels")]
        there += ["digital (5)"] if board_id in CYTON_BOARDS else []
        sentence = f"Profile {profile.name}: channel {channel.name} has input '{wanted}', and board {board_id} has no such row."
        raise BoardError(f"{sentence} It has {', '.join(there)}; positions count from 0, as in 'analog:0'.")
    return int(rows[at]), kind, at


def _mode(profile: HardwareProfile, kinds: set[str]) -> str | None:
    modes = sorted(kinds & MODE_COMMANDS.keys())
    if len(modes) > 1:
        raise BoardError(f"Profile {profile.name}: a Cyton gives either {' or '.join(modes)}, never both at the same time. Leave one out of channels.")
    return MODE_COMMANDS[modes[0]] if modes and modes != ["accel"] else None


def playable_lines(file: Path, n_rows: int) -> int:
    """Lines of a file that BrainFlow's playback board will give as samples: it leaves out those of another length, and never says when it ends."""
    count = 0
    with file.open("rb") as lines:
        for line in lines:
            separator = b"\t" if b"\t" in line else b","
            count += len(line.strip(b"\r\n" + separator).split(separator)) == n_rows
    return count
