"""From wrapping packet numbers to sample numbers that jump exactly where packets were lost."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SILENT_S = 1.0
"""A board without packet numbers has lost samples when its stamps jump by more than this."""
SLACK_S = 0.2
"""So far ahead of the stamps a packet number may seem to be: the first packets of a stream may come late by that much."""
ANCHOR_BINS = 4
"""Half-seconds over which the earliest arrival is remembered."""

SETTLED_S = 0.1
"""After a pause, the burst of what waited is over when no packet has been less late for so long."""
FIRST_LOSS = 3
"""The second packet may lie so many numbers further than its stamp tells."""
LONGEST_HOLD_S = 15.0
"""Packets that come together after a pause are held back for at most so many seconds of stream: no radio keeps more."""

DAISY_BOARD, GANGLION_BOARD, GANGLION_NATIVE_BOARD = 2, 1, 46
MUSE_BOARDS = (21, 22, 38, 39, 41, 42)


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a board numbers what it sends.

    Attributes
    ----------
    modulus : int or None
        Samples are numbered 0 ... modulus - 1 after `sample_numbers`; None: the board does not number them.
    stride : int
        The packet number grows by so much per sample (Cyton with Daisy: two packets make a sample).
    repeats : int
        Consecutive samples that carry the same packet number (Muse: 12; Ganglion: 2).
    ganglion : bool
        Packet 0 holds one sample, packets 1 ... 100 (18-bit mode) or 101 ... 200 (19-bit mode) two each; others hold none.
    """

    modulus: int | None
    stride: int = 1
    repeats: int = 1
    ganglion: bool = False

    def sample_numbers(self, packets: NDArray[np.float64]) -> NDArray[np.int64]:
        """Wrapping number of each sample; -1 for a packet that is no sample.

        Parameters
        ----------
        packets : (n_samples,)
            Packet numbers as the driver gives them, in the order in which they came.
        """
        number = np.where(np.isfinite(packets), packets, -1.0).astype(np.int64)
        if self.modulus is None:
            return np.where(number < 0, np.int64(-1), number)
        if self.ganglion:
            inside = np.where(number > 100, number - 100, number)
            sample = np.where(inside == 0, 0, 2 * inside - 1 + _repetition(number) % self.repeats)
            return np.where((number < 0) | (number > 200), -1, sample)
        sample = number * self.repeats + (_repetition(number) % self.repeats if self.repeats > 1 else 0)
        sample = sample // self.stride
        return np.where((number < 0) | (sample >= self.modulus), -1, sample)


def _repetition(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often the same number has come directly before."""
    at = np.arange(len(number))
    begins = np.concatenate(([True], np.diff(number) != 0)) if len(number) else np.zeros(0, dtype=bool)
    return at - np.maximum.accumulate(np.where(begins, at, 0))


def numbering_of(board_id: int, counter_modulus: int | None) -> Numbering:
    """How BrainFlow numbers the samples of one board.

    Parameters
    ----------
    board_id : int
        The board that made the samples (for playback and streaming: the master board).
    counter_modulus : int or None
        The profile's: packets are numbered 0 ... modulus - 1; None: loss shows in time only.
    """
    if counter_modulus is None:
        return Numbering(None)
    if board_id == DAISY_BOARD:
        return Numbering(counter_modulus // 2, stride=2)
    if board_id in (GANGLION_BOARD, GANGLION_NATIVE_BOARD):
        return Numbering(201, repeats=2, ganglion=True)
    if board_id in MUSE_BOARDS:
        return Numbering(counter_modulus * 12, repeats=12)
    return Numbering(counter_modulus)


@dataclass(frozen=True, slots=True)
class PlacedPackets:
    """What became of the packets that were handed in."""

    index: NDArray[np.int64]
    """(n_packets,) sample number of each; -1: no sample of the stream (doubled, late, false), or not decided yet."""
    undecided: int
    """So many of the last packets are not decided yet: hand them in again, in front of the next ones."""


class PacketCounter:
    """Turns wrapping packet numbers into sample numbers that jump where packets were lost.

    Parameters
    ----------
    numbering : Numbering or int or None
        How packets are numbered; an integer: 0 ... modulus - 1, one a sample; None: not at all.
    sampling_rate_hz : float

    Notes
    -----
    A sample cannot arrive before it was taken. The earliest arrivals of the last seconds (stamp minus number / rate) therefore say how
    many samples the board can have taken since the last one, however late this packet is: the room. It decides how often the number
    wrapped, and refuses a number that would lie ahead of time (a doubled or late packet, or 33 bytes of garbage that look like one).
    After a pause of about a turn of the counter or more, packets that were delayed together are decided by the least delayed of them.
    A jump is believed when the next packet goes on behind it.
    """

    def __init__(self, numbering: Numbering | int | None, sampling_rate_hz: float) -> None:
        self._numbering = numbering if isinstance(numbering, Numbering) else Numbering(numbering)
        self._modulus = self._numbering.modulus or 0
        self._rate_hz = sampling_rate_hz
        self._slack = min(SLACK_S * sampling_rate_hz, self._modulus / 4)
        self.next_index = 0
        self.refused = 0
        """Packets that were no samples of the stream, since the start."""
        self.resume(0)

    def resume(self, next_index: int) -> None:
        """Go on counting at a number, after the driver was opened again."""
        self.next_index = next_index
        self._last: tuple[int, float] | None = None
        self._earliest: deque[float] = deque(maxlen=ANCHOR_BINS)
        self._bin, self._in_bin = np.inf, 0
        self._before = np.zeros(0)

    def advance(self, packets: NDArray[np.float64], stamps_s: NDArray[np.float64], final: bool = False) -> PlacedPackets:
        """Find the sample number of each packet.

        Parameters
        ----------
        packets : (n_packets,)
            Packet numbers, as the driver gives them.
        stamps_s : (n_packets,)
            Host stamps.
        final : bool
            Nothing follows: decide all.
        """
        numbers = self._numbering.sample_numbers(np.concatenate((self._before, packets)))[len(self._before) :]
        usable = np.flatnonzero((numbers >= 0) & np.isfinite(stamps_s))
        number, stamp = numbers[usable].tolist(), np.asarray(stamps_s, dtype=np.float64)[usable].tolist()
        index = np.full(len(packets), -1, dtype=np.int64)
        k = 0
        while k < len(number):
            step = self._step(number, stamp, k, final)
            if step is None:
                break
            if step:
                index[usable[k]] = self._accept(number[k], stamp[k], step)
            k += 1
        decided = int(usable[k]) if k < len(number) else len(packets)
        self.refused += int((index[:decided] < 0).sum())
        if decided:
            self._before = np.concatenate((self._before, packets[:decided]))[-self._numbering.repeats :]
        return PlacedPackets(index, len(packets) - decided)

    def _accept(self, number: int, stamp: float, step: int) -> int:
        index = self.next_index - 1 + step
        self.next_index = index + 1
        self._last = (number, stamp)
        self._bin = min(self._bin, stamp - index / self._rate_hz)
        self._in_bin += 1
        if self._in_bin >= self._rate_hz / 2:
            self._earliest.append(self._bin)
            self._bin, self._in_bin = np.inf, 0
        return index

    def _step(self, number: list[int], stamp: list[float], k: int, final: bool) -> int | None:
        """Samples from the last one to packet k; 0: no sample of the stream; None: the next packets will tell."""
        if self._last is None:
            return self._first(number, stamp, k, final)
        if not self._modulus:
            away_s = stamp[k] - self._last[1]
            return max(1, round(away_s * self._rate_hz)) if away_s > SILENT_S else 1
        step = self._turn(self._last[0], number[k])
        if self._turned(step, stamp[k]):
            return self._after_pause(number, stamp, k, step, final)
        if step == 1:
            return 1
        if step > self._room(stamp[k]) + self._slack:
            return 0
        if k + 1 == len(number):
            return step if final else None
        following = self._turn(self._last[0], number[k + 1])
        return 0 if following < step and not self._turned(following, stamp[k + 1]) else step

    def _first(self, number: list[int], stamp: list[float], k: int, final: bool) -> int | None:
        """The first packet counts from where it is; it is believed when the second one follows, as garbage may come before."""
        if not self._modulus:
            return 1
        if k + 1 == len(number):
            return 1 if final else None
        further = self._turn(number[k], number[k + 1])
        return 1 if further <= (stamp[k + 1] - stamp[k]) * self._rate_hz + FIRST_LOSS else 0

    def _turned(self, step: int, stamp: float) -> bool:
        """Whether time enough has passed for the counter to have turned round once more than `step` tells."""
        assert self._last is not None
        away = (stamp - self._last[1]) * self._rate_hz
        return away >= self._modulus - self._slack and round((self._room(stamp) - step) / self._modulus) > 0

    def _after_pause(self, number: list[int], stamp: list[float], k: int, step: int, final: bool) -> int | None:
        """A turn of the counter or more may have gone by: the least delayed of the packets that came together tells how many turns."""
        distance = least = step
        least_at = k
        for after in range(k + 1, len(number)):
            distance += self._turn(number[after - 1], number[after])
            if stamp[after] - stamp[least_at] >= SETTLED_S:
                final = True  # from there on they come as they are taken
                break
            if (stamp[after] - stamp[least_at]) * self._rate_hz < distance - least:
                least, least_at = distance, after
        if not final and len(number) - k < LONGEST_HOLD_S * self._rate_hz:
            return None
        turns = max(0, round((self._room(stamp[least_at]) - least) / self._modulus))
        return step + turns * self._modulus

    def _turn(self, before: int, after: int) -> int:
        """Steps from one number to another, 1 ... modulus."""
        return (after - before) % self._modulus or self._modulus

    def _room(self, stamp: float) -> float:
        """How many samples the board can have taken since the last one, at the time of a stamp."""
        anchor = min(self._bin, *self._earliest, np.inf)
        return (stamp - anchor) * self._rate_hz - (self.next_index - 1)
