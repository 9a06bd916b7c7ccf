"""Where a replay is: stream samples go on and on, the place in the recording begins anew with every lap and every seek."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from messaging.records import Event
from messaging.words import EventType
from recordings.log import read_log

KEPT_LEGS = 64
_SENTENCE = re.compile(r"^replay at [0-9.]+ s, sample ([0-9]+), leg ([0-9]+)$")


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of the stream that follows the recording without a jump."""

    number: int
    """Counted from 0; events of every leg have identities of their own."""
    start: int
    """Its first sample in the stream ..."""
    at: int
    """... and in the recording, counted from the recording's first."""


class Course:
    """Maps samples of the stream to samples of the recording.

    Parameters
    ----------
    span : int
        Samples from the recording's first to its last one, gaps counted.
    loop : bool
        At the end, begin again.
    """

    def __init__(self, span: int, loop: bool) -> None:
        self.span, self._loop = span, loop
        self._legs: deque[Leg] = deque([Leg(0, 0, 0)], maxlen=KEPT_LEGS)

    def leg_at(self, index: int) -> Leg | None:
        """Leg of a sample of the stream; None where the recording is over."""
        while index >= (end := self._end(self._legs[-1])):
            if not self._loop:
                return None
            self._legs.append(Leg(self._legs[-1].number + 1, end, 0))
        return next((leg for leg in reversed(self._legs) if leg.start <= index), self._legs[0])

    def room(self, leg: Leg, index: int) -> int:
        """Samples from `index` to the end of its leg."""
        following = next((other.start for other in self._legs if other.start > leg.start), self._end(leg))
        return following - index

    def seek(self, index: int, at: int) -> None:
        """Let sample `index` of the stream, and all after it, follow the recording from its sample `at` on."""
        leg = self.leg_at(index)
        if leg is None or (leg.start, leg.at) != (index, at):
            self.restore(Leg(self._legs[-1].number + 1, index, at))

    def restore(self, leg: Leg) -> None:
        """Take up a leg that the log of an interrupted replay tells of, in their order."""
        while self._legs and self._legs[-1].start >= leg.start:
            self._legs.pop()
        self._legs.append(leg)

    def forget_after(self, index: int) -> None:
        """Forget legs that begin after a sample of the stream: the log does not hold them."""
        while len(self._legs) > 1 and self._legs[-1].start > index:
            self._legs.pop()

    def between(self, first: int, end: int) -> Iterator[tuple[Leg, int, int]]:
        """Legs that have samples in [first, end) of the stream, and which part of them, in samples of the stream."""
        for leg in tuple(self._legs):
            begin, over = max(first, leg.start), min(end, leg.start + self.room(leg, leg.start))
            if begin < over:
                yield leg, begin, over

    def before(self, leg: Leg) -> Leg | None:
        """The leg that another one broke off."""
        return next((other for other in reversed(self._legs) if other.start < leg.start), None)

    def _end(self, leg: Leg) -> int:
        return leg.start + self.span - leg.at


def sentence_of(leg: Leg, sampling_rate_hz: float) -> str:
    """What the log says where a leg begins."""
    return f"replay at {leg.at / sampling_rate_hz:.3f} s, sample {leg.at}, leg {leg.number}"


def legs_of(events: Iterable[Event]) -> list[Leg]:
    """Read from a replay's log where its legs begin, in their order."""
    found = []
    for event in events:
        said = _SENTENCE.match(event.text or "") if event.type is EventType.ANNOTATION else None
        if said is not None and event.onset_sample_index is not None:
            found.append(Leg(int(said[2]), event.onset_sample_index, int(said[1])))
    return found


def recorded_legs(path: Path) -> list[Leg]:
    """Legs of an interrupted replay, from its recording; none when there is no recording yet."""
    return legs_of(record for record in read_log(path) if isinstance(record, Event)) if path.exists() else []
