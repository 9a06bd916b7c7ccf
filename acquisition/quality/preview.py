"""The thinned preview for the operator's eyes."""

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import HardwareProfile
from messaging.records import Chunk

PREVIEW_HZ = 128.0
PREVIEW_EVERY_S = 0.1


class Preview:
    """Thins the stream for the page: means over groups of samples, a frame every tenth of a second.

    Parameters
    ----------
    profile : HardwareProfile
    """

    def __init__(self, profile: HardwareProfile) -> None:
        self._group = max(1, round(profile.sampling_rate_hz / PREVIEW_HZ))
        self.rate_hz = profile.sampling_rate_hz / self._group
        self._least = max(self._group, round(profile.sampling_rate_hz * PREVIEW_EVERY_S) // self._group * self._group)
        self._rows: list[NDArray[np.float32]] = []
        self._first: tuple[int, float] | None = None
        self._count = 0

    def add(self, index: int, time_lsl_s: float, samples: NDArray[np.float32]) -> Chunk | None:
        """Take samples; returns a frame when a tenth of a second is full. A gap begins a new frame: none ever spans one."""
        if self._first is not None and index != self._first[0] + self._count:
            self._first, self._rows, self._count = None, [], 0
        if self._first is None:
            self._first = (index, time_lsl_s)
        self._rows.append(samples)
        self._count += len(samples)
        if self._count < self._least:
            return None
        whole = self._count // self._group * self._group
        rows = np.concatenate(self._rows)
        frame = rows[:whole].reshape(-1, self._group, rows.shape[1]).mean(axis=1, dtype=np.float32)
        first, self._first, self._rows, self._count = self._first, None, [], 0
        return Chunk(ordinal=0, sample_index=first[0], time_lsl_s=first[1], samples=frame)
