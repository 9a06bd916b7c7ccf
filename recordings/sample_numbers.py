"""Which sample is which: packet numbers that wrap, and stamps that come in bursts, turned into sample numbers that count real time."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recordings.recording import Segment

_GANGLION_CYCLE = 201
"""Samples of the Ganglion's cycle: packet 0 with one sample, then 100 packets with two."""
_STALL_S = 0.25
"""A pause between two stamps from which on samples may be missing; drivers deliver later than this only when something is wrong."""
_ENVELOPE_S = 2.0
"""How far around a pause the earliest stamps are looked for: late ones say nothing, a backlog is delivered within this."""
_BELIEVED = 0.05
_SHARED, _PAIR = 0.3, 2
"""Numbers are shared when more neighbours than this are equal; two samples a packet are the Ganglion's."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How a board numbers its packets."""

    cycle: int
    """Samples until the numbers begin again."""
    ganglion: bool = False
    """Packet 0 has one sample, packets 1 to 100 or 101 to 200 have two."""
    repeats: int = 1
    """Samples of a packet, which share its number (Muse: 12)."""
    step: int = 1
    """Difference of neighbours' numbers (2 on Cyton + Daisy, where two packets make a sample)."""


def counting_of(counters: NDArray[np.float64], modulus: int) -> Counting:
    """Find out how a board counts.

    Parameters
    ----------
    counters : (n_samples,)
        Packet numbers as recorded.
    modulus : int
        Packets are numbered 0 ... modulus - 1.
    """
    steps = np.diff(counters)
    if len(steps) and (steps == 0).mean() > _SHARED:
        changes = np.flatnonzero(np.concatenate([[True], steps != 0, [True]]))
        repeats = int(np.bincount(np.diff(changes)).argmax())
        return Counting(_GANGLION_CYCLE, ganglion=True) if repeats == _PAIR else Counting(modulus * repeats, repeats=repeats)
    rising = steps[steps > 0].astype(np.int64)
    values, counts = np.unique(rising, return_counts=True)
    step = int(values[counts.argmax()]) if len(rising) else 1
    return Counting(modulus // step, step=step) if modulus % step == 0 else Counting(modulus)


def sample_numbers(
    counters: NDArray[np.float64] | None, stamps_s: NDArray[np.float64], rate_hz: float, counting: Counting | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number samples in real time, from 0; where samples were lost the number jumps.

    Parameters
    ----------
    counters : (n_samples,) or None
        Packet numbers; None where the board has none.
    stamps_s : (n_samples,)
        Host stamps. With packet numbers they tell only how often a whole cycle was lost; alone they tell breaks.
    rate_hz : float
    counting : Counting or None

    Returns
    -------
    (n_samples,) int64
        Ascending.
    tuple of str
        Remarks.

    Notes
    -----
    Stamps come in bursts, and after a stall the backlog comes at once. So a loss is read from the lower envelope of
    ``stamp - number / rate``: the earliest stamps before and after a pause, which no backlog moves.
    """
    steps = np.ones(max(len(stamps_s) - 1, 0), dtype=np.int64)
    if counters is not None and counting is not None:
        counted = _counted_steps(counters, counting)
        numbers = _with_lost(counted, stamps_s, rate_hz, counting.cycle)
        by_time = (stamps_s[-1] - stamps_s[0]) * rate_hz
        if abs(numbers[-1] - by_time) <= max(_BELIEVED * by_time, 2 * rate_hz):
            return numbers, ()
        said = f"Packet numbers count {int(numbers[-1]) + 1} samples, the time stamps {round(by_time) + 1}: gaps were found by the stamps."
        return _with_lost(steps, stamps_s, rate_hz, 1), (said,)
    return _with_lost(steps, stamps_s, rate_hz, 1), ()


def _counted_steps(counters: NDArray[np.float64], counting: Counting) -> NDArray[np.int64]:
    numbers = counters.astype(np.int64)
    if counting.ganglion:
        place = np.where(numbers == 0, 0, 2 * ((numbers - 1) % 100) + 1 + _repetition(numbers) % _PAIR)
    elif counting.repeats > 1:
        place = numbers * counting.repeats + _repetition(numbers) % counting.repeats
    else:
        place = numbers // counting.step
    steps = np.diff(place) % counting.cycle
    return np.where(steps == 0, counting.cycle, steps)


def _repetition(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often the same number has come directly before."""
    at = np.arange(len(numbers))
    begins = np.concatenate([[True], np.diff(numbers) != 0])
    return at - np.maximum.accumulate(np.where(begins, at, 0))


def _with_lost(steps: NDArray[np.int64], stamps_s: NDArray[np.float64], rate_hz: float, cycle: int) -> NDArray[np.int64]:
    """Sample numbers with the whole cycles added that were lost in pauses."""
    numbers = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(steps)])
    late_s = stamps_s - numbers / rate_hz
    stall_s = max(_STALL_S, cycle / rate_hz / 2, 1.5 / rate_hz)
    pauses = np.flatnonzero(np.diff(stamps_s) - (steps - 1) / rate_hz > stall_s)
    width = max(2, round(_ENVELOPE_S * rate_hz))
    edges = [0, *(int(p) + 1 for p in pauses), len(stamps_s)]
    for k in range(1, len(edges) - 1):
        at = edges[k]
        before = late_s[max(edges[k - 1], at - width) : at].min()
        after = late_s[at : min(edges[k + 1], at + width)].min()
        lost = cycle * max(0, round(float(after - before) * rate_hz / cycle))
        numbers[at:] += lost
        late_s[at:] -= lost / rate_hz
    return numbers


def segments_of(numbers: NDArray[np.int64]) -> tuple[Segment, ...]:
    """Pieces without a gap of rows with ascending sample numbers."""
    if not len(numbers):
        return ()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers) != 1) + 1, [len(numbers)]])
    return tuple(Segment(int(numbers[a]), int(a), int(b - a)) for a, b in itertools.pairwise(starts))
