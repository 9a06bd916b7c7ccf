"""The online decoder: records of the ordered log in, rewards out. No I/O, no clock.

What comes out depends on the log alone:

- Events wait in one queue in the order of their ordinals and leave it in that order only. A unit leaves when every sample of its
  window has come; holds, releases, decoder changes and aborted presentations take effect when they reach the head. So neither
  the cutting of chunks nor whether a unit's event came before or after its samples (within the ring) changes a reward or the order.
- A decoder reads samples from the place of its `decoder` event in the log on. Chunks may be cut anew, but samples must stay on
  their side of such an event.
- An onset far ahead of the samples would block the queue. No sample index of the moment is asked, for that would depend on
  the cutting; instead a unit is given up as `onset_unplaced` when a later unit's onset lies more than `MAX_STEP_BACK_S`
  before it. Logs whose onsets never step back so far, as the daemon writes them, are decoded alike however they are cut.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from decoders.alarms import Alarms
from decoders.rows import Standing, aborted_row, hold_reason, reward_row
from decoders.running import Decoded
from decoders.seats import LoadDecoder, Seat, Seats
from decoders.spec import StreamError
from decoders.stream import State
from messaging.records import Chunk, End, Event, Header, LogOrder, Record
from messaging.rewards import DecoderStatement, Reward
from messaging.words import EventType, ReleaseState

MAX_STEP_BACK_S = 10.0
MAX_REVISABLE = 200
"""Released rewards of unfinished presentations that can still be held when the presentation is broken off."""
STATE_SCHEMA = "rlhb.decoder-state.v1"
_QUEUED = {EventType.UNIT, EventType.TRIAL_END, EventType.TRIAL_ABORTED, EventType.DECODER, EventType.HOLD, EventType.RELEASE}


@dataclass(slots=True)
class Waiting:
    """An event in the queue and the seat that was current when it came."""

    event: Event
    seat: int
    """Ordinal of the `decoder` event; 0 before the first."""
    given_up: bool = False


class OnlineDecoder:
    """Decode a log record by record.

    Parameters
    ----------
    load_decoder : callable
        Gives the fitted decoder of a reference; may raise `DecoderError`, whose sentence then stands in the rewards.
    late : bool
        Mark rewards as decoded from the recording; may be set while running.

    Notes
    -----
    An object belongs to one thread. A unit that leaves the queue always gives a reward; one without value carries the reason:
    ``no_decoder`` or why the decoder does not fit, ``onset_unplaced``, ``before_start: …``, ``window_lost`` (its samples have left the
    ring: decode the recording), ``rejected: …``, ``recording_ended``. When a presentation is aborted, its rewards that were
    released already come again, held: the same `label_id`, a later revision.
    """

    def __init__(self, load_decoder: LoadDecoder, *, late: bool = False) -> None:
        self.late = late
        self.header: Header | None = None
        self.ended = False
        self._order = LogOrder()
        self._seats = Seats(load_decoder)
        self._queue: deque[Waiting] = deque()
        self._furthest_onset = -1
        self._alarms = Alarms()
        self._hold: str | None = None
        self._aborted: deque[str] = deque(maxlen=MAX_REVISABLE)
        self._revisable: deque[Reward] = deque(maxlen=MAX_REVISABLE)

    @property
    def last_ordinal(self) -> int:
        """Ordinal of the last record taken; 0 for none."""
        return self._order.last

    @property
    def statements(self) -> tuple[DecoderStatement, ...]:
        """What rewards say of the decoders at work, the current one last."""
        return self._seats.statements

    @property
    def n_waiting(self) -> int:
        """Units whose windows are not complete, or that wait for such a one."""
        return sum(waiting.event.type is EventType.UNIT for waiting in self._queue)

    @property
    def oldest_needed_index(self) -> int | None:
        """Smallest sample index that a waiting unit's window needs; None when none waits."""
        starts = [onset + seat.running.layout.start for onset, seat in self._placed() if seat.running]
        return min(starts, default=None)

    @property
    def oldest_kept_index(self) -> int | None:
        """Smallest sample index that can still be decoded by the current decoder; None without one."""
        running = self._seats[self._seats.current].running
        return running.stream.oldest_index if running else None

    @property
    def alarm(self) -> str | None:
        """The alarm that holds rewards now, in one sentence; None for none."""
        return self._alarms.raised

    def receive(self, record: Record) -> list[Reward]:
        """Take the next record of the log and return the rewards that it completes, in the order of their units' ordinals.

        A record that was taken before changes nothing.

        Raises
        ------
        RecordError
            A record between is missing.
        StreamError
            The log does not begin with a header, goes on after its end, or has samples twice.
        """
        if not self._order.take(record):
            return []
        if self.ended:
            raise StreamError(f"Record {record.ordinal} follows the log's end; a log has one end, as its last record.")
        if isinstance(record, Header):
            self.header = record
            return []
        if self.header is None:
            raise StreamError(f"The log begins with record {record.ordinal} of kind {type(record).__name__}; its first record is a header.")
        if isinstance(record, Chunk):
            return self._receive_chunk(record, self.header)
        if isinstance(record, End):
            self.ended = True
            return self._drain(self.header)
        return self._receive_event(record, self.header)

    def _receive_chunk(self, chunk: Chunk, header: Header) -> list[Reward]:
        streams = self._seats.streams
        if not streams:
            return []
        rewards: list[Reward] = []
        # A chunk longer than half the ring would overwrite windows before they are decoded.
        step = min(stream.capacity for stream in streams) // 2
        for start in range(0, chunk.n_samples, step):
            for stream in streams:
                stream.receive(chunk.sample_index + start, chunk.samples[start : start + step])
            rewards += self._drain(header)
        return rewards

    def _receive_event(self, event: Event, header: Header) -> list[Reward]:
        if event.type not in _QUEUED:
            return []
        if event.type is EventType.DECODER:
            self._seats.open(event.ordinal, event.decoder, header)
        elif event.type is EventType.UNIT and event.onset_sample_index is not None:
            self._give_up_before(event.onset_sample_index + MAX_STEP_BACK_S * header.profile.sampling_rate_hz)
            self._furthest_onset = max(self._furthest_onset, event.onset_sample_index)
        self._queue.append(Waiting(event, self._seats.current))
        return self._drain(header)

    def _give_up_before(self, limit: float) -> None:
        """Give up waiting units whose onset lies beyond `limit` (sample index)."""
        if self._furthest_onset <= limit:
            return
        for waiting in self._queue:
            if waiting.event.type is EventType.UNIT and (waiting.event.onset_sample_index or 0) > limit:
                waiting.given_up = True
        self._furthest_onset = max((onset for onset, _ in self._placed()), default=-1)

    def _placed(self) -> Iterator[tuple[int, Seat]]:
        """Onsets of the waiting units that may still be decoded, with their seats."""
        for waiting in self._queue:
            onset = waiting.event.onset_sample_index
            if waiting.event.type is EventType.UNIT and onset is not None and not waiting.given_up:
                yield onset, self._seats[waiting.seat]

    def _drain(self, header: Header) -> list[Reward]:
        """Let events leave the queue, in order, until one has to wait."""
        rewards: list[Reward] = []
        while self._queue:
            waiting = self._queue[0]
            if waiting.event.type is not EventType.UNIT:
                rewards += self._apply(waiting.event)
            else:
                decoded = self._decode(waiting)
                if decoded is None:
                    break
                rewards.append(self._answer(waiting, decoded, header))
            self._queue.popleft()
        return rewards

    def _decode(self, waiting: Waiting) -> Decoded | None:
        """Decode a unit; None when it has to wait for samples."""
        seat, onset = self._seats[waiting.seat], waiting.event.onset_sample_index
        if seat.running is None:
            return Decoded(None, seat.reason)
        if onset is None or waiting.given_up:
            return Decoded(None, "onset_unplaced")
        if seat.running.complete(onset):
            marker = waiting.event.unit.marker if waiting.event.unit is not None else None
            return seat.running.decode(onset) if marker is None else seat.running.decode(onset, marker.polarity)
        return Decoded(None, "recording_ended") if self.ended else None

    def _answer(self, waiting: Waiting, decoded: Decoded, header: Header) -> Reward:
        event, running = waiting.event, self._seats[waiting.seat].running
        if running is not None:
            self._alarms.take(decoded, header.prior, running.stream.n_history)
        decoder = running.decoder if running else None
        standing = Standing(event.presentation in self._aborted, self._hold, self._alarms.raised, self._alarms.limits.max_onset_sd_ms)
        reward = reward_row(header, event, decoder, decoded, hold_reason(header, event, decoder, decoded, standing), late=self.late)
        if reward.release is ReleaseState.OK and event.presentation is not None:
            self._revisable.append(reward)
        return reward

    def _apply(self, event: Event) -> list[Reward]:
        """Let an event other than a unit take effect on the units after it."""
        if event.type is EventType.HOLD:
            self._hold = event.text or "by the operator"
        elif event.type is EventType.RELEASE:
            self._hold = None
            self._alarms.release()
        elif event.type is EventType.DECODER:
            self._alarms.change_decoder(same_stream=self._seats.close_before(event.ordinal))
        else:
            ended = [reward for reward in self._revisable if reward.presentation == event.presentation]
            kept = [reward for reward in self._revisable if reward.presentation != event.presentation]
            self._revisable = deque(kept, maxlen=MAX_REVISABLE)
            if event.type is EventType.TRIAL_ABORTED and event.presentation is not None:
                self._aborted.append(event.presentation)
                return [aborted_row(reward) for reward in ended]
        return []

    def state(self) -> State:
        """Everything that later rewards depend on: JSON values and arrays, valid after `last_ordinal`."""
        numbers, arrays = self._seats.state()
        return {
            "schema": STATE_SCHEMA,
            "last_ordinal": self._order.last,
            "header": self.header.model_dump(mode="json") if self.header else None,
            "ended": self.ended,
            "seats": numbers,
            "queue": [{"event": w.event.model_dump(mode="json"), "seat": w.seat, "given_up": w.given_up} for w in self._queue],
            "alarms": self._alarms.state(),
            "hold": self._hold,
            "aborted": list(self._aborted),
            "revisable": [reward.model_dump(mode="json") for reward in self._revisable],
        }, arrays

    def restore(self, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Continue, in a decoder that has taken no record, after the record `last_ordinal` of what `state` gave: bit for bit.

        Raises
        ------
        DecoderError
            The state is of another version, or a decoder it names is gone or has changed. This decoder is then as new: give it
            the log from its start.
        """
        if numbers.get("schema") != STATE_SCHEMA:
            raise StreamError(f"The saved state is of version {numbers.get('schema')!r}, this is {STATE_SCHEMA!r}; decode from the recording's start.")
        if self._order.last:
            raise StreamError(f"A decoder that has taken {self._order.last} records cannot continue another's state; restore into a new one.")
        if numbers["header"] is not None:
            header = Header.model_validate(numbers["header"])
            self._seats.restore(numbers["seats"], arrays, header)
            self.header = header
        self._order = LogOrder(numbers["last_ordinal"])
        self.ended = numbers["ended"]
        self._queue.extend(Waiting(Event.model_validate(w["event"]), w["seat"], w["given_up"]) for w in numbers["queue"])
        self._furthest_onset = max((onset for onset, _ in self._placed()), default=-1)
        self._alarms.restore(numbers["alarms"])
        self._hold = numbers["hold"]
        self._aborted.extend(numbers["aborted"])
        self._revisable.extend(Reward.model_validate(reward) for reward in numbers["revisable"])
