"""Records of the ordered log: what is encoded comes back, what is no record is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from messaging.lab import LabAlarm, LabQuality, LabUp
from messaging.records import Chunk, End, Event, LogOrder, RecordError, UnitShown, decode_record, encode_record, from_json_line, json_line
from messaging.words import EventType

shapes = st.tuples(st.integers(1, 40), st.integers(1, 8))


@given(
    samples=hnp.arrays(np.float32, shapes, elements=st.floats(width=32)), ordinal=st.integers(1, 2**62), index=st.integers(0, 2**62), time=st.floats(-1e9, 1e9)
)
def test_a_chunk_comes_back_bit_for_bit(samples, ordinal, index, time):
    chunk = Chunk(ordinal=ordinal, sample_index=index, time_lsl_s=time, samples=samples)
    back = decode_record(encode_record(chunk))
    assert isinstance(back, Chunk)
    assert (back.ordinal, back.sample_index, back.time_lsl_s) == (ordinal, index, time)
    assert back.samples.tobytes() == samples.tobytes()
    assert back.samples.shape == samples.shape


@given(text=st.text(min_size=1, max_size=40), index=st.integers(0, 1000))
def test_an_event_keeps_its_text_whatever_the_script(text, index):
    event = Event(ordinal=2, event_id="e", type=EventType.UNIT, session_id="s", onset_sample_index=2**53 + 1, unit=UnitShown(index=index, text=text))
    assert decode_record(encode_record(event)) == event
    assert from_json_line(json_line(event)) == event


@given(samples=hnp.arrays(np.float32, shapes), cut=st.integers(1, 60))
def test_a_chunk_cut_short_is_refused(samples, cut):
    raw = encode_record(Chunk(ordinal=1, sample_index=0, time_lsl_s=0.0, samples=samples))
    with pytest.raises(RecordError):
        decode_record(raw[: max(0, len(raw) - cut)])


@pytest.mark.parametrize("raw", [b"", b"X{}", b"E{}", b"E[1,2", b"H\xff", b"EEG1", b'Z{"ordinal": 1}'])
def test_what_is_no_record_is_refused_with_a_sentence(raw):
    with pytest.raises(RecordError, match=r"\w"):
        decode_record(raw)


def test_the_order_of_the_log_tells_a_repeated_record_from_a_missing_one():
    order = LogOrder()
    records = [End(ordinal=k, end_index=0, reason="") for k in (1, 2, 2, 1, 3)]
    assert [order.take(r) for r in records] == [True, True, False, False, True]
    with pytest.raises(RecordError, match="Record 5 follows 3"):
        order.take(End(ordinal=5, end_index=0, reason=""))


def test_a_daemon_without_a_session_is_understood():
    """Left-out nulls come back as nulls: an idle daemon's quality and alarms have no session."""
    for message in (LabQuality(channels=()), LabAlarm(what="bus_away", sentence="The bus is away.")):
        assert LabUp.validate_json(message.model_dump_json(exclude_none=True)) == message
