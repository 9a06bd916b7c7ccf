"""Signal quality of the last second, and the thinned preview for the operator's eyes."""

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import HardwareProfile
from messaging.lab import ChannelQuality
from messaging.records import Chunk

FLAT_UV = 0.05
RAILED_UV = 180_000.0
"""Near the full scale of 24-bit amplifiers at gain 24 (187,500 microvolt)."""
PREVIEW_HZ = 128.0
PREVIEW_EVERY_S = 0.1


class QualityWindow:
    """Collects a second of samples and judges each channel."""

    def __init__(self, profile: HardwareProfile) -> None:
        self._profile = profile
        self._n = round(profile.sampling_rate_hz)
        self._rows: NDArray[np.float32] = np.zeros((self._n, len(profile.channels)), dtype=np.float32)
        self._filled = 0

    def add(self, samples: NDArray[np.float32]) -> tuple[ChannelQuality, ...] | None:
        """Take samples; returns a verdict per channel whenever a second is full."""
        n = min(len(samples), self._n - self._filled)
        self._rows[self._filled : self._filled + n] = samples[:n]
        self._filled += n
        if self._filled < self._n:
            return None
        self._filled = 0
        return self._judge()

    def _judge(self) -> tuple[ChannelQuality, ...]:
        x = self._rows.astype(np.float64)
        centred = x - x.mean(axis=0)
        power = np.abs(np.fft.rfft(centred, axis=0)) ** 2
        hz = np.fft.rfftfreq(self._n, 1 / self._profile.sampling_rate_hz)
        mains = np.abs(hz - self._profile.mains_hz) <= 1.0
        total = power[1:].sum(axis=0)
        found = []
        for k, channel in enumerate(self._profile.channels):
            twins = [c.name for j, c in enumerate(self._profile.channels) if j != k and np.array_equal(x[:, j], x[:, k])]
            found.append(
                ChannelQuality(
                    name=channel.name,
                    rms_uv=float(np.sqrt(np.mean(centred[:, k] ** 2))),
                    mains_ratio=float(power[mains, k].sum() / total[k]) if total[k] > 0 else None,
                    flat=bool(np.ptp(x[:, k]) < FLAT_UV),
                    railed=bool(np.max(np.abs(x[:, k])) > RAILED_UV),
                    bridged_with=twins[0] if twins else None,
                )
            )
        return tuple(found)


class Preview:
    """Thins the stream for the page: means over groups of samples, a frame every tenth of a second."""

    def __init__(self, profile: HardwareProfile) -> None:
        self._group = max(1, round(profile.sampling_rate_hz / PREVIEW_HZ))
        self.rate_hz = profile.sampling_rate_hz / self._group
        self._least = max(self._group, round(profile.sampling_rate_hz * PREVIEW_EVERY_S) // self._group * self._group)
        self._rows: list[NDArray[np.float32]] = []
        self._first: tuple[int, float] | None = None
        self._count = 0

    def add(self, index: int, time_lsl_s: float, samples: NDArray[np.float32]) -> Chunk | None:
        """Take samples; returns a frame when a tenth of a second is full."""
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
