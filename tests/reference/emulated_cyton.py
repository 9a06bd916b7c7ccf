"""What tests of boards share: a profile for an emulated board, and reading until something has come."""

import time
from pathlib import Path

from acquisition.board import Board, BoardChunk
from hardware_profiles import HardwareProfile

GIVE_UP_S = 20.0


def cyton_profile(port: Path, daisy: bool = False, **changes) -> HardwareProfile:
    """Profile of an emulated Cyton behind `port`."""
    fields = {
        "name": "cyton",
        "title": "Cyton",
        "sampling_rate_hz": 125 if daisy else 250,
        "channels": [{"name": f"x{k}"} for k in range(16 if daisy else 8)],
        "driver": {"kind": "brainflow", "board_id": 2 if daisy else 0, "serial_port": str(port), "counter_modulus": 256, "impedance": "openbci"},
    }
    driver = fields["driver"] | changes.pop("driver", {})
    return HardwareProfile.model_validate(fields | changes | {"driver": driver})


async def read_samples(board: Board, n: int) -> list[BoardChunk]:
    """Read until at least `n` samples have come."""
    chunks, until = [], time.monotonic() + GIVE_UP_S
    while sum(len(c.samples) for c in chunks) < n:
        assert time.monotonic() < until, "the board gives too few samples"
        chunks += (await board.read()).chunks
    return chunks
