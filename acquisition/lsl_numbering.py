"""Sample numbers out of the time stamps of an LSL sender: where stamps jump and stay, samples are missing. No I/O, no clock."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEARNING_S = 0.5
"""Stream seconds after a start in which samples are numbered one after the other: the sender's jitter is not known yet."""
BLOCK_S = 0.25
KEEP_BLOCKS = 40
SLOPE_FROM_BLOCKS = 6
LARGEST_DRIFT = 5e-3
"""Senders whose clock is further off their nominal rate (5000 ppm) are taken for senders that lose samples."""
UNKNOWN_DRIFT_S = 0.5e-3
"""Added to the threshold while drift is unknown: 1000 ppm over two blocks."""
HOLD_S = 0.1
LONGEST_HOLD_S = 1.0
LATE_SAMPLES = 0.5
"""A stamp later than this many samples may follow a loss: one lost sample makes it one sample late."""


@dataclass(frozen=True, slots=True)
class NumberedRun:
    """Samples that follow each other."""

    first_index: int
    samples: NDArray[np.generic]
    """(n_samples, n_channels), as they were taken."""
    last_stamp_s: float
    """The sender's stamp of the last sample."""


@dataclass(slots=True)
class _Block:
    """Residuals of a quarter of a second of stream."""

    x_s: float
    residual_s: float
    largest_s: float


class StampNumbering:
    """Numbers the samples of one sender in real time.

    Parameters
    ----------
    sampling_rate_hz : float
        Nominal rate of the stream.

    Notes
    -----
    The residual of a sample is ``stamp - index / rate``. Medians over `BLOCK_S` of the last ten seconds give a line (Theil-Sen), so that
    drift is no loss. A sample that comes later than the line by more than half a sample, or by more than one and a half times the sender's
    usual jitter, is held back with all that follow it. As soon as one of them is on the line again it was jitter: nothing is missing.
    When the stamps have gone on for `HOLD_S` and one and a half of the sender's chunks, all of them late, as many samples are missing as
    they are late. So a loss shorter than the sender's own jitter cannot be placed; it shows as a rate that is too low.
    Numbers never go back.
    """

    def __init__(self, sampling_rate_hz: float) -> None:
        self.rate_hz = sampling_rate_hz
        self.next_index = 0
        self.lost_samples = 0
        self.begin(0)

    def begin(self, first_index: int) -> None:
        """Start anew: the next sample has this number, its stamp is on the line."""
        self.next_index = first_index
        self._begun_index = first_index
        self._origin_s: float | None = None
        self._blocks: deque[_Block] = deque(maxlen=KEEP_BLOCKS)
        self._open: list[NDArray[np.float64]] = []
        self._open_n = 0
        self._offset_s, self._slope, self._at_s = 0.0, 0.0, 0.0
        self._late_s = LATE_SAMPLES / self.rate_hz + UNKNOWN_DRIFT_S
        self._clean = False
        self._span_s = 0.0
        self._held: tuple[NDArray[np.generic], NDArray[np.float64]] | None = None
        self._last_stamp_s = 0.0

    # ------------------------------------------------------------ samples in, numbered samples out

    def take(self, samples: NDArray[np.generic], stamps_s: NDArray[np.float64]) -> list[NumberedRun]:
        """Number samples.

        Parameters
        ----------
        samples : (n_samples, n_channels)
        stamps_s : (n_samples,)
            The sender's own stamps, uncorrected; one that is not finite is taken to be on time.

        Returns
        -------
        list of NumberedRun
            In order; samples that are held back come with a later call.
        """
        if len(stamps_s) == 0:
            return []
        self._span_s = max(len(stamps_s) / self.rate_hz, 0.99 * self._span_s)
        stamps_s = self._whole(stamps_s)
        if self._held is not None:
            samples = np.concatenate((self._held[0], samples))
            stamps_s = np.concatenate((self._held[1], stamps_s))
            self._held = None
        return self._number(samples, stamps_s, final=False)

    def flush(self) -> list[NumberedRun]:
        """Give what is held back: nothing more comes."""
        if self._held is None:
            return []
        (samples, stamps_s), self._held = self._held, None
        return self._number(samples, stamps_s, final=True)

    def stamp_of(self, index: int) -> float:
        """Stamp that the sender would give to a sample, seconds of its clock."""
        x_s = index / self.rate_hz
        return (self._origin_s or 0.0) + x_s + self._offset_s + self._slope * (x_s - self._at_s)

    @property
    def holding(self) -> int:
        """Number of samples held back."""
        return 0 if self._held is None else len(self._held[1])

    @property
    def span_s(self) -> float:
        """Largest chunk of the last time, seconds."""
        return self._span_s

    def _whole(self, stamps_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Replace stamps that are no time by the one before and a sample's duration."""
        if np.isfinite(stamps_s).all():
            self._last_stamp_s = float(stamps_s[-1])
            return stamps_s
        whole = stamps_s.copy()
        for k, stamp in enumerate(stamps_s):
            whole[k] = stamp if np.isfinite(stamp) else self._last_stamp_s + 1 / self.rate_hz
            self._last_stamp_s = float(whole[k])
        return whole

    def _number(self, samples: NDArray[np.generic], stamps_s: NDArray[np.float64], final: bool) -> list[NumberedRun]:
        runs: list[NumberedRun] = []
        if self._origin_s is None:
            self._origin_s = float(stamps_s[0]) - self.next_index / self.rate_hz
        while len(stamps_s):
            excess_s = self._excess(stamps_s)
            n = self._on_time(excess_s)
            if n == 0 and not self._gap(excess_s, stamps_s, final):
                self._held = (samples.copy(), stamps_s.copy())
                break
            if n:
                self._accept(runs, samples[:n], stamps_s[:n])
                samples, stamps_s = samples[n:], stamps_s[n:]
        return runs

    def _excess(self, stamps_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much later than the line stamps are, were no sample missing; (n_samples,), seconds."""
        assert self._origin_s is not None
        x_s = (self.next_index + np.arange(len(stamps_s))) / self.rate_hz
        excess: NDArray[np.float64] = stamps_s - self._origin_s - x_s - self._offset_s - self._slope * (x_s - self._at_s)
        return excess

    def _on_time(self, excess_s: NDArray[np.float64]) -> int:
        """How many samples can be given without a gap: all up to the last one that is not late."""
        if self.next_index - self._begun_index < LEARNING_S * self.rate_hz:
            return len(excess_s)
        on_time = np.flatnonzero(excess_s <= self._late_s)
        return int(on_time[-1]) + 1 if len(on_time) else 0

    def _gap(self, excess_s: NDArray[np.float64], stamps_s: NDArray[np.float64], final: bool) -> bool:
        """Decide about samples that are all late; False to wait for more."""
        hold_s = min(HOLD_S + 1.5 * self._span_s, LONGEST_HOLD_S)
        enough = len(stamps_s) >= 3 and stamps_s.max() - stamps_s[0] >= hold_s
        if not (enough or final or len(stamps_s) >= LONGEST_HOLD_S * self.rate_hz):
            return False
        if np.ptp(excess_s) > 2 * self._late_s:  # another loss among those held: decide about the ones before it
            excess_s = excess_s[: int(np.argmax(np.diff(excess_s))) + 1]
        # In a stream without jitter the least late sample tells the first of several losses; in others a median does better.
        late_s = float(excess_s.min() if self._clean else np.median(excess_s))
        lost = max(1, round(late_s * self.rate_hz / (1 + self._slope)))
        self.next_index += lost
        self.lost_samples += lost
        self._shift(late_s - lost / self.rate_hz * (1 + self._slope))
        return True

    def _shift(self, by_s: float) -> None:
        """Move the line by the part of a sample that a gap leaves: the sender may sample at another phase now."""
        self._close_block()
        self._offset_s += by_s
        for block in self._blocks:
            block.residual_s += by_s

    def _accept(self, runs: list[NumberedRun], samples: NDArray[np.generic], stamps_s: NDArray[np.float64]) -> None:
        assert self._origin_s is not None
        last = runs[-1] if runs else None
        stamp_s = float(stamps_s[-1])
        if last is not None and last.first_index + len(last.samples) == self.next_index:
            runs[-1] = NumberedRun(last.first_index, np.concatenate((last.samples, samples)), stamp_s)
        else:
            runs.append(NumberedRun(self.next_index, samples, stamp_s))
        self._open.append(stamps_s - self._origin_s - (self.next_index + np.arange(len(stamps_s))) / self.rate_hz)
        self._open_n += len(stamps_s)
        self.next_index += len(stamps_s)
        if self._open_n >= BLOCK_S * self.rate_hz:
            self._close_block()

    # ------------------------------------------------------------ the line

    def _close_block(self) -> None:
        """Make a point of the residuals since the last one, and fit the line."""
        if not self._open:
            return
        residuals = np.concatenate(self._open)
        x_s = (self.next_index - self._open_n / 2) / self.rate_hz
        self._open, self._open_n = [], 0
        middle_s = float(np.median(residuals))
        expected_s = self._offset_s + self._slope * (x_s - self._at_s) if self._blocks else middle_s
        self._blocks.append(_Block(x_s, middle_s, float(np.abs(residuals - expected_s).max())))
        self._fit()

    def _fit(self) -> None:
        x = np.array([b.x_s for b in self._blocks])
        y = np.array([b.residual_s for b in self._blocks])
        unknown_s = UNKNOWN_DRIFT_S
        self._at_s = float(x[-1])
        if len(x) >= SLOPE_FROM_BLOCKS:
            i, j = np.triu_indices(len(x), k=max(1, len(x) // 3))
            self._slope = float(np.clip(np.median((y[j] - y[i]) / (x[j] - x[i])), -LARGEST_DRIFT, LARGEST_DRIFT))
            unknown_s = 0.0
        recent = slice(-8, None)
        self._offset_s = float(np.median(y[recent] - self._slope * (x[recent] - self._at_s)))
        jitter_s = float(np.quantile([b.largest_s for b in self._blocks], 0.8))
        self._clean = jitter_s < 0.25 / self.rate_hz
        self._late_s = max(LATE_SAMPLES / self.rate_hz, 1.5 * jitter_s) + unknown_s
