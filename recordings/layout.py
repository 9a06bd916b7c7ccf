"""Our XDF layout: which chunks make a record of the ordered log, and what may follow what (docs/recordings.md).

Stream 1 holds the samples, stream 2 (`rlhb.index`) the int64 ordinal, sample index, number of samples and checksum of each chunk,
stream 3 (`rlhb.log`) header, events and end as lines of JSON. A chunk of EEG is whole only with its row of the index behind it.
Files of the schema ``rlhb.log.v1`` are the same without checksums.
"""

import math
import re
import zlib
from dataclasses import dataclass

import numpy as np

from hardware_profiles.profile import Channel
from messaging.records import LOG_SCHEMA, MAX_CHUNK_BYTES, Chunk, End, Event, Header, Record, RecordError, from_json_line, json_line
from recordings.checksum import chunk_crc32, seal, unseal
from recordings.errors import RecordingError
from recordings.xdf import (
    BOUNDARY,
    MAGIC,
    MAX_CONTENT_BYTES,
    Field,
    MalformedError,
    Tag,
    XdfChunk,
    encode_chunk,
    encode_index_row,
    encode_numeric_samples,
    encode_text_sample,
    parse_chunk,
    parse_index_row,
    parse_numeric_samples,
    parse_text_sample,
    xml_document,
)

EEG_STREAM, INDEX_STREAM, LOG_STREAM = 1, 2, 3
PREAMBLE_LIMIT_BYTES = 4 * 1024 * 1024
"""File and stream headers with the log's header fit into this (512 channels take 0.1 MiB)."""
INDEX_NAME, LOG_NAME = "rlhb.index", "rlhb.log"
MARK = encode_chunk(Tag.BOUNDARY, BOUNDARY)
"""Says that the disk holds everything before the mark before this one. A record with two marks behind it was not lost with the power."""
_WITHOUT_CHECKSUMS = "rlhb.log.v1"
_SCHEMAS = (_WITHOUT_CHECKSUMS, LOG_SCHEMA)
_INDEX_CHANNELS = ("ordinal", "sample_index", "n_samples", "crc32")
_EEG_DTYPE = np.dtype(np.float32)
_XDF_UNITS = {"uV": "microvolts", "V": "volts", "a.u.": "a.u."}
_XDF_TYPES = {"eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG", "aux": "AUX", "trigger": "Trigger", "photodiode": "Photodiode"}


def has_checksums(header: Header) -> bool:
    """Tell whether the records of this header's log carry checksums."""
    return header.log_schema != _WITHOUT_CHECKSUMS


def encode_header(header: Header) -> bytes:
    """Encode what stands at the start of a file: magic, file header, the three stream headers, and the log's header."""
    before = _preamble(header)
    return before + encode(header, header.start_lsl_s, has_checksums(header), zlib.crc32(before))


def _preamble(header: Header) -> bytes:
    profile = header.profile
    channels: list[Field] = [("channel", _channel(c)) for c in profile.channels]
    eeg: list[Field] = [
        *_stream(f"EEG {profile.name}", "EEG", "float32", len(profile.channels), profile.sampling_rate_hz),
        ("desc", [("channels", channels), ("reference", [("label", profile.reference)]), ("acquisition", [("model", profile.title)])]),
    ]
    labels = _index_channels(has_checksums(header))
    index_channels: list[Field] = [("channel", [("label", label)]) for label in labels]
    index: list[Field] = [*_stream(INDEX_NAME, "Index", "int64", len(labels), 0), ("desc", [("channels", index_channels)])]
    log = _stream(LOG_NAME, "Markers", "string", 1, 0)
    file_header = encode_chunk(Tag.FILE_HEADER, xml_document([("version", "1.0"), ("log_schema", header.log_schema)]))
    streams = ((EEG_STREAM, eeg), (INDEX_STREAM, index), (LOG_STREAM, log))
    return MAGIC + file_header + b"".join(encode_chunk(Tag.STREAM_HEADER, xml_document(fields), number) for number, fields in streams)


def _index_channels(checksums: bool) -> tuple[str, ...]:
    return _INDEX_CHANNELS if checksums else _INDEX_CHANNELS[:3]


def _stream(name: str, kind: str, number_format: str, n_channels: int, rate_hz: float) -> list[Field]:
    size: list[Field] = [("channel_count", str(n_channels)), ("nominal_srate", repr(float(rate_hz))), ("channel_format", number_format)]
    return [("name", name), ("type", kind), *size]


def _channel(channel: Channel) -> list[Field]:
    return [("label", channel.name), ("unit", _XDF_UNITS[channel.unit]), ("type", _XDF_TYPES[channel.kind])]


def encode(record: Record, stamp_lsl_s: float, checksums: bool, before: int = 0) -> bytes:
    """Encode one record as the chunks that belong to it.

    Parameters
    ----------
    record : Header, Chunk, Event or End
    stamp_lsl_s : float
        Time that other programs show for a header, event or end; a chunk carries its own time. Reading our files never uses it.
    checksums : bool
        `has_checksums` of the log.
    before : int
        Of the header only: checksum of the bytes before it.
    """
    if not isinstance(record, Chunk):
        line = seal(json_line(record), stamp_lsl_s, before) if checksums else json_line(record)
        return encode_chunk(Tag.SAMPLES, encode_text_sample(line, stamp_lsl_s), LOG_STREAM)
    content = encode_numeric_samples(record.samples, record.time_lsl_s)
    row = [record.ordinal, record.sample_index, record.n_samples]
    if checksums:
        row.append(chunk_crc32(content, *row))
    index = encode_index_row(row, record.time_lsl_s)
    return encode_chunk(Tag.SAMPLES, content, EEG_STREAM) + encode_chunk(Tag.SAMPLES, index, INDEX_STREAM)


def parse_header(buffer: memoryview) -> tuple[Header, int, int] | None:
    """Read the log's header, and where its record and the one after it start.

    Returns
    -------
    tuple or None
        None when the file was not written by us.

    Raises
    ------
    MalformedError
        It is ours, but its beginning is damaged or cut, or of another version.
    """
    found = _parse_preamble(buffer)
    if found is None:
        return None
    schema, position = found
    checksums = schema != _WITHOUT_CHECKSUMS
    first = parse_record(buffer, position, 0, checksums, zlib.crc32(buffer[:position]) if checksums else 0)
    if first is None or not isinstance(first[0], Header):
        raise MalformedError("no whole header: nothing was recorded in it yet")
    if first[0].log_schema != schema:
        raise MalformedError(f"a file of {schema} with a header of {first[0].log_schema}")
    return first[0], position, first[1]


def _parse_preamble(buffer: memoryview) -> tuple[str, int] | None:
    """Return the schema and where the header's record starts; None when the file was not written by us."""
    if bytes(buffer[: len(MAGIC)]) != MAGIC:
        return None
    found = parse_chunk(buffer, len(MAGIC))
    if found is None or found[0].tag is not Tag.FILE_HEADER:
        return None
    named = re.search(rb"<log_schema>([^<]*)</log_schema>", found[0].content)
    if named is None:
        return None
    schema = named[1].decode("utf-8", "replace")
    if schema not in _SCHEMAS:
        raise MalformedError(f"{schema} is another version of the log than {' and '.join(_SCHEMAS)}; read it with the version of rlhb that wrote it")
    position = found[1]
    for number in (EEG_STREAM, INDEX_STREAM, LOG_STREAM):
        found = parse_chunk(buffer, position)
        if found is None or found[0].tag is not Tag.STREAM_HEADER or found[0].stream != number:
            raise MalformedError(f"a file header without the header of stream {number}")
        position = found[1]
    return schema, position


def parse_record(buffer: memoryview, position: int, n_channels: int, checksums: bool, before: int = 0) -> tuple[Record | None, int] | None:
    """Read the record that starts at a position.

    Parameters
    ----------
    buffer : memoryview
    position : int
    n_channels : int
        Channels of stream 1.
    checksums : bool
        `has_checksums` of the log.
    before : int
        Of the header only: checksum of the bytes before it.

    Returns
    -------
    tuple or None
        The record and the position after its last chunk; no record where a chunk stands that belongs to none (boundary, clock offset,
        footer). None when the buffer ends before.

    Raises
    ------
    MalformedError
        No record starts here, or one that is not as it was written.
    """
    found = parse_chunk(buffer, position)
    if found is None:
        return None
    chunk, position = found
    if chunk.tag in (Tag.BOUNDARY, Tag.CLOCK_OFFSET, Tag.STREAM_FOOTER):
        return None, position
    if chunk.tag is Tag.SAMPLES and chunk.stream == LOG_STREAM:
        line, stamp_s = parse_text_sample(chunk.content)
        try:
            return from_json_line(unseal(line, stamp_s, before) if checksums else line), position
        except RecordError as error:
            raise MalformedError(str(error)) from error
    if chunk.tag is Tag.SAMPLES and chunk.stream == EEG_STREAM:
        index = parse_chunk(buffer, position)
        return None if index is None else (_eeg_record(chunk, index[0], n_channels, checksums), index[1])
    raise MalformedError(f"a chunk {chunk.tag.name} of stream {chunk.stream} where a record should start")


def _eeg_record(eeg: XdfChunk, index: XdfChunk, n_channels: int, checksums: bool) -> Chunk:
    if index.tag is not Tag.SAMPLES or index.stream != INDEX_STREAM:
        raise MalformedError("samples without their row of the index")
    samples, time_lsl_s = parse_numeric_samples(eeg.content, n_channels, _EEG_DTYPE)
    row, row_time_lsl_s = parse_index_row(index.content, len(_index_channels(checksums)))
    ordinal, sample_index, n_samples = row[:3]
    if row_time_lsl_s != time_lsl_s or n_samples != samples.shape[0]:
        raise MalformedError("samples that do not fit their row of the index")
    if checksums and row[3] != chunk_crc32(eeg.content, ordinal, sample_index, n_samples):
        raise MalformedError(f"samples whose checksum is not {row[3]:08x}, as it was when written")
    samples.flags.writeable = False
    return Chunk(ordinal=ordinal, sample_index=sample_index, time_lsl_s=time_lsl_s, samples=samples.astype(np.float32, copy=False))


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

    @property
    def checksums(self) -> bool:
        """Whether the log's records carry checksums; False before the header."""
        return self.header is not None and has_checksums(self.header)

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
