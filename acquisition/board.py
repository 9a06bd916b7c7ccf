"""What every board gives: consecutive samples with a number or a host stamp, and, for a replay, what happened at which sample."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import HardwareProfile
from messaging.clocks import Clock
from messaging.lab import LabEvent
from messaging.records import UnitShown
from messaging.words import Source


class AcquisitionError(Exception):
    """Root of this room's errors; the message holds the value, the limit and the remedy."""


class BoardError(AcquisitionError):
    """A board cannot be opened, stalled or sends what cannot be used."""


@dataclass(frozen=True, slots=True)
class BoardChunk:
    """Samples as they came from the board, without gap inside."""

    first_index: int
    """Number of the first sample in real time; a jump since the last chunk's end is loss."""
    samples: NDArray[np.float32]
    """(n_samples, n_channels), microvolt."""
    host_stamp_lsl_s: float
    """When the last sample arrived at the host."""


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """An event whose sample is known: an annotation of a replayed recording."""

    event: LabEvent
    sample_index: int


@dataclass(frozen=True, slots=True)
class BoardOutput:
    """What a board has given since it was last asked."""

    chunks: tuple[BoardChunk, ...] = ()
    events: tuple[PlacedEvent, ...] = field(default=())
    """Events at samples of these chunks, in order."""
    ended: bool = False
    """The board has nothing more to give (end of a replay)."""


class Board(Protocol):
    """A source of samples.

    `read` waits until there is something, at most about a second; an empty output after that time means the board is silent.
    """

    profile: HardwareProfile
    """With channels and rate filled in."""
    source: Source
    clock: Clock

    async def start(self, from_index: int) -> None:
        """Begin to stream; sample numbers go on from `from_index`."""
        ...

    async def read(self) -> BoardOutput:
        """Wait for samples and return them."""
        ...

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Tell the board what was shown to its subject; only a simulated subject takes notice."""
        ...

    async def stop(self) -> None:
        """Stop streaming and let go of the hardware."""
        ...
