"""Onsets wait for their hardware edge: events held back until the edge is seen or its window has passed, in their order. No I/O, no clock."""

import bisect
from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from acquisition.edges import Edge, EdgeDetector
from hardware_profiles import HardwareProfile
from messaging.lab import LabEvent
from messaging.records import Onset
from messaging.words import EventType, OnsetSource

MOST_EDGES = 4096
"""Edges that no onset has claimed yet: a page that was cut off reports its onsets minutes later."""
MOST_HELD = 2000
"""Events held back at once; while a board is silent, older ones than these are recorded without their edge."""
ALARM_AFTER = 5
"""Onsets in a row without an edge."""


@dataclass(frozen=True, slots=True)
class Held:
    """An event with the place that it has so far."""

    event: LabEvent
    index: int | None
    onset: Onset | None
    edge: Edge | None = None
    """The hardware edge that the onset moves to."""

    @property
    def waits(self) -> bool:
        """Whether an edge may belong to it."""
        return self.event.type is EventType.UNIT and self.index is not None and self.onset is not None


def _position(edge: Edge) -> float:
    return edge.position


class HeldEvents:
    """Events that wait for the edges of the profile's channel, first in, first out.

    Parameters
    ----------
    profile : HardwareProfile
        With `onset_edges`.
    soa_ms : float or None
        Time between two units where the protocol fixes it: an edge that comes later than the next unit's window begins is not this unit's.

    Notes
    -----
    Onset k of sample s_k takes the first edge that no onset has taken in [s_k + earliest, s_k + latest], cut off where the next onset's
    window begins: at s_(k+1) + earliest where that onset is known already, at s_k + soa + earliest where the protocol fixes it.
    """

    def __init__(self, profile: HardwareProfile, soa_ms: float | None = None) -> None:
        edges = profile.onset_edges
        assert edges is not None
        self._column = profile.channel_names.index(edges.channel)
        trigger = profile.channels[self._column].kind == "trigger"
        self.source = OnsetSource.TRIGGER if trigger else OnsetSource.PHOTODIODE
        self._detector = EdgeDetector(profile.sampling_rate_hz, edges, "trigger" if trigger else "photodiode")
        latest_ms = edges.latest_ms
        if soa_ms is not None and soa_ms + edges.earliest_ms > 0:
            latest_ms = min(latest_ms, soa_ms + edges.earliest_ms)
        self._from = edges.earliest_ms / 1e3 * profile.sampling_rate_hz
        self._to = latest_ms / 1e3 * profile.sampling_rate_hz
        self._channel = edges.channel
        self._edges: list[Edge] = []
        self._queue: deque[Held] = deque()
        self._ids: set[str] = set()
        self.n_moved = 0
        self.n_without_edge = 0
        self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._queue)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._ids

    def samples(self, first_index: int, samples: NDArray[np.float32]) -> None:
        """Look for edges in samples of the log, (n_samples, n_channels)."""
        self._edges += self._detector.receive(first_index, samples[:, self._column])
        if len(self._edges) > MOST_EDGES:
            del self._edges[: -MOST_EDGES // 2]

    def put(self, event: LabEvent, index: int | None, onset: Onset | None) -> None:
        """Take an event in; `released` gives it back."""
        self._queue.append(Held(event, index, onset))
        self._ids.add(event.event_id)

    def next(self, *, over: bool = False) -> Held | None:
        """Give the first event back when it need not wait any longer; ask until there is none.

        Parameters
        ----------
        over : bool
            No more samples will come: nobody waits.
        """
        if not self._queue:
            return None
        if over:
            self._edges += self._detector.flush()
        held = self._queue[0]
        if held.waits:
            edge = self._edge_of(held.index or 0)
            if edge is None and not over and len(self._queue) <= MOST_HELD and self._may_come(held.index or 0):
                return None
            self._count(edge)
            held = Held(held.event, held.index, held.onset, edge)
        self._queue.popleft()
        self._ids.discard(held.event.event_id)
        return held

    def _limit(self, index: int) -> float:
        """Where the window of the first event's onset ends."""
        following = next((h.index for h in islice(self._queue, 1, None) if h.waits and h.index is not None and h.index > index), None)
        return index + self._to if following is None else min(index + self._to, following + self._from)

    def _edge_of(self, index: int) -> Edge | None:
        k = bisect.bisect_left(self._edges, index + self._from, key=_position)
        if k == len(self._edges) or self._edges[k].position > self._limit(index):
            return None
        return self._edges.pop(k)

    def _may_come(self, index: int) -> bool:
        return self._detector.settled_index <= self._limit(index)

    def _count(self, edge: Edge | None) -> None:
        if edge is None:
            self.n_without_edge += 1
            self._in_a_row += 1
        else:
            self.n_moved += 1
            self._in_a_row = 0

    def take_alarm(self) -> str | None:
        """One sentence, once, when several onsets in a row had no edge; None otherwise."""
        if self._in_a_row != ALARM_AFTER:
            return None
        self._in_a_row += 1
        return (
            f"The last {ALARM_AFTER} units had no edge on channel {self._channel}, so their onsets are those that the page reported. "
            "Check the sensor on the screen and its cable, and onset_edges (polarity, threshold, latest_ms) in the profile."
        )
