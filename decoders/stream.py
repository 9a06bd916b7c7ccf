"""A causal filter on a stream of samples with gaps, and the last minutes of its output.

What comes out depends on the samples alone, not on the chunks they came in: whether a sample is good, interpolated, lost or settling
follows from its neighbours, and the filter runs over rows one by one.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders import kernels
from decoders.filters import band_pass_sections, resting_state
from decoders.spec import MismatchError, Preprocessing, Reference, StreamError

RING_S = 120.0
LOSS_HISTORY_S = 60.0
_RATE_TOLERANCE = 1e-6

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""JSON values, and arrays."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Missing samples up to one sample of the stream."""

    total: int
    """Since the stream began."""
    recent: int
    """Among the last `FilteredStream.n_history`."""


class FilteredStream:
    """Pick channels, re-reference and filter a stream; keep the last `ring_s` seconds.

    Parameters
    ----------
    preprocessing : Preprocessing
    sampling_rate_hz : float
        The stream's rate; must be the preprocessing's.
    channel_names : tuple of str
        All channels of the stream, in its order.
    ring_s : float
        How much of the output is kept, longer than `loss_history_s`.
    loss_history_s : float
        Time over which recent losses are counted.

    Raises
    ------
    MismatchError
        Another rate, channels that the stream does not have, or a filter that does not fit the rate.

    Notes
    -----
    A row with a NaN or infinity in a picked channel is a missing sample, like one that never came. Up to
    `max_interpolated_gap_ms` of them in a row are put on the straight line between their neighbours and filtered; a longer gap ends
    the filter, which starts again at rest on the next good sample and settles for `settle_s`. The line needs the
    sample after the gap, so `end_index` lags behind the input while a gap may still be short.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        sampling_rate_hz: float,
        channel_names: tuple[str, ...],
        *,
        ring_s: float = RING_S,
        loss_history_s: float = LOSS_HISTORY_S,
    ) -> None:
        _check_fit(preprocessing, sampling_rate_hz, channel_names)
        if not ring_s > loss_history_s:
            raise MismatchError(f"A ring of {ring_s:g} s cannot count losses over {loss_history_s:g} s; make it longer than that.")
        self.preprocessing = preprocessing
        self.n_history = math.ceil(loss_history_s * sampling_rate_hz)
        self.capacity = max(math.ceil(ring_s * sampling_rate_hz), self.n_history + 1)
        self.first_index: int | None = None
        """Sample index of the first row that came; None before it."""
        self.end_index = 0
        """Index after the last sample whose output is settled."""
        self._n_input = len(channel_names)
        self._picks = np.array([channel_names.index(name) for name in preprocessing.channel_names], dtype=np.intp)
        self._settle_n = math.ceil(preprocessing.settle_s * sampling_rate_hz)
        self._max_gap_n = math.floor(preprocessing.max_interpolated_gap_ms * sampling_rate_hz / 1000 + _RATE_TOLERANCE)
        self._sections = band_pass_sections(preprocessing)
        self._rest = resting_state(self._sections)
        n_channels = len(self._picks)
        self._delays = np.zeros((len(self._sections), 2, n_channels))
        self._last = np.zeros(n_channels)
        self._running = False
        self._pending = 0  # missing samples after `end_index`, not yet known to be a short gap or a long one
        self._settle_until = 0
        self._rows = np.zeros((self.capacity, n_channels))
        self._marks = np.zeros(self.capacity, dtype=np.uint8)
        self._missing_total = np.zeros(self.capacity, dtype=np.int64)
        self._missing_recent = np.zeros(self.capacity, dtype=np.int64)

    @property
    def received_index(self) -> int:
        """Index after the last sample that came."""
        return self.end_index + self._pending

    @property
    def oldest_index(self) -> int:
        """Index of the oldest sample that can be read."""
        return max(self.first_index or 0, self.end_index - self.capacity)

    def receive(self, sample_index: int, samples: NDArray[np.float32] | NDArray[np.float64]) -> None:
        """Take the next samples.

        Parameters
        ----------
        sample_index : int
            Index of the first row; larger than where the last chunk ended where samples were lost.
        samples : (n_samples, n_channels) float
            All channels of the stream, microvolt. More rows than `capacity` overwrite each other.

        Raises
        ------
        StreamError
            The samples begin before the end of the ones received, or have another number of channels.
        """
        if samples.ndim != 2 or samples.shape[1] != self._n_input:
            raise StreamError(f"Samples of shape {samples.shape} do not fit the stream's {self._n_input} channels; send (n_samples, {self._n_input}).")
        if len(samples) == 0:
            return
        if self.first_index is None:
            self.first_index = self.end_index = sample_index
        elif sample_index < self.received_index:
            raise StreamError(f"Samples from index {sample_index} on were received before (next is {self.received_index}); send every sample once, in order.")
        self._skip(sample_index - self.received_index)
        rows = np.ascontiguousarray(np.take(samples, self._picks, axis=1), dtype=np.float64)
        finite = np.empty(len(rows), dtype=np.bool_)
        n_finite = kernels.finite_rows(rows, finite)
        if self.preprocessing.reference is Reference.AVERAGE:
            kernels.subtract_row_mean(rows)
        if n_finite == len(rows):
            self._take(rows)
            return
        for start, stop in itertools.pairwise([0, *(np.flatnonzero(np.diff(finite)) + 1).tolist(), len(rows)]):
            if finite[start]:
                self._take(rows[start:stop])
            else:
                self._skip(stop - start)

    def read(self, start: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return filtered samples (n, n_channels) in microvolt and marks (n,) from index `start` to `stop` (excluded).

        The arrays may be views of the ring: read them before the next chunk comes.

        Raises
        ------
        StreamError
            A part lies outside `oldest_index` to `end_index`.
        """
        if not self.oldest_index <= start <= stop <= self.end_index:
            raise StreamError(f"Samples {start} to {stop} are not in the ring ({self.oldest_index} to {self.end_index}); read them from the recording.")
        slots = self._slots(start, stop - start)
        if len(slots) == 1:
            return self._rows[slots[0]], self._marks[slots[0]]
        return np.concatenate([self._rows[slot] for slot in slots]), np.concatenate([self._marks[slot] for slot in slots])

    def loss_at(self, index: int) -> Loss:
        """Count the samples missing up to and with `index`, which must be readable."""
        slot = index % self.capacity
        return Loss(int(self._missing_total[slot]), int(self._missing_recent[slot]))

    def _take(self, rows: NDArray[np.float64]) -> None:
        """Filter good rows that follow the last one, or the gap before them."""
        last = rows[-1].copy()
        if not self._running:
            self._delays[:] = self._rest * rows[0]
            self._settle_until = self.end_index + self._settle_n
            self._running = True
        elif self._pending:
            n_gap, self._pending = self._pending, 0
            steps = np.arange(1, n_gap + 1, dtype=np.float64)[:, np.newaxis] / (n_gap + 1)
            self._write(self._last + (rows[0] - self._last) * steps, kernels.INTERPOLATED)
        self._last = last
        self._write(rows, 0)

    def _skip(self, n_missing: int) -> None:
        """Take note of missing samples; once they are too many for a line, they are lost and the filter stops."""
        if n_missing == 0:
            return
        self._pending += n_missing
        if self._running and self._pending <= self._max_gap_n:
            return
        self._running = False
        n_lost, self._pending = self._pending, 0
        n_unkept = max(0, n_lost - self.capacity)
        if n_unkept:
            # Rows that the ring would forget at once: only their number remains.
            self._marks[:] = kernels.LOST
            self.end_index += n_unkept
            before = (self.end_index - 1) % self.capacity
            self._missing_total[before] = self._missing_total[(before - n_unkept) % self.capacity] + n_unkept
            self._missing_recent[before] = self.n_history
        self._place(np.zeros((n_lost - n_unkept, len(self._picks))), kernels.LOST)

    def _write(self, rows: NDArray[np.float64], mark: int) -> None:
        kernels.sos_cascade(rows, self._sections, self._delays)
        for start in range(0, len(rows), self.capacity):
            self._place(rows[start : start + self.capacity], mark)

    def _place(self, rows: NDArray[np.float64], mark: int) -> None:
        """Put at most `capacity` finished rows into the ring."""
        done = 0
        for slot in self._slots(self.end_index, len(rows)):
            n = slot.stop - slot.start
            self._rows[slot] = rows[done : done + n]
            done += n
        settle_until = self._settle_until if mark != kernels.LOST else 0
        kernels.mark_rows(self._marks, self._missing_total, self._missing_recent, self.end_index, len(rows), mark, settle_until, self.n_history)
        self.end_index += len(rows)

    def _slots(self, index: int, n: int) -> tuple[slice, ...]:
        """Where `n` rows from a sample index on lie in the ring: one slice, or two around its end."""
        start = index % self.capacity
        if start + n <= self.capacity:
            return (slice(start, start + n),)
        return slice(start, self.capacity), slice(0, start + n - self.capacity)

    def _rings(self) -> dict[str, NDArray[Any]]:
        return {"rows": self._rows, "marks": self._marks, "missing_total": self._missing_total, "missing_recent": self._missing_recent}

    def state(self) -> State:
        """Everything that what comes out later depends on, exactly: JSON values and copies of arrays."""
        numbers = {
            "first_index": self.first_index,
            "end_index": self.end_index,
            "running": self._running,
            "pending": self._pending,
            "settle_until": self._settle_until,
            "capacity": self.capacity,
            "n_history": self.n_history,
        }
        slots = self._slots(self.oldest_index, self.end_index - self.oldest_index)
        arrays: dict[str, NDArray[Any]] = {name: np.concatenate([ring[slot] for slot in slots]) for name, ring in self._rings().items()}
        return numbers, {**arrays, "delays": self._delays.copy(), "last": self._last.copy()}

    def restore(self, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from what `state` gave, in a stream built with the same arguments.

        Raises
        ------
        StreamError
            The state is of a ring or montage of another size.
        """
        found, here = (numbers["capacity"], numbers["n_history"], arrays["delays"].shape), (self.capacity, self.n_history, self._delays.shape)
        if found != here:
            raise StreamError(f"The saved state is of a stream of size {found}, this one has {here}; decode from the recording's start.")
        self.first_index, self.end_index = numbers["first_index"], numbers["end_index"]
        self._running, self._pending, self._settle_until = numbers["running"], numbers["pending"], numbers["settle_until"]
        self._delays, self._last = arrays["delays"].copy(), arrays["last"].copy()
        for name, ring in self._rings().items():
            ring[:] = 0
            done = 0
            for slot in self._slots(self.oldest_index, self.end_index - self.oldest_index):
                ring[slot] = arrays[name][done : done + slot.stop - slot.start]
                done += slot.stop - slot.start


def _check_fit(preprocessing: Preprocessing, sampling_rate_hz: float, channel_names: tuple[str, ...]) -> None:
    fitted_hz = preprocessing.sampling_rate_hz
    if not math.isclose(sampling_rate_hz, fitted_hz, rel_tol=_RATE_TOLERANCE):
        raise MismatchError(
            f"The stream has {sampling_rate_hz:g} Hz, the decoder was fitted at {fitted_hz:g} Hz. "
            "Set the board to that rate or fit a decoder on a recording at this one."
        )
    if not preprocessing.channel_names:
        raise MismatchError("The preprocessing names no channel; name at least one.")
    absent = [name for name in preprocessing.channel_names if name not in channel_names]
    if absent:
        raise MismatchError(
            f"The decoder needs the channels {', '.join(absent)}; the stream has {', '.join(channel_names)}. "
            "Use a profile with these channels or fit a decoder on this montage."
        )
