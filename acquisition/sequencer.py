"""The sequencer: puts samples and events into one order and places events at their samples. It does no I/O and reads no clock."""

import math

from acquisition.board import BoardChunk, PlacedEvent
from acquisition.held_events import Held, HeldEvents
from acquisition.sample_clock import SampleClock
from messaging.lab import LabEvent, ServerTime
from messaging.records import Chunk, ClockFit, End, Event, Header, Onset
from messaging.words import EventType, OnsetSource

LONGEST_PAST_S = 7 * 86400.0
FURTHEST_FUTURE_S = 5.0
"""An onset later than this after the newest sample is a clock fault: the event is recorded without a sample."""


class Sequencer:
    """Gives every record its ordinal and every onset its sample, once.

    Parameters
    ----------
    header : Header
        First record of the log.
    clock : SampleClock
    last_ordinal, next_index, recorded :
        Where an interrupted log stopped: its last ordinal, the index after its last sample, the event ids it holds.
    held : HeldEvents or None
        Where onsets move to the edges of a channel: what keeps events back until the edges are there.

    Notes
    -----
    A record is written once, so an onset that may still move to its edge is no record yet. It is held back, and every event after it with it,
    so that the log keeps the order in which events came; `released` gives them as records.
    """

    def __init__(
        self,
        header: Header,
        clock: SampleClock,
        last_ordinal: int = 1,
        next_index: int = 0,
        recorded: set[str] | None = None,
        held: HeldEvents | None = None,
    ) -> None:
        self.header = header
        self.clock = clock
        self.ordinal = last_ordinal
        self.next_index = next_index
        self.lost_samples = 0
        self.held = held
        self._recorded = recorded if recorded is not None else set()
        self._earliest_lsl_s = -math.inf

    def _take_ordinal(self) -> int:
        self.ordinal += 1
        return self.ordinal

    def has(self, event_id: str) -> bool:
        """Whether an event is in the log already."""
        return event_id in self._recorded

    def samples(self, chunk: BoardChunk) -> Chunk | None:
        """Place a chunk; samples that the log holds already are cut off, None when nothing is left."""
        known = max(0, self.next_index - chunk.first_index)
        if known >= chunk.samples.shape[0]:
            return None
        first = chunk.first_index + known
        if first > self.next_index:
            self.clock.gap()
        self.clock.observe(chunk.first_index + chunk.samples.shape[0] - 1, chunk.host_stamp_lsl_s)
        self.lost_samples += first - self.next_index
        self.next_index = chunk.first_index + chunk.samples.shape[0]
        if self.held is not None:
            self.held.samples(first, chunk.samples[known:])
        return Chunk(ordinal=self._take_ordinal(), sample_index=first, time_lsl_s=self._time_of(first), samples=chunk.samples[known:])

    def _time_of(self, first: int) -> float:
        """Time of a chunk's first sample, never before the chunk before it, however far the clock has come to know better."""
        time_lsl_s = max(self.clock.time_at(first), self._earliest_lsl_s)
        self._earliest_lsl_s = time_lsl_s
        return time_lsl_s

    def event(self, event: LabEvent, server_to_host: ClockFit | None) -> Event | None:
        """Place an event of the server; None when the log holds it, or it is held back.

        Parameters
        ----------
        event : LabEvent
        server_to_host : ClockFit or None
            Host LSL seconds = server seconds + offset; needed for events that have a time.
        """
        if event.event_id in self._recorded or (self.held is not None and event.event_id in self.held):
            return None
        onset = index = None
        if event.time is not None and server_to_host is not None:
            onset = self._onset(event.time, server_to_host)
            index = self._index_at(onset.onset_lsl_s)
        elif event.time is None and event.type is not EventType.UNIT:
            index = self.next_index
        if self.held is None:
            return self._record(event, index, onset)
        self.held.put(event, index, onset)
        return self.released() if len(self.held) == 1 else None

    def released(self, *, over: bool = False) -> Event | None:
        """Give the next event that was held back and need not wait any longer; ask again until there is none.

        Parameters
        ----------
        over : bool
            No more samples will come.
        """
        held = self.held.next(over=over) if self.held is not None else None
        return None if held is None else self._record(held.event, *self._moved(held))

    def _moved(self, held: Held) -> tuple[int | None, Onset | None]:
        """Sample and onset of an event: those of its edge, where it has one."""
        edge, onset = held.edge, held.onset
        if edge is None or onset is None or self.held is None:
            return held.index, onset
        time_lsl_s = self.clock.time_at(edge.position)
        end = None if onset.offset_lsl_s is None else onset.offset_lsl_s + time_lsl_s - onset.onset_lsl_s
        moved = {"onset_lsl_s": time_lsl_s, "offset_lsl_s": end, "onset_sd_ms": edge.sd_ms, "onset_source": self.held.source}
        return math.floor(edge.position + 0.5), onset.model_copy(update=moved)

    def placed(self, placed: PlacedEvent) -> Event | None:
        """Place an annotation of a replayed recording; None when the log holds it."""
        if placed.event.event_id in self._recorded:
            return None
        time = self.clock.time_at(placed.sample_index)
        onset = Onset(onset_lsl_s=time, onset_sd_ms=0.0, onset_source=OnsetSource.TRIGGER)
        return self._record(placed.event, placed.sample_index, onset)

    def _index_at(self, time_lsl_s: float) -> int | None:
        """Sample of a time; None where it cannot be in this recording, however absurd the time."""
        newest_lsl_s = self.clock.time_at(self.next_index)
        if not newest_lsl_s - LONGEST_PAST_S <= time_lsl_s <= newest_lsl_s + FURTHEST_FUTURE_S:
            return None
        index = self.clock.index_at(time_lsl_s)
        return index if index >= 0 else None

    def _onset(self, time: ServerTime, hop: ClockFit) -> Onset:
        sd_ms = math.hypot(time.onset_sd_ms, hop.sd_ms)
        end = None if time.offset_server_s is None else time.offset_server_s + hop.offset_s
        return Onset(
            onset_lsl_s=time.onset_server_s + hop.offset_s,
            offset_lsl_s=end,
            onset_sd_ms=sd_ms,
            onset_source=time.onset_source,
            page_ms=time.page_ms,
            page_to_server=time.page_to_server,
            server_to_host=hop,
            frames_missed=time.frames_missed,
        )

    def _record(self, event: LabEvent, index: int | None, onset: Onset | None) -> Event:
        self._recorded.add(event.event_id)
        fields = {name: getattr(event, name) for name in LabEvent.model_fields if name != "time"}
        return Event(ordinal=self._take_ordinal(), onset_sample_index=index, onset=onset, **fields)

    def end(self, reason: str) -> End:
        """Close the log."""
        return End(ordinal=self._take_ordinal(), end_index=self.next_index, reason=reason)
