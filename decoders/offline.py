"""A whole recording through the code that runs live, in one piece."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.spec import Preprocessing, StreamError
from decoders.stream import LOSS_HISTORY_S, FilteredStream

_BLOCK = 16384
"""Rows at a time: what lies between input and output stays in the cache."""

Segment = tuple[int, int, int]
"""Sample index of the first sample, its row, number of rows."""


@dataclass(frozen=True, slots=True)
class FilteredRecording:
    """Filtered samples of a recording; row r has sample index ``first_index + r``, gaps included."""

    first_index: int
    rows: NDArray[np.float64]
    """(n_samples, n_channels), picked channels, microvolt; 0 where lost."""
    marks: NDArray[np.uint8]
    """(n_samples,): 0 good, or INTERPOLATED, LOST, SETTLING of `decoders.kernels`."""

    @property
    def end_index(self) -> int:
        """Index after the last sample."""
        return self.first_index + len(self.rows)

    def holds(self, start: int, stop: int) -> bool:
        """Say whether every sample from `start` to `stop` (excluded) lies inside the recording."""
        return self.first_index <= start <= stop <= self.end_index

    def read(self, start: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return samples (n, n_channels) and marks (n,) by sample index; views.

        Raises
        ------
        StreamError
            A part lies outside the recording.
        """
        if not self.holds(start, stop):
            raise StreamError(f"Samples {start} to {stop} are outside the recording ({self.first_index} to {self.end_index}); leave such onsets out.")
        window = slice(start - self.first_index, stop - self.first_index)
        return self.rows[window], self.marks[window]


def filter_recording(
    preprocessing: Preprocessing,
    samples: NDArray[np.float32] | NDArray[np.float64],
    sampling_rate_hz: float,
    channel_names: tuple[str, ...],
    segments: Sequence[Segment] = (),
) -> FilteredRecording:
    """Filter a recording sample for sample as a live stream would have been.

    Parameters
    ----------
    preprocessing : Preprocessing
    samples : (n_rows, n_channels) float
        Microvolt; live samples are float32, so float64 that came from elsewhere should be cast first.
    sampling_rate_hz : float
    channel_names : tuple of str
        Names of the columns.
    segments : sequence of (sample_index, row, n_rows)
        Where the rows lie in real time; empty: one piece from sample 0.

    Returns
    -------
    FilteredRecording
        From the first sample to the last good one.

    Raises
    ------
    MismatchError
        Rate, channels or filter do not fit.
    StreamError
        Segments overlap or there is no sample.
    """
    pieces = [piece for piece in segments or [(0, 0, len(samples))] if piece[2] > 0]
    if not pieces:
        raise StreamError("The recording holds no sample; use one that does.")
    span = pieces[-1][0] + pieces[-1][2] - pieces[0][0]
    stream = FilteredStream(preprocessing, sampling_rate_hz, channel_names, ring_s=max(span / sampling_rate_hz, LOSS_HISTORY_S) + 1.0)
    for sample_index, row, n_rows in pieces:
        for start in range(0, n_rows, _BLOCK):
            stream.receive(sample_index + start, samples[row + start : row + min(start + _BLOCK, n_rows)])
    rows, marks = stream.read(stream.oldest_index, stream.end_index)
    return FilteredRecording(stream.oldest_index, rows, marks)
