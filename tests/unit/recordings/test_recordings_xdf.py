"""Chunks of the format, against the specification's bytes and against themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.xdf import (
    MalformedError,
    Tag,
    encode_chunk,
    encode_index_row,
    encode_length,
    encode_numeric_samples,
    encode_text_sample,
    parse_chunk,
    parse_index_row,
    parse_length,
    parse_numeric_samples,
    parse_text_sample,
)


def test_bytes_of_a_chunk_are_those_of_the_specification() -> None:
    """[NumLengthBytes][Length][Tag][StreamId][Content], little-endian; Length counts from the tag on."""
    assert encode_chunk(Tag.SAMPLES, b"\xaa", 2) == bytes([1, 7, 3, 0, 2, 0, 0, 0, 0xAA])
    assert encode_chunk(Tag.FILE_HEADER, b"<x/>") == bytes([1, 6, 1, 0]) + b"<x/>"


def test_bytes_of_samples_are_those_of_the_specification() -> None:
    """[NumSampleBytes][NumSamples] then per sample [TimeStampBytes 8 or 0][TimeStamp?][values]."""
    values = np.array([[1, -1], [2, 3]], dtype=np.int64)
    expected = bytes([1, 2, 8]) + np.float64(1.5).tobytes() + values[0].tobytes() + bytes([0]) + values[1].tobytes()
    assert encode_numeric_samples(values, 1.5) == expected


@pytest.mark.parametrize(("value", "n_bytes"), [(0, 2), (255, 2), (256, 5), (2**32 - 1, 5), (2**32, 9), (2**63, 9)])
def test_lengths_take_one_four_or_eight_bytes(value: int, n_bytes: int) -> None:
    raw = encode_length(value)
    assert len(raw) == n_bytes
    assert parse_length(memoryview(raw), 0) == (value, n_bytes)
    assert all(parse_length(memoryview(raw[:n]), 0) is None for n in range(n_bytes))


@given(st.sampled_from(Tag), st.binary(max_size=300))
def test_a_chunk_comes_back_and_every_prefix_waits(tag: Tag, content: bytes) -> None:
    stream = 7 if tag in (Tag.STREAM_HEADER, Tag.SAMPLES, Tag.CLOCK_OFFSET, Tag.STREAM_FOOTER) else None
    raw = encode_chunk(tag, content, stream)
    found = parse_chunk(memoryview(b"##" + raw + b"##"), 2)
    assert found is not None
    assert (found[0].tag, found[0].stream, bytes(found[0].content), found[1]) == (tag, stream, content, 2 + len(raw))
    assert all(parse_chunk(memoryview(raw[:n]), 0) is None for n in range(len(raw)))


@pytest.mark.parametrize(
    "raw", [b"\0" * 20, b"\x02" + b"\0" * 20, bytes([1, 1, 3]), bytes([1, 5, 9, 0, 0, 0, 0]), bytes([1, 4, 3, 0, 1, 0]), b"\x08" + b"\xff" * 8]
)
def test_what_can_never_become_a_chunk_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_chunk(memoryview(raw), 0)


def test_chunks_about_a_stream_need_its_number_and_others_have_none() -> None:
    with pytest.raises(ValueError, match="SAMPLES with stream None"):
        encode_chunk(Tag.SAMPLES, b"")
    with pytest.raises(ValueError, match="BOUNDARY with stream 1"):
        encode_chunk(Tag.BOUNDARY, b"", 1)


@given(st.integers(1, 300), st.integers(1, 5), st.floats(allow_nan=False), st.integers(0, 2**32))
def test_numeric_samples_come_back_bit_for_bit(n_samples: int, n_channels: int, stamp_s: float, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 256, (n_samples, 4 * n_channels), dtype=np.uint8)
    values, stamp = parse_numeric_samples(memoryview(encode_numeric_samples(bits.view(np.float32), stamp_s)), n_channels, np.dtype(np.float32))
    assert values.tobytes() == bits.tobytes()
    assert stamp == stamp_s


def test_samples_of_another_size_or_with_more_stamps_are_malformed() -> None:
    raw = bytearray(encode_numeric_samples(np.ones((3, 2), dtype=np.float32), 0.0))
    for wrong in (raw[:-1], raw + b"\0", b"", bytes([1, 0]), b"\x01\x04" + raw[2:]):
        with pytest.raises(MalformedError):
            parse_numeric_samples(memoryview(bytes(wrong)), 2, np.dtype(np.float32))
    raw[2 + 9 + 8] = 8  # the second sample's flag
    with pytest.raises(MalformedError, match="stamps elsewhere"):
        parse_numeric_samples(memoryview(raw), 2, np.dtype(np.float32))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=4), st.floats(allow_nan=False))
def test_a_row_of_the_index_is_one_stamped_sample_of_int64(values: list[int], stamp_s: float) -> None:
    raw = encode_index_row(values, stamp_s)
    assert raw == encode_numeric_samples(np.array([values], dtype=np.int64), stamp_s)
    assert parse_index_row(memoryview(raw), len(values)) == (tuple(values), stamp_s)
    for wrong in (raw[:-1], raw + b"\0", b"\1\2" + raw[2:], raw[:2] + b"\0" + raw[3:]):
        with pytest.raises(MalformedError, match="a row of the index"):
            parse_index_row(memoryview(wrong), len(values))


@given(st.text(max_size=400), st.floats(allow_nan=False))
def test_text_comes_back(text: str, stamp_s: float) -> None:
    raw = encode_text_sample(text, stamp_s)
    assert parse_text_sample(memoryview(raw)) == (text, stamp_s)
    for n in {0, 1, 2, 5, len(raw) - 1}:
        with pytest.raises(MalformedError):
            parse_text_sample(memoryview(raw[:n]))
