"""The ordered log of a recording without daemon or bus: what `rlhb relabel` and `rlhb evaluate --online` decode."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acquisition.recorder import make_header
from acquisition.replay_board import ReplayBoard
from acquisition.sample_clock import SampleClock
from acquisition.sequencer import Sequencer
from decoders.fitted import FittedDecoder
from decoders.kernels import kernel_set
from decoders.online import OnlineDecoder
from decoders.sessions import TrainingSession
from messaging.identity import event_id
from messaging.lab import LabEvent, SessionPlan
from messaging.records import Chunk, DecoderRef, Event, Record
from messaging.words import EventType
from recordings.log import read_log
from recordings.recording import RecordedEvent, Recording, Segment


def log_of_foreign(recording: Recording, plan: SessionPlan, chunk_samples: int | None = None) -> Iterator[Record]:
    """Make the log that replaying a recording would make, as fast as possible."""
    board = ReplayBoard(recording, plan.session_id, math.inf, None, chunk_samples=chunk_samples)
    header = make_header(plan, board, 0.0, recording.sha256, kernel_set())
    sequencer = Sequencer(header, SampleClock(board.profile.sampling_rate_hz, 0.0, header.clock))
    yield header
    if plan.decoder is not None:
        chosen = sequencer.event(_decoder_event(plan.session_id, plan.decoder), None)
        assert chosen is not None
        yield chosen
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(board.start(0))
        while not (output := loop.run_until_complete(board.read())).ended:
            found = [sequencer.samples(c) for c in output.chunks] + [sequencer.placed(e) for e in output.events]
            yield from (record for record in found if record is not None)
    finally:
        loop.close()
    yield sequencer.end("end of the recording")


def _decoder_event(session_id: str, decoder: DecoderRef) -> LabEvent:
    return LabEvent(event_id=event_id(session_id, None, EventType.DECODER, 0), type=EventType.DECODER, session_id=session_id, decoder=decoder)


def own_log(recording: Recording, decoder: DecoderRef | None) -> Iterator[Record]:
    """Read an own recording's log; with a decoder given, every choice of a decoder in it becomes this one.

    A log that never chose a decoder gets the choice right after its header; ordinals then move up by one.
    """
    records = read_log(recording.path)
    if decoder is None:
        yield from records
        return
    chose = any(isinstance(r, Event) and r.type is EventType.DECODER for r in read_log(recording.path))
    shift = 0 if chose else 1
    for record in records:
        if isinstance(record, Event) and record.type is EventType.DECODER:
            yield record.model_copy(update={"decoder": decoder})
        elif record.ordinal == 1:
            yield record
            if not chose and recording.header is not None:
                event = _decoder_event(recording.header.session_id, decoder)
                fields = {name: getattr(event, name) for name in LabEvent.model_fields if name != "time"}
                yield Event(ordinal=2, onset_sample_index=0, **fields)
        elif isinstance(record, Chunk):
            yield Chunk(ordinal=record.ordinal + shift, sample_index=record.sample_index, time_lsl_s=record.time_lsl_s, samples=record.samples)
        else:
            yield record.model_copy(update={"ordinal": record.ordinal + shift})


def decode_session(decoder: FittedDecoder, session: TrainingSession) -> NDArray[np.float64]:
    """Decode every onset of a session through the online decoder, as the worker would.

    Returns
    -------
    (n_onsets,) float64
        llr; NaN where a window got no value.
    """
    pieces = session.segments or ((0, 0, len(session.samples)),)
    recording = Recording(
        path=Path(session.recording_id),
        sha256=session.sha256,
        sampling_rate_hz=session.sampling_rate_hz,
        channel_names=session.channel_names,
        channel_kinds=("eeg",) * len(session.channel_names),
        samples=session.samples,
        segments=tuple(Segment(*piece) for piece in pieces),
        events=tuple(RecordedEvent(int(onset), "onset", 0.0) for onset in session.onset_samples),
    )
    reference = DecoderRef(name=decoder.statement.name, version=max(1, decoder.statement.version))
    plan = SessionPlan(
        session_id="evaluation", recording_id="evaluation", subject="evaluation", protocol="replay", task=decoder.spec.task, prior=0.5, decoder=reference
    )
    online = OnlineDecoder(lambda _: decoder)
    rewards = [reward for record in log_of_foreign(recording, plan, chunk_samples=8) for reward in online.receive(record)]
    return np.array([math.nan if reward.llr is None else reward.llr for reward in rewards])
