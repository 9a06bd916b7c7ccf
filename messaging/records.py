"""The ordered log: what the daemon writes to the recording and publishes on the bus, in this order and no other.

A log is one `Header`, then any number of `Chunk` and `Event`, then one `End`. Each carries an int64 `ordinal`; the header's is 1
and they rise by one. Everything a decoder may know is in the log, so decoding a recording again gives what was published live.
"""

import json
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hardware_profiles import HardwareProfile
from messaging.words import ClockKind, EventType, OnsetSource, Polarity, Source, TimeLock

LOG_SCHEMA = "rlhb.log.v2"
"""v2: recordings carry checksums; the records themselves are those of v1."""


class RecordError(Exception):
    """Bytes that are not a record of the ordered log."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DecoderRef(_Frozen):
    """A decoder of the registry."""

    name: str
    version: int


class Header(_Frozen):
    """First record of a log: everything that stays the same while it runs."""

    ordinal: Literal[1] = 1
    log_schema: Literal["rlhb.log.v1", "rlhb.log.v2"] = "rlhb.log.v2"
    recording_id: str
    session_id: str
    subject: str
    """Pseudonym of the subject."""
    protocol: str
    task: str
    """What a decoder must have been calibrated with, e.g. ``token_rsvp``."""
    soa_ms: float | None = None
    consent: str | None = None
    source: Source
    clock: ClockKind
    speed: float = Field(default=1.0, gt=0)
    """Stream seconds per host second; infinite speed is written as 0-free ``1e9``."""
    start_lsl_s: float
    """Time of sample 0."""
    created_at: str
    """UTC, ISO 8601."""
    profile: HardwareProfile
    """With channels and rate filled in, also for a replay."""
    replayed_sha256: str | None = None
    """Content hash of the recording that is replayed."""
    prior: float = Field(gt=0, lt=1)
    """The protocol's prior probability of the positive class, pi in SCIENCE."""
    versions: dict[str, str] = Field(default_factory=dict)
    kernel_set: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive samples of all channels.

    Where the board lost samples, `sample_index` is larger than the previous chunk's end; a chunk never holds a gap inside.
    """

    ordinal: int
    sample_index: int
    """Number of the first sample, counted from 0 in real time."""
    time_lsl_s: float
    """Time of the first sample, from the sample clock; frozen when recorded."""
    samples: NDArray[np.float32]
    """(n_samples, n_channels), microvolt for EEG and EOG, in the order of the profile's channels."""

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.samples.shape[0])

    @property
    def end_index(self) -> int:
        """Number of the sample after the last one."""
        return self.sample_index + self.n_samples


class ClockFit(_Frozen):
    """One hop between two clocks: time there = time here + offset."""

    offset_s: float = Field(ge=-1e12, le=1e12)
    drift_ppm: float = 0.0
    sd_ms: float = Field(ge=0, le=1e9)
    """Standard deviation of the offset; half the round-trip asymmetry is in it."""
    rtt_ms: float = Field(ge=0, le=1e9)


class Onset(_Frozen):
    """When something was shown, and how well that is known."""

    onset_lsl_s: float
    offset_lsl_s: float | None = None
    onset_sd_ms: float = Field(ge=0)
    onset_source: OnsetSource
    page_ms: float | None = None
    """Raw animation-frame time of the page (`performance.now()` scale)."""
    page_to_server: ClockFit | None = None
    server_to_host: ClockFit | None = None
    frames_missed: int = 0


class MarkerShown(_Frozen):
    """A sign that appeared after a unit; the answer of the brain is to the sign."""

    kind: Literal["verdict"] = "verdict"
    polarity: Polarity
    source: Literal["verifier", "drawn"]
    """Who decided: a verifier's verdict that came with the items, or the session's seed."""


class StepShown(_Frozen):
    """Which step of a chain of thought a unit is."""

    step_id: str
    parent_id: str | None = None
    """The step before it; None for a first one."""


class UnitShown(_Frozen):
    """One unit of a response as shown; nothing here says whether it is right."""

    index: int = Field(ge=0)
    text: str
    """The unit's exact text; for a replayed annotation its description."""
    item_id: str | None = None
    response_id: str | None = None
    char_start: int | None = None
    """First code point of the unit in the response."""
    char_end: int | None = None
    """Code point after the unit's last."""
    time_lock: TimeLock = TimeLock.UNIT
    words: tuple[int, int] | None = None
    """First word of the response that is in it, and the word after its last; None: the unit is the word `index`."""
    marker: MarkerShown | None = None
    """The sign whose frame the onset is (`time_lock` marker)."""
    step: StepShown | None = None


class Event(_Frozen):
    """Something that happened, placed in the log by the daemon."""

    ordinal: int
    event_id: str
    type: EventType
    session_id: str
    onset_sample_index: int | None = None
    """Sample at which it happened, resolved once by the daemon; None when it could not be placed or has no time."""
    onset: Onset | None = None
    block: int = 0
    trial: int | None = None
    presentation: str | None = None
    """Identity of one showing of one response."""
    repeat: int = 0
    unit: UnitShown | None = None
    n_units: int | None = None
    """On `trial_start` and `trial_end`: how many units were (to be) shown."""
    decoder: DecoderRef | None = None
    text: str | None = None
    """Reason of a hold, comment, description of an annotation."""
    value: float | None = None
    """Rating."""


class End(_Frozen):
    """Last record of a log."""

    ordinal: int
    end_index: int
    """Number of samples of real time that the recording spans."""
    reason: str


Record = Header | Chunk | Event | End

_CHUNK = struct.Struct("<4sIIxxxxqqd")
_MAGIC = b"EEG1"
MAX_CHUNK_BYTES = 64 * 1024 * 1024


def encode_record(record: Record) -> bytes:
    """Encode a record for the bus.

    Returns
    -------
    bytes
        A chunk: 40 bytes header (magic, n_samples, n_channels, pad, ordinal, sample_index, time_lsl_s; little-endian), then
        float32 samples, channel fastest. Anything else: one letter (H, E, Z) and UTF-8 JSON.
    """
    if isinstance(record, Chunk):
        samples = np.ascontiguousarray(record.samples, dtype="<f4")
        head = _CHUNK.pack(_MAGIC, samples.shape[0], samples.shape[1], record.ordinal, record.sample_index, record.time_lsl_s)
        return head + samples.tobytes()
    letter = {Header: b"H", Event: b"E", End: b"Z"}[type(record)]
    return letter + record.model_dump_json(exclude_none=True).encode("utf-8")


def decode_record(raw: bytes) -> Record:
    """Decode what `encode_record` wrote.

    Raises
    ------
    RecordError
        The bytes are no record: unknown kind, cut short, or fields that do not fit.
    """
    if raw[:4] == _MAGIC:
        return _decode_chunk(raw)
    model = {b"H": Header, b"E": Event, b"Z": End}.get(raw[:1])
    if model is None:
        raise RecordError(f"Unknown record kind {raw[:4]!r}; the sender speaks another version.")
    try:
        return model.model_validate_json(raw[1:])  # type: ignore[no-any-return,attr-defined]
    except ValueError as error:
        raise RecordError(f"Record of kind {raw[:1]!r} does not fit {LOG_SCHEMA}: {error}") from error


def _decode_chunk(raw: bytes) -> Chunk:
    if len(raw) < _CHUNK.size:
        raise RecordError(f"Chunk of {len(raw)} bytes is shorter than its header of {_CHUNK.size} bytes.")
    _, n_samples, n_channels, ordinal, sample_index, time_lsl_s = _CHUNK.unpack_from(raw)
    expected = _CHUNK.size + 4 * n_samples * n_channels
    if len(raw) != expected or expected > MAX_CHUNK_BYTES:
        raise RecordError(f"Chunk of {n_samples} x {n_channels} samples needs {expected} bytes (limit {MAX_CHUNK_BYTES}), got {len(raw)}.")
    samples = np.frombuffer(raw, dtype="<f4", offset=_CHUNK.size).reshape(n_samples, n_channels)
    return Chunk(ordinal=ordinal, sample_index=sample_index, time_lsl_s=time_lsl_s, samples=samples)


def record_from_json(kind: str, text: str) -> Header | Event | End:
    """Read a header, event or end from the JSON that a recording keeps.

    Raises
    ------
    RecordError
        Unknown kind or fields that do not fit.
    """
    decoded = decode_record({"header": b"H", "event": b"E", "end": b"Z"}.get(kind, b"?") + text.encode("utf-8"))
    if isinstance(decoded, Chunk):  # pragma: no cover - a chunk has no JSON form
        raise RecordError("A chunk has no JSON form.")
    return decoded


def record_kind(record: Record) -> str:
    """Name a record's kind: ``header``, ``chunk``, ``event`` or ``end``."""
    return type(record).__name__.lower()


class LogOrder:
    """Checks that records come in the order of the log; a repeated record is told apart from a missing one.

    Parameters
    ----------
    after : int
        Ordinal of the last record already taken; 0 for none.
    """

    def __init__(self, after: int = 0) -> None:
        self.last = after

    def take(self, record: Record) -> bool:
        """Return True when the record is the next one, False when it was taken before.

        Raises
        ------
        RecordError
            A record between is missing; the message names both ordinals.
        """
        if record.ordinal <= self.last:
            return False
        if record.ordinal != self.last + 1:
            raise RecordError(f"Record {record.ordinal} follows {self.last}: the ones between are missing. Read them from the recording.")
        self.last = record.ordinal
        return True


def json_line(record: Header | Event | End) -> str:
    """One line of JSON with the record's kind, as the recording keeps it."""
    return json.dumps({"kind": record_kind(record), **json.loads(record.model_dump_json(exclude_none=True))}, ensure_ascii=False, separators=(",", ":"))


def from_json_line(line: str) -> Header | Event | End:
    """Read what `json_line` wrote.

    Raises
    ------
    RecordError
        The line is no record.
    """
    try:
        fields = json.loads(line)
        kind = fields.pop("kind")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise RecordError(f"Not a line of the log: {line[:80]!r}.") from error
    return record_from_json(kind, json.dumps(fields))
