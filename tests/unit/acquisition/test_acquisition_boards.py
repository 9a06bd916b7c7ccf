"""Boards: BrainFlow's synthetic board for real, packet counters, recordings as boards."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquisition.board import BoardError
from acquisition.brainflow_board import BrainFlowBoard
from acquisition.markers import MarkerError, MarkerUse, check_markers, read_marker_map, use_of
from acquisition.replay_board import ReplayBoard, parse_speed
from acquisition.simulated_board import SimulatedSubjectBoard
from acquisition.simulated_subject import Faults, SimulatedSubject, SubjectKey
from hardware_profiles import HardwareProfile, load_profile
from messaging.words import EventType
from recordings.recording import RecordedEvent, Recording, Segment


async def test_the_synthetic_board_streams_consecutive_samples():
    board = BrainFlowBoard(load_profile("brainflow_synthetic"))
    await board.start(100)
    try:
        chunks = []
        while sum(len(c.samples) for c in chunks) < 100:
            chunks += (await board.read()).chunks
    finally:
        await board.stop()
    assert chunks[0].first_index == 100
    for a, b in itertools.pairwise(chunks):
        assert b.first_index == a.first_index + len(a.samples)
        assert b.host_stamp_lsl_s >= a.host_stamp_lsl_s
    samples = np.concatenate([c.samples for c in chunks])
    assert samples.shape[1] == 16
    assert samples.dtype == np.float32
    assert (samples.std(axis=0) > 0.1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_rate_hz": 500}, "the board gives 250"),
        ({"channels": [{"name": f"x{k}"} for k in range(40)]}, "40 channels"),
        ({"driver": {"kind": "brainflow", "board_id": 987654}}, "knows no board 987654"),
    ],
)
def test_a_profile_that_the_board_contradicts_is_refused(change, words):
    fields = load_profile("brainflow_synthetic").model_dump() | change
    with pytest.raises(BoardError, match=words):
        BrainFlowBoard(HardwareProfile.model_validate(fields))


async def test_a_board_that_is_not_there_is_one_sentence():
    fields = load_profile("brainflow_synthetic").model_dump()
    channels = fields["channels"][:8]
    driver = {"kind": "brainflow", "board_id": 0, "serial_port": "/dev/does-not-exist", "timeout_s": 1}
    board = BrainFlowBoard(HardwareProfile.model_validate(fields | {"channels": channels, "driver": driver}))
    with pytest.raises(BoardError, match=r"cannot be opened.*port"):
        await board.start(0)


async def test_what_the_simulated_subjects_wires_lose_is_missing_and_the_rest_is_where_it_was():
    profile = load_profile("simulated_subject")
    whole = SimulatedSubject(profile, SubjectKey({}), 1, 1)
    lossy = SimulatedSubject(profile, SubjectKey({}), 1, 1, faults=Faults(loss_fraction=0.2, loss_burst_samples=3))
    board = SimulatedSubjectBoard(profile, lossy)
    await board.start(0)
    chunks = [c for _ in range(12) for c in (await board.read()).chunks]
    truth = whole.generate(chunks[-1].first_index + len(chunks[-1].samples))
    given = sum(len(c.samples) for c in chunks)
    assert 0.5 * len(truth) < given < len(truth)
    for c in chunks:
        assert c.samples.tobytes() == truth[c.first_index : c.first_index + len(c.samples)].tobytes()


def recording(segments=((0, 0, 100),), events=((10, "a"), (50, "b"), (99, "a"))):
    n = sum(s[2] for s in segments)
    samples = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Recording(
        path="rec.fif", sha256="00", sampling_rate_hz=250.0, channel_names=("Fz", "Cz"), channel_kinds=("eeg", "eeg"), samples=samples,
        segments=tuple(Segment(*s) for s in segments), events=tuple(RecordedEvent(o, d, 0.0) for o, d in events),
    )  # fmt: skip


async def play(board, from_index=0):
    await board.start(from_index)
    chunks, events = [], []
    while not (output := await board.read()).ended:
        chunks += output.chunks
        events += output.events
    return chunks, events


@given(n=st.integers(1, 120), begin=st.integers(0, 99))
async def test_a_replay_gives_every_sample_and_event_once_from_any_start(n, begin):
    source = recording(segments=((5, 0, 40), (60, 40, 60)), events=((10, "a"), (50, "b"), (119, "a")))
    chunks, events = await play(ReplayBoard(source, "s", math.inf, chunk_samples=n), begin)
    index = np.concatenate([np.arange(c.first_index, c.first_index + len(c.samples)) for c in chunks])
    rows = np.concatenate([c.samples for c in chunks])
    expected = np.array([i for i in [*range(40), *range(55, 115)] if i >= begin])
    assert index.tolist() == expected.tolist()
    assert rows.tobytes() == source.samples[[i if i < 40 else i - 15 for i in expected]].tobytes()
    assert [e.sample_index for e in events] == [5, 45, 114]
    assert len({e.event.event_id for e in events}) == 3


async def test_events_have_the_same_identity_at_every_speed_and_start():
    one = await play(ReplayBoard(recording(), "s", math.inf, chunk_samples=7), 0)
    other = await play(ReplayBoard(recording(), "s", math.inf, chunk_samples=50), 60)
    assert [e.event.event_id for e in one[1]] == [e.event.event_id for e in other[1]]


async def test_a_loop_goes_on_without_a_jump():
    board = ReplayBoard(recording(), "s", math.inf, loop=True, chunk_samples=30)
    await board.start(0)
    outputs = [await board.read() for _ in range(9)]
    ends = [(c.first_index, c.first_index + len(c.samples)) for o in outputs for c in o.chunks]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
    ids = [e.event.event_id for o in outputs for e in o.events if e.event.type is EventType.UNIT]
    assert len(ids) == len(set(ids)) == 6


def test_a_marker_map_says_what_is_decoded(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text('"token/error" = "unit"\nnoise = "ignore"\n')
    markers = read_marker_map(path)
    assert use_of("token/error", markers) is MarkerUse.UNIT
    assert use_of("other", markers) is MarkerUse.ANNOTATION
    assert use_of("other", None) is MarkerUse.UNIT
    assert use_of("BAD_ACQ_SKIP", None) is MarkerUse.ANNOTATION
    path.write_text('"token/error" = "word"\n')
    with pytest.raises(MarkerError, match=r"'word' is not one of unit, annotation, ignore"):
        read_marker_map(path)
    with pytest.raises(MarkerError, match="cannot be read"):
        read_marker_map(tmp_path / "none.toml")


def test_a_marker_that_the_recording_does_not_have_is_named():
    check_markers({"a": MarkerUse.UNIT}, recording())
    with pytest.raises(MarkerError, match=r"'aa'.*Its events: 'a', 'b'"):
        check_markers({"aa": MarkerUse.UNIT}, recording())


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf", ""])
def test_a_speed_that_is_none_is_refused(text):
    with pytest.raises(BoardError, match="positive number"):
        parse_speed(text)
    assert parse_speed("max") == math.inf
    assert parse_speed("10") == 10.0
