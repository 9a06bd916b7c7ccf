"""Which decoder is current: every `decoder` event of the log opens a seat that lasts until the next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from decoders.fitted import FittedDecoder
from decoders.running import RunningDecoder
from decoders.spec import DecoderError, MismatchError
from decoders.stream import FilteredStream, State
from messaging.records import DecoderRef, Header
from messaging.rewards import DecoderStatement

LoadDecoder = Callable[[DecoderRef], FittedDecoder]


@dataclass(frozen=True, slots=True)
class Seat:
    """A decoder from one `decoder` event to the next, or the reason why there is none."""

    ref: DecoderRef | None
    running: RunningDecoder | None
    reason: str
    """Empty when there is a decoder."""


class Seats:
    """The current decoder, and those before it that still have units to answer.

    Parameters
    ----------
    load_decoder : callable
        Gives the fitted decoder of a reference; may raise `DecoderError`, whose sentence is then the seat's reason.
    """

    def __init__(self, load_decoder: LoadDecoder) -> None:
        self._load = load_decoder
        self._seats: dict[int, Seat] = {0: Seat(None, None, "no_decoder")}
        self.current = 0
        """Ordinal of the last `decoder` event; 0 before the first."""
        self.streams: tuple[FilteredStream, ...] = ()
        """All streams that need samples, each once."""

    def __getitem__(self, ordinal: int) -> Seat:
        return self._seats[ordinal]

    @property
    def statements(self) -> tuple[DecoderStatement, ...]:
        """Statements of the decoders at work, the current one last."""
        return tuple(seat.running.decoder.statement for seat in self._seats.values() if seat.running)

    def open(self, ordinal: int, ref: DecoderRef | None, header: Header) -> None:
        """Make the decoder of a `decoder` event current; with the filter of the one before it shares the stream, else settles anew."""
        running = self._seats[self.current].running
        self._seats[ordinal] = self._load_seat(ref, header, running)
        self.current = ordinal
        self._gather_streams()

    def close_before(self, ordinal: int) -> bool:
        """Drop the decoders before a `decoder` event, whose units are answered; return whether the stream goes on."""
        before = [self._seats.pop(seat) for seat in sorted(self._seats) if seat < ordinal]
        old, new = before[-1].running, self._seats[ordinal].running
        self._gather_streams()
        return bool(old and new and old.stream is new.stream)

    def _load_seat(self, ref: DecoderRef | None, header: Header, before: RunningDecoder | None) -> Seat:
        if ref is None:
            return Seat(None, None, "no_decoder")
        try:
            decoder = self._load(ref)
            shared = before.stream if before and before.decoder.spec.preprocessing == decoder.spec.preprocessing else None
            return Seat(ref, RunningDecoder(decoder, header, shared), "")
        except DecoderError as error:
            return Seat(ref, None, str(error))

    def _gather_streams(self) -> None:
        found = {id(seat.running.stream): seat.running.stream for seat in self._seats.values() if seat.running}
        self.streams = tuple(found.values())

    def state(self) -> State:
        """Seats and their streams, exactly."""
        rows: list[dict[str, Any]] = []
        for ordinal, seat in self._seats.items():
            row: dict[str, Any] = {"ordinal": ordinal, "ref": seat.ref.model_dump() if seat.ref else None, "reason": seat.reason}
            if seat.running:
                row |= {"sha256": seat.running.decoder.statement.sha256, "stream": self.streams.index(seat.running.stream)}
            rows.append(row)
        numbers: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        for k, stream in enumerate(self.streams):
            found, rings = stream.state()
            numbers.append(found)
            arrays |= {f"stream{k}.{name}": ring for name, ring in rings.items()}
        return {"seats": rows, "current": self.current, "streams": numbers}, arrays

    def restore(self, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]], header: Header) -> None:
        """Continue from what `state` gave.

        Raises
        ------
        DecoderError
            A decoder is gone, does not fit or has changed since; the seats are then as before.
        """
        streams: dict[int, FilteredStream] = {}
        seats: dict[int, Seat] = {}
        for row in numbers["seats"]:
            ref = DecoderRef(**row["ref"]) if row["ref"] else None
            running = None
            if ref is not None and "stream" in row:
                running = self._running_again(ref, row["sha256"], header, streams.get(row["stream"]))
                streams[row["stream"]] = running.stream
            seats[row["ordinal"]] = Seat(ref, running, row["reason"])
        for k, stream in streams.items():
            mark = f"stream{k}."
            stream.restore(numbers["streams"][k], {name.removeprefix(mark): ring for name, ring in arrays.items() if name.startswith(mark)})
        self._seats, self.current = seats, numbers["current"]
        self._gather_streams()

    def _running_again(self, ref: DecoderRef, sha256: str, header: Header, shared: FilteredStream | None) -> RunningDecoder:
        decoder = self._load(ref)
        if decoder.statement.sha256 != sha256:
            raise MismatchError(
                f"The decoder {ref.name}@{ref.version} has the hash {decoder.statement.sha256[:12]}, the saved state was made with {sha256[:12]}; "
                "decode from the recording's start."
            )
        return RunningDecoder(decoder, header, shared)
