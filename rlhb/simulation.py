"""A session of the simulated subject at full speed: the recording that the page, the server and the daemon would have made."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acquisition.board import BoardChunk, PlacedEvent
from acquisition.sample_clock import SampleClock
from acquisition.sequencer import Sequencer
from acquisition.simulated_subject import SimulatedSubject, load_subject_key
from decoders.kernels import kernel_set
from hardware_profiles import HardwareProfile, load_profile
from messaging.identity import event_id
from messaging.lab import LabEvent
from messaging.pages import Trial
from messaging.records import Chunk, DecoderRef, Event, Header
from messaging.words import ClockKind, EventType, Source
from recordings.log import read_log
from recordings.writer import LogWriter
from rlhb.items import item_file, items_of, response_rows
from server.items import MARKS
from server.sessions.planning import Timing, plan_trials
from server.sessions.protocols import shipped_protocols

FRAME_S = 1 / 60
CHUNK_S = 0.4
LEAD_IN_S = 3.0
BETWEEN_TRIALS_S = 0.7
TAIL_S = 2.0


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """Which subject reads what."""

    protocol: str
    item_set: str
    subject_seed: int = 1
    run_seed: int = 1
    effect_scale: float = 1.0
    n_trials: int | None = None
    profile: str = "simulated_subject"
    key_file: Path | None = None
    """Item file whose marks the subject knows; None takes the shown set's own."""
    decoder: DecoderRef | None = None


def simulate(run: SimulatedRun, path: Path, progress: Callable[[float], None] | None = None) -> Path:
    """Write the recording of one simulated session.

    Parameters
    ----------
    run : SimulatedRun
    path : Path
        File to be written (own XDF); must not exist.
    progress : callable, optional
        Called with the finished fraction.

    Returns
    -------
    Path
        `path`. The log holds what was shown and when; what the subject perceived is nowhere in it.
    """
    profile = load_profile(run.profile)
    key = load_subject_key([run.key_file or item_file(run.item_set)])
    subject = SimulatedSubject(profile, key, run.subject_seed, run.run_seed, run.effect_scale)
    header = _header(run, profile)
    trials = _trials(run, header.session_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with LogWriter.create(path, header) as writer:
        sequencer = Sequencer(header, SampleClock(profile.sampling_rate_hz, header.start_lsl_s, ClockKind.VIRTUAL))
        if run.decoder is not None:
            chosen = sequencer.event(_plain(header, EventType.DECODER, run.decoder), None)
            assert chosen is not None
            writer.write(chosen)
        for done, record in _records(sequencer, subject, trials, header):
            writer.write(record)
            if progress is not None:
                progress(done)
        writer.write(sequencer.end("simulated session complete"))
    return path


def _header(run: SimulatedRun, profile: HardwareProfile) -> Header:
    protocol = shipped_protocols()[run.protocol]
    name = f"{run.protocol}-s{run.subject_seed}-r{run.run_seed}"
    return Header(
        recording_id=f"sim-{name}",
        session_id=f"sim-{name}",
        subject=f"simulated-{run.subject_seed}",
        protocol=run.protocol,
        task=protocol.task,
        soa_ms=protocol.soa_ms,
        consent="simulated",
        source=Source.SIMULATED,
        clock=ClockKind.VIRTUAL,
        speed=1e9,
        start_lsl_s=0.0,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        profile=profile,
        prior=protocol.prior,
        kernel_set=kernel_set(),
    )


def _trials(run: SimulatedRun, session_id: str) -> list[Trial]:
    protocol = shipped_protocols()[run.protocol]
    timing = Timing(soa_ms=protocol.soa_ms, jitter_ms=protocol.jitter_ms, fixation_ms=protocol.fixation_ms, blank_ms=protocol.blank_ms)
    rows = response_rows(item_file(run.item_set))
    marked = {r.response_id: {mark: getattr(r, mark) for mark in MARKS} for item in items_of(item_file(run.item_set)) for r in item.responses}
    common: dict[str, Any] = {"trials_per_block": protocol.trials_per_block, "shows": protocol.shows, "marks": marked}
    planned = plan_trials(session_id, rows, timing, seed=run.run_seed, n_trials=run.n_trials or protocol.n_trials, **common)
    return [p.trial for p in planned]


def _plain(header: Header, kind: EventType, decoder: DecoderRef | None = None) -> LabEvent:
    return LabEvent(event_id=event_id(header.session_id, None, kind, 0), type=kind, session_id=header.session_id, decoder=decoder)


def _schedule(trials: list[Trial], header: Header) -> Iterator[tuple[float, LabEvent]]:
    """Every event with its stream time; onsets fall on frames."""
    at = LEAD_IN_S
    for trial in trials:
        common: dict[str, Any] = {
            "session_id": header.session_id,
            "block": trial.block,
            "trial": trial.trial,
            "presentation": trial.presentation,
            "repeat": trial.repeat,
        }
        ids = {kind: event_id(header.session_id, trial.presentation, kind) for kind in (EventType.TRIAL_START, EventType.TRIAL_END)}
        yield at, LabEvent(event_id=ids[EventType.TRIAL_START], type=EventType.TRIAL_START, n_units=len(trial.units), **common)
        for unit in trial.units:
            onset_s = round((at + unit.onset_ms / 1e3) / FRAME_S) * FRAME_S
            unit_id = event_id(header.session_id, trial.presentation, EventType.UNIT, unit.index)
            yield onset_s, LabEvent(event_id=unit_id, type=EventType.UNIT, unit=unit.shown(), **common)
        at += (trial.units[-1].onset_ms + trial.blank_ms) / 1e3
        yield at, LabEvent(event_id=ids[EventType.TRIAL_END], type=EventType.TRIAL_END, n_units=len(trial.units), **common)
        at += BETWEEN_TRIALS_S


def _records(sequencer: Sequencer, subject: SimulatedSubject, trials: list[Trial], header: Header) -> Iterator[tuple[float, Chunk | Event]]:
    rate = header.profile.sampling_rate_hz
    n = round(rate * CHUNK_S)
    events = [(onset_s, k, event) for k, (onset_s, event) in enumerate(_schedule(trials, header))]
    end = round((events[-1][0] + TAIL_S) * rate)
    for onset_s, _, event in events:
        if event.unit is not None and event.presentation is not None:
            subject.perceive(event.presentation, event.unit, onset_s)
    heapq.heapify(events)
    index = 0
    while index < end:
        samples = subject.generate(n)
        chunk = sequencer.samples(BoardChunk(first_index=index, samples=samples, host_stamp_lsl_s=0.0))
        index += n
        if chunk is not None:
            yield min(1.0, index / end), chunk
        while events and round(events[0][0] * rate) < index:
            onset_s, _, event = heapq.heappop(events)
            record = sequencer.placed(PlacedEvent(event=event, sample_index=round(onset_s * rate)))
            if record is not None:
                yield min(1.0, index / end), record


def unit_events(path: Path) -> list[Event]:
    """Return the unit events of an own recording, in order."""
    return [record for record in read_log(path) if isinstance(record, Event) and record.type is EventType.UNIT]
