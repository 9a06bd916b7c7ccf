"""Chunks of the Extensible Data Format, as bytes and back.

A file is the magic ``XDF:`` and then chunks ``[NumLengthBytes: 1, 4 or 8][Length][Tag: 2 bytes][Content]``, little-endian; Length
counts tag and content. Chunks about one stream start their content with the stream's number (4 bytes). Parsing is sans-IO: bytes
in, a chunk or None ("not all here yet") out; `MalformedError` means that more bytes would not help.

References
----------
https://github.com/sccn/xdf/wiki/Specifications
"""

import struct
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MAGIC = b"XDF:"
BOUNDARY = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")
"""Content of a boundary chunk: the specification's UUID, at which readers find the way again behind damage."""
MAX_CONTENT_BYTES = 96 * 1024 * 1024
"""A larger length is taken for damage: the largest record has 64 MiB of samples, plus one byte per sample."""
_LENGTH = {1: struct.Struct("<B"), 4: struct.Struct("<I"), 8: struct.Struct("<Q")}
_TAG = struct.Struct("<H")
_STREAM = struct.Struct("<I")
_STAMP = struct.Struct("<Bd")
_STAMPED, _UNSTAMPED = 8, 0
_ROWS = {n: struct.Struct(f"<BBBd{n}q") for n in (3, 4)}
"""One row of int64: width of the sample count, the count, width of the stamp, the stamp, the values."""


class MalformedError(Exception):
    """Bytes that cannot be the beginning of what was expected, however they go on."""


class Tag(IntEnum):
    """What a chunk holds."""

    FILE_HEADER = 1
    STREAM_HEADER = 2
    SAMPLES = 3
    CLOCK_OFFSET = 4
    BOUNDARY = 5
    STREAM_FOOTER = 6


_KNOWN = frozenset(Tag)
_ABOUT_A_STREAM = frozenset({Tag.STREAM_HEADER, Tag.SAMPLES, Tag.CLOCK_OFFSET, Tag.STREAM_FOOTER})


@dataclass(frozen=True, slots=True)
class XdfChunk:
    """One chunk of a file."""

    tag: Tag
    stream: int | None
    """Number of the stream; None for file header and boundary."""
    content: memoryview
    """What follows tag and stream number; a view of the parsed buffer."""


def encode_length(value: int) -> bytes:
    """Encode a variable-length integer: number of bytes, then the value."""
    width = 1 if value < 1 << 8 else 4 if value < 1 << 32 else 8
    return bytes((width,)) + _LENGTH[width].pack(value)


def parse_length(buffer: memoryview, position: int) -> tuple[int, int] | None:
    """Read a variable-length integer.

    Returns
    -------
    tuple of int or None
        Value and the position after it; None when the buffer ends before.

    Raises
    ------
    MalformedError
        The number of bytes is not 1, 4 or 8.
    """
    if position >= len(buffer):
        return None
    width = buffer[position]
    form = _LENGTH.get(width)
    if form is None:
        raise MalformedError(f"a length of {width} bytes (allowed: 1, 4, 8)")
    if position + 1 + width > len(buffer):
        return None
    return int(form.unpack_from(buffer, position + 1)[0]), position + 1 + width


def encode_chunk(tag: Tag, content: bytes, stream: int | None = None) -> bytes:
    """Encode one chunk; ``stream`` is given exactly for the tags that are about a stream."""
    if (stream is not None) != (tag in _ABOUT_A_STREAM):
        raise ValueError(f"Chunk {tag.name} with stream {stream}: only chunks about a stream have, and need, its number.")
    body = _TAG.pack(tag) + (b"" if stream is None else _STREAM.pack(stream)) + content
    return encode_length(len(body)) + body


def parse_chunk(buffer: memoryview, position: int) -> tuple[XdfChunk, int] | None:
    """Read the chunk that starts at a position.

    Returns
    -------
    tuple or None
        The chunk and the position after it; None when the buffer ends before the chunk does.

    Raises
    ------
    MalformedError
        No chunk starts here: impossible length, unknown tag.
    """
    found = parse_length(buffer, position)
    if found is None:
        return None
    length, start = found
    if not _TAG.size <= length <= MAX_CONTENT_BYTES:
        raise MalformedError(f"a chunk of {length} bytes (allowed: {_TAG.size} to {MAX_CONTENT_BYTES})")
    if start + _TAG.size <= len(buffer) and _TAG.unpack_from(buffer, start)[0] not in _KNOWN:
        raise MalformedError(f"a chunk with tag {_TAG.unpack_from(buffer, start)[0]} (known: 1 to 6)")
    end = start + length
    if end > len(buffer):
        return None
    tag = Tag(_TAG.unpack_from(buffer, start)[0])
    start += _TAG.size
    stream = None
    if tag in _ABOUT_A_STREAM:
        if end - start < _STREAM.size:
            raise MalformedError(f"a chunk {tag.name} of {length} bytes, too short for its stream's number")
        stream = int(_STREAM.unpack_from(buffer, start)[0])
        start += _STREAM.size
    return XdfChunk(tag, stream, buffer[start:end]), end


def encode_numeric_samples(values: NDArray[np.generic], stamp_s: float) -> bytes:
    """Encode the content of a samples chunk: the first sample stamped, the others without stamp (they follow at the nominal rate).

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_channels)
        In the stream's number format; written little-endian, bit for bit.
    stamp_s : float
        Time of the first sample, seconds.
    """
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    n_samples, row_bytes = little.shape[0], little.shape[1] * little.itemsize
    rows = np.empty((n_samples, 1 + row_bytes), dtype=np.uint8)
    rows[:, 0] = _UNSTAMPED
    rows[:, 1:] = little.view(np.uint8).reshape(n_samples, row_bytes)
    return encode_length(n_samples) + _STAMP.pack(_STAMPED, stamp_s) + rows.tobytes()[1:]


def parse_numeric_samples(content: memoryview, n_channels: int, dtype: np.dtype[np.generic]) -> tuple[NDArray[np.generic], float]:
    """Read what `encode_numeric_samples` wrote.

    Returns
    -------
    values : ndarray, shape (n_samples, n_channels)
        A copy, little-endian ``dtype``.
    stamp_s : float
        Time of the first sample, seconds.

    Raises
    ------
    MalformedError
        The content has another size, or stamps elsewhere than at the first sample.
    """
    found = parse_length(content, 0)
    if found is None:
        raise MalformedError("a samples chunk without a sample count")
    n_samples, position = found
    row_bytes = n_channels * dtype.itemsize
    if n_samples < 1 or len(content) - position != _STAMP.size - 1 + n_samples * (1 + row_bytes):
        raise MalformedError(f"a samples chunk of {len(content)} bytes that claims {n_samples} samples of {n_channels} channels")
    flag, stamp_s = _STAMP.unpack_from(content, position)
    first = position + _STAMP.size
    flags_and_rows = np.frombuffer(content, dtype=np.uint8, offset=first + row_bytes).reshape(n_samples - 1, 1 + row_bytes)
    if flag != _STAMPED or flags_and_rows[:, 0].any():
        raise MalformedError("a samples chunk with stamps elsewhere than at its first sample")
    values = np.empty((n_samples, row_bytes), dtype=np.uint8)
    values[0] = np.frombuffer(content, dtype=np.uint8, count=row_bytes, offset=first)
    values[1:] = flags_and_rows[:, 1:]
    return values.view(dtype.newbyteorder("<")), float(stamp_s)


def encode_index_row(values: Sequence[int], stamp_s: float) -> bytes:
    """Encode the content of a samples chunk that holds one stamped row of int64: what `encode_numeric_samples` gives, ten times as fast."""
    return _ROWS[len(values)].pack(1, 1, _STAMPED, stamp_s, *values)


def parse_index_row(content: memoryview, n_channels: int) -> tuple[tuple[int, ...], float]:
    """Read what `encode_index_row` wrote: the values and their time (seconds).

    Raises
    ------
    MalformedError
        The content is anything else.
    """
    form = _ROWS[n_channels]
    if len(content) != form.size:
        raise MalformedError(f"a row of the index of {len(content)} bytes instead of {form.size}")
    width, count, flag, stamp_s, *values = form.unpack(content)
    if (width, count, flag) != (1, 1, _STAMPED):
        raise MalformedError("a row of the index that is not one stamped sample")
    return tuple(values), stamp_s


def encode_text_sample(text: str, stamp_s: float) -> bytes:
    """Encode the content of a samples chunk that holds one stamped string."""
    raw = text.encode("utf-8")
    return encode_length(1) + _STAMP.pack(_STAMPED, stamp_s) + encode_length(len(raw)) + raw


def parse_text_sample(content: memoryview) -> tuple[str, float]:
    """Read what `encode_text_sample` wrote: the string and its time (seconds).

    Raises
    ------
    MalformedError
        The content is anything else.
    """
    found = parse_length(content, 0)
    if found is None or found[0] != 1 or len(content) < found[1] + _STAMP.size:
        raise MalformedError("a text chunk that does not hold one sample")
    flag, stamp_s = _STAMP.unpack_from(content, found[1])
    size = parse_length(content, found[1] + _STAMP.size)
    if flag != _STAMPED or size is None or size[1] + size[0] != len(content):
        raise MalformedError("a text chunk whose size does not fit its string")
    try:
        return bytes(content[size[1] :]).decode("utf-8"), float(stamp_s)
    except UnicodeDecodeError as error:
        raise MalformedError("a text chunk that is not UTF-8") from error


Field = tuple[str, "str | Sequence[Field]"]
"""An XML element: its name, and its text or the elements inside."""


def xml_document(fields: Sequence[Field]) -> bytes:
    """Build the ``<info>`` document of a header chunk; characters that XML cannot hold become ``?``."""
    root = ET.Element("info")
    _fill(root, fields)
    return b'<?xml version="1.0"?>' + ET.tostring(root, encoding="unicode").encode("utf-8")


def _fill(parent: ET.Element, fields: Sequence[Field]) -> None:
    for name, value in fields:
        child = ET.SubElement(parent, name)
        if isinstance(value, str):
            # XML 1.0 section 2.2 has no control characters, surrogates or U+FFFE/U+FFFF.
            child.text = "".join(c if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000" else "?" for c in value)
        else:
            _fill(child, value)
