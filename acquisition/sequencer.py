"""The sequencer: puts samples and events into one order and places events at their samples. It does no I/O and reads no clock."""

import math

from acquisition.board import BoardChunk, PlacedEvent
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
    """

    def __init__(self, header: Header, clock: SampleClock, last_ordinal: int = 1, next_index: int = 0, recorded: set[str] | None = None) -> None:
        self.header = header
        self.clock = clock
        self.ordinal = last_ordinal
        self.next_index = next_index
        self.lost_samples = 0
        self._recorded = recorded if recorded is not None else set()

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
        self.clock.observe(chunk.first_index + chunk.samples.shape[0] - 1, chunk.host_stamp_lsl_s)
        self.lost_samples += first - self.next_index
        self.next_index = chunk.first_index + chunk.samples.shape[0]
        return Chunk(ordinal=self._take_ordinal(), sample_index=first, time_lsl_s=self.clock.time_at(first), samples=chunk.samples[known:])

    def event(self, event: LabEvent, server_to_host: ClockFit | None) -> Event | None:
        """Place an event of the server; None when the log holds it.

        Parameters
        ----------
        event : LabEvent
        server_to_host : ClockFit or None
            Host LSL seconds = server seconds + offset; needed for events that have a time.
        """
        if event.event_id in self._recorded:
            return None
        onset = index = None
        if event.time is not None and server_to_host is not None:
            onset = self._onset(event.time, server_to_host)
            index = self._index_at(onset.onset_lsl_s)
        elif event.time is None and event.type is not EventType.UNIT:
            index = self.next_index
        return self._record(event, index, onset)

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
