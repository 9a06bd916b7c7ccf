"""Our XDF layout: which chunks make a record of the ordered log, and what may follow what (docs/recordings.md).

Stream 1 holds the samples, stream 2 (`rlhb.index`) the int64 ordinal, sample index and number of samples of each chunk, stream 3
(`rlhb.log`) header, events and end as lines of JSON. A chunk of EEG is whole only with its row of the index behind it.
"""

import math
from dataclasses import dataclass

import numpy as np

from hardware_profiles.profile import Channel
from messaging.records import LOG_SCHEMA, MAX_CHUNK_BYTES, Chunk, End, Event, Header, Record, RecordError, from_json_line, json_line
from recordings.errors import RecordingError
from recordings.xdf import (
    MAGIC,
    MAX_CONTENT_BYTES,
    Field,
    MalformedError,
    Tag,
    XdfChunk,
    encode_chunk,
    encode_numeric_samples,
    encode_text_sample,
    parse_chunk,
    parse_numeric_samples,
    parse_text_sample,
    xml_document,
)

EEG_STREAM, INDEX_STREAM, LOG_STREAM = 1, 2, 3
PREAMBLE_LIMIT_BYTES = 4 * 1024 * 1024
"""File and stream headers with the log's header fit into this (512 channels take 0.1 MiB)."""
INDEX_NAME, LOG_NAME = "rlhb.index", "rlhb.log"
_EEG_DTYPE, _INDEX_DTYPE = np.dtype(np.float32), np.dtype(np.int64)
_XDF_UNITS = {"uV": "microvolts", "V": "volts", "a.u.": "a.u."}
_XDF_TYPES = {"eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG", "aux": "AUX", "trigger": "Trigger", "photodiode": "Photodiode"}


def preamble(header: Header) -> bytes:
    """Encode what stands before the first record: magic, file header, the three stream headers."""
    profile = header.profile
    channels: list[Field] = [("channel", _channel(c)) for c in profile.channels]
    eeg: list[Field] = [
        *_stream(f"EEG {profile.name}", "EEG", "float32", len(profile.channels), profile.sampling_rate_hz),
        ("desc", [("channels", channels), ("reference", [("label", profile.reference)]), ("acquisition", [("model", profile.title)])]),
    ]
    index_channels: list[Field] = [("channel", [("label", name)]) for name in ("ordinal", "sample_index", "n_samples")]
    index: list[Field] = [*_stream(INDEX_NAME, "Index", "int64", 3, 0), ("desc", [("channels", index_channels)])]
    log = _stream(LOG_NAME, "Markers", "string", 1, 0)
    file_header = encode_chunk(Tag.FILE_HEADER, xml_document([("version", "1.0"), ("log_schema", LOG_SCHEMA)]))
    streams = ((EEG_STREAM, eeg), (INDEX_STREAM, index), (LOG_STREAM, log))
    return MAGIC + file_header + b"".join(encode_chunk(Tag.STREAM_HEADER, xml_document(fields), number) for number, fields in streams)


def _stream(name: str, kind: str, number_format: str, n_channels: int, rate_hz: float) -> list[Field]:
    size: list[Field] = [("channel_count", str(n_channels)), ("nominal_srate", repr(float(rate_hz))), ("channel_format", number_format)]
    return [("name", name), ("type", kind), *size]


def _channel(channel: Channel) -> list[Field]:
    return [("label", channel.name), ("unit", _XDF_UNITS[channel.unit]), ("type", _XDF_TYPES[channel.kind])]


def encode(record: Record, stamp_lsl_s: float) -> bytes:
    """Encode one record as the chunks that belong to it.

    Parameters
    ----------
    record : Header, Chunk, Event or End
    stamp_lsl_s : float
        Time that other programs show for a header, event or end; a chunk carries its own time. Reading our files never uses it.
    """
    if not isinstance(record, Chunk):
        return encode_chunk(Tag.SAMPLES, encode_text_sample(json_line(record), stamp_lsl_s), LOG_STREAM)
    row = np.array([[record.ordinal, record.sample_index, record.n_samples]], dtype=_INDEX_DTYPE)
    samples = encode_chunk(Tag.SAMPLES, encode_numeric_samples(record.samples, record.time_lsl_s), EEG_STREAM)
    return samples + encode_chunk(Tag.SAMPLES, encode_numeric_samples(row, record.time_lsl_s), INDEX_STREAM)


def parse_preamble(buffer: memoryview) -> int | None:
    """Find where the first record starts.

    Returns
    -------
    int or None
        Position of the first record; None when the file was not written by us.

    Raises
    ------
    MalformedError
        It is ours, but the headers are damaged or cut, or of another version.
    """
    if bytes(buffer[: len(MAGIC)]) != MAGIC:
        return None
    found = parse_chunk(buffer, len(MAGIC))
    if found is None or found[0].tag is not Tag.FILE_HEADER or b"<log_schema>" not in bytes(found[0].content):
        return None
    if f"<log_schema>{LOG_SCHEMA}</log_schema>".encode() not in bytes(found[0].content):
        raise MalformedError(f"another version of the log than {LOG_SCHEMA}; read it with the version of rlhb that wrote it")
    position = found[1]
    for number in (EEG_STREAM, INDEX_STREAM, LOG_STREAM):
        found = parse_chunk(buffer, position)
        if found is None or found[0].tag is not Tag.STREAM_HEADER or found[0].stream != number:
            raise MalformedError(f"a file header without the header of stream {number}")
        position = found[1]
    return position


def parse_record(buffer: memoryview, position: int, n_channels: int) -> tuple[Record, int] | None:
    """Read the record that starts at a position; chunks of other kinds before it (boundary, clock offset, footer) are passed over.

    Parameters
    ----------
    buffer : memoryview
    position : int
    n_channels : int
        Channels of stream 1.

    Returns
    -------
    tuple or None
        The record and the position after its last chunk; None when the buffer ends before.

    Raises
    ------
    MalformedError
        No record starts here.
    """
    while True:
        found = parse_chunk(buffer, position)
        if found is None:
            return None
        chunk, position = found
        if chunk.tag is Tag.SAMPLES and chunk.stream == LOG_STREAM:
            try:
                return from_json_line(parse_text_sample(chunk.content)[0]), position
            except RecordError as error:
                raise MalformedError(str(error)) from error
        if chunk.tag is Tag.SAMPLES and chunk.stream == EEG_STREAM:
            index = parse_chunk(buffer, position)
            return None if index is None else (_eeg_record(chunk, index[0], n_channels), index[1])
        if chunk.tag not in (Tag.BOUNDARY, Tag.CLOCK_OFFSET, Tag.STREAM_FOOTER):
            raise MalformedError(f"a chunk {chunk.tag.name} of stream {chunk.stream} where a record should start")


def _eeg_record(eeg: XdfChunk, index: XdfChunk, n_channels: int) -> Chunk:
    if index.tag is not Tag.SAMPLES or index.stream != INDEX_STREAM:
        raise MalformedError("samples without their row of the index")
    samples, time_lsl_s = parse_numeric_samples(eeg.content, n_channels, _EEG_DTYPE)
    row, row_time_lsl_s = parse_numeric_samples(index.content, 3, _INDEX_DTYPE)
    if row.shape[0] != 1 or row_time_lsl_s != time_lsl_s or int(row[0, 2]) != samples.shape[0]:
        raise MalformedError("samples that do not fit their row of the index")
    samples.flags.writeable = False
    return Chunk(ordinal=int(row[0, 0]), sample_index=int(row[0, 1]), time_lsl_s=time_lsl_s, samples=samples.astype(np.float32, copy=False))


@dataclass(slots=True)
class LogState:
    """What is known of a log up to its last record, and what may come next. Shared by writer, scan and reader.

    Not thread-safe.
    """

    header: Header | None = None
    ordinal: int | None = 0
    """Ordinal of the last record; None when reading starts in the middle of the file."""
    end_index: int = 0
    """Number of the sample after the last one."""
    time_lsl_s: float = 0.0
    """Time of that sample at the nominal rate."""
    ended: bool = False

    @property
    def n_channels(self) -> int:
        """Channels of the stream, 0 before the header."""
        return len(self.header.profile.channels) if self.header else 0

    def refusal(self, record: Record) -> str | None:
        """Say why a record cannot come next; None when it can."""
        if self.ended:
            return f"record {record.ordinal} comes after the end of the log"
        if self.ordinal is not None and record.ordinal != self.ordinal + 1:
            return f"record {record.ordinal} does not follow {self.ordinal}; ordinals rise by one"
        if isinstance(record, Header) != (self.header is None):
            return "a log has one header, as its first record"
        return self._chunk_refusal(record) if isinstance(record, Chunk) else None

    def _chunk_refusal(self, chunk: Chunk) -> str | None:
        if chunk.samples.ndim != 2 or chunk.samples.dtype != _EEG_DTYPE or chunk.n_samples < 1 or chunk.samples.shape[1] != self.n_channels:
            return f"chunk of {chunk.samples.shape} {chunk.samples.dtype}; the stream takes (1 or more, {self.n_channels}) float32"
        if chunk.samples.nbytes > MAX_CHUNK_BYTES or chunk.samples.nbytes + chunk.n_samples > MAX_CONTENT_BYTES - 64:
            return f"chunk of {chunk.samples.nbytes} bytes; the limit is {MAX_CHUNK_BYTES}, send smaller chunks"
        if chunk.sample_index < self.end_index:
            return f"chunk starts at sample {chunk.sample_index}, before the end {self.end_index} of the one before"
        if not math.isfinite(chunk.time_lsl_s):
            return f"chunk's time {chunk.time_lsl_s} is not a time"
        return None

    def advance(self, record: Record) -> None:
        """Take a record that `refusal` lets through."""
        self.ordinal = record.ordinal
        if isinstance(record, Header):
            self.header, self.time_lsl_s = record, record.start_lsl_s
        elif isinstance(record, Chunk) and self.header is not None:
            self.end_index = record.end_index
            self.time_lsl_s = record.time_lsl_s + record.n_samples / self.header.profile.sampling_rate_hz
        elif isinstance(record, End):
            self.ended = True

    def stamp_lsl_s(self, record: Record) -> float:
        """Time that other programs shall show for a record: its onset if it has one, else the end of the samples before it."""
        if isinstance(record, Event) and self.header is not None:
            if record.onset is not None:
                return record.onset.onset_lsl_s
            if record.onset_sample_index is not None:
                return self.header.start_lsl_s + record.onset_sample_index / self.header.profile.sampling_rate_hz
        return record.start_lsl_s if isinstance(record, Header) else self.time_lsl_s


def recordable(header: Header) -> Header:
    """Return the header when a recording can be made of it.

    Raises
    ------
    RecordingError
        The profile lists no channels or no rate (a replay's profile before both were taken from the recording).
    """
    if not header.profile.channels or header.profile.sampling_rate_hz <= 0:
        board = f"{len(header.profile.channels)} channels at {header.profile.sampling_rate_hz} Hz"
        raise RecordingError(f"Profile '{header.profile.name}' has {board}: fill in both before recording starts.")
    return header
