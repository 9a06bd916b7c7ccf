"""A replay is faithful: in time, at any speed, through pauses, seeks, laps and restarts."""

import asyncio
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquisition.board import BoardError
from acquisition.recorder import Recorder
from acquisition.replay_board import BROKEN_OFF_S, ReplayBoard
from acquisition.replay_course import legs_of, recorded_legs
from decoders.online import OnlineDecoder
from messaging.clocks import RealClock
from messaging.lab import SessionPlan
from messaging.records import Chunk, DecoderRef, Event
from messaging.words import EventType
from recordings.log import read_log
from recordings.recording import RecordedEvent, Recording, Segment
from tests.reference.decoder_logs import NAMES, fitted

RATE = 250.0
PLAN = SessionPlan(session_id="s", recording_id="r", subject="anna", protocol="replay", task="token_rsvp", prior=0.2)


def recording(n=1000, onsets=(10, 300, 600, 990), gap=None, seed=0):
    """Noise on four channels with events; the gap (from, to) counts in time and takes no rows."""
    samples = np.random.default_rng(seed).normal(0, 10, (n, 4)).astype(np.float32)
    segments = (Segment(0, 0, n),) if gap is None else (Segment(0, 0, gap[0]), Segment(gap[1], gap[0], n - gap[0]))
    events = tuple(RecordedEvent(o, f"e{k}", 0.0) for k, o in enumerate(onsets))
    return Recording(
        path="rec.fif", sha256="00", sampling_rate_hz=RATE, channel_names=NAMES, channel_kinds=("eeg",) * 4, samples=samples, segments=segments, events=events,
    )  # fmt: skip


def record(folder, board):
    return Recorder(folder, PLAN, board)


async def play(board, recorder, reads=None):
    """Play into a recorder: to the end, or so many reads."""
    for _ in range(reads or 10**6):
        output = await board.read()
        for chunk in output.chunks:
            recorder.samples(chunk)
        for event in output.events:
            recorder.placed(event)
        if output.ended:
            recorder.finish("over")
            break
    return output


def logged(recorder):
    records = list(read_log(recorder.path))
    assert [r.ordinal for r in records] == list(range(1, len(records) + 1))
    chunks = [r for r in records if isinstance(r, Chunk)]
    return chunks, [r for r in records if isinstance(r, Event)]


def at_samples(chunks):
    """Sample number of the stream -> its samples; each once."""
    rows = {}
    for c in chunks:
        for k in range(c.n_samples):
            assert rows.setdefault(c.sample_index + k, c.samples[k].tobytes()) == c.samples[k].tobytes()
    return rows


async def test_in_real_time_the_rate_is_right_to_a_thousandth_and_no_sample_is_of_the_future():
    clock, board = RealClock(), ReplayBoard(recording(750, ()), "s", 1.0)
    await board.start(0)
    begun, stamps = clock.now_lsl_s(), []
    while not (output := await board.read()).ended:
        for chunk in output.chunks:
            end = chunk.first_index + len(chunk.samples)
            assert chunk.host_stamp_lsl_s <= clock.now_lsl_s()
            stamps.append((end - 1, chunk.host_stamp_lsl_s))
    index, stamp = np.array(stamps).T
    rate = 1 / np.polyfit(index, stamp, 1)[0]
    assert rate == pytest.approx(RATE, rel=1e-3)
    assert clock.now_lsl_s() - begun >= 750 / RATE


@pytest.mark.parametrize("gap", [None, (500, 560)])
async def test_any_speed_gives_the_labels_of_1x_bit_for_bit(tmp_path, gap):
    """1x against the host's clock, 50x and max against stream time: the same log but for its times, so the same llr."""
    found = {}
    for speed in (1.0, 50.0, math.inf):
        board = ReplayBoard(recording(560, (60, 200, 280, 400), gap), "s", speed)
        recorder = record(tmp_path / str(speed), board)
        await board.start(0)
        await play(board, recorder)
        online = OnlineDecoder(lambda _: fitted())
        recorder.path.rename(tmp_path / f"{speed}.xdf")
        records = list(read_log(tmp_path / f"{speed}.xdf"))
        chosen = Event(ordinal=2, event_id="d", type=EventType.DECODER, session_id="s", onset_sample_index=0, decoder=DecoderRef(name="hand", version=1))
        rewards = list(online.receive(records[0])) + list(online.receive(chosen))
        for r in records[1:]:
            moved = Chunk(r.ordinal + 1, r.sample_index, r.time_lsl_s, r.samples) if isinstance(r, Chunk) else r.model_copy(update={"ordinal": r.ordinal + 1})
            rewards += online.receive(moved)
        found[speed] = [(r.label_id, r.llr, r.sample_index) for r in rewards]
    assert len(found[1.0]) == 4
    assert sum(llr is not None for _, llr, _ in found[1.0]) >= 1
    assert found[1.0] == found[50.0] == found[math.inf]


@settings(max_examples=40)
@given(
    chunk=st.integers(1, 200), loop=st.booleans(), gap=st.sampled_from([None, (200, 260)]),
    steps=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 399)), max_size=6), after=st.integers(0, 12),
)  # fmt: skip
async def test_after_any_seeks_and_laps_the_log_says_where_every_sample_comes_from(tmp_path_factory, chunk, loop, gap, steps, after):
    source = recording(400 - (60 if gap else 0), (10, 150, 330), gap)
    board = ReplayBoard(source, "s", math.inf, loop=loop, chunk_samples=chunk)
    recorder = record(tmp_path_factory.mktemp("seek"), board)
    await board.start(0)
    for reads, at in steps:
        if reads:
            await play(board, recorder, reads)
            if recorder.path.exists() and any(r.__class__.__name__ == "End" for r in read_log(recorder.path)):
                return
        board.seek(at / RATE)
    if after:
        await play(board, recorder, after)
    chunks, events = logged(recorder)
    legs = [(0, 0), *((leg.start, leg.at) for leg in legs_of(events))]
    for index, samples in at_samples(chunks).items():
        start, at = [leg for leg in legs if leg[0] <= index][-1]
        row = source.row(at + index - start)
        assert row is not None
        assert source.samples[row].tobytes() == samples
    if gap is None:
        assert all(a.end_index == b.sample_index for a, b in itertools.pairwise(chunks)), "the index goes on"
    for event in events:
        if event.type is EventType.UNIT:
            start, at = [leg for leg in legs if leg[0] <= event.onset_sample_index][-1]
            assert at + event.onset_sample_index - start == source.events[int(event.unit.text[1:])].onset_sample
    assert len({e.event_id for e in events}) == len(events)
    places = [at for _, at in legs]
    assert all(p in (0, *(at for _, at in steps)) for p in places)


async def test_a_seek_breaks_off_the_units_whose_windows_it_cuts(tmp_path):
    board = ReplayBoard(recording(), "s", math.inf, chunk_samples=10)
    recorder = record(tmp_path, board)
    await board.start(0)
    await play(board, recorder, 62)
    board.seek(3.5)
    await play(board, recorder)
    _, events = logged(recorder)
    units = {e.presentation: e.onset_sample_index for e in events if e.type is EventType.UNIT}
    broken = [units[e.presentation] for e in events if e.type is EventType.TRIAL_ABORTED]
    assert broken == [600]
    assert 620 - 600 < BROKEN_OFF_S * RATE < 620 - 300
    assert [e.text for e in events if e.type is EventType.ANNOTATION] == ["replay at 3.500 s, sample 875, leg 1"]
    assert max(units.values()) == 620 + 990 - 875


@settings(max_examples=25)
@given(chunk=st.integers(1, 150), before=st.integers(1, 12), at=st.integers(0, 399), then=st.integers(0, 8), loop=st.booleans())
async def test_a_replay_that_was_killed_goes_on_where_it_was_also_after_a_seek(tmp_path_factory, chunk, before, at, then, loop):
    """The log of an interrupted replay, continued by a new process, is the log of one that was not."""
    folder = tmp_path_factory.mktemp("killed")

    async def run(name, kill):
        board = ReplayBoard(recording(400, (10, 150, 330)), "s", math.inf, loop=loop, chunk_samples=chunk)
        recorder = record(folder / name, board)
        await board.start(0)
        ended = (await play(board, recorder, before)).ended
        if not ended:
            board.seek(at / RATE)
            ended = then and (await play(board, recorder, then)).ended
        if kill and not ended:
            recorder.close()
            board = ReplayBoard(recording(400, (10, 150, 330)), "s", math.inf, loop=loop, chunk_samples=chunk)
            recorder = record(folder / name, board)
            board.restore(recorded_legs(recorder.path))
            await board.start(recorder.sequencer.next_index)
        if not ended:
            await play(board, recorder, 20)
        chunks, events = logged(recorder)
        return at_samples(chunks), [(e.event_id, e.onset_sample_index, e.text) for e in events]

    whole, killed = await run("whole", False), await run("killed", True)
    common = min(len(whole[0]), len(killed[0]))
    if then:  # else the seek had not reached the log, and is forgotten with the process
        assert list(whole[0].items())[:common] == list(killed[0].items())[:common]
        n = min(len(whole[1]), len(killed[1]))
        assert whole[1][:n] == killed[1][:n]


async def test_a_paused_replay_gives_nothing_and_then_goes_on_without_a_gap(tmp_path):
    clock, board = RealClock(), ReplayBoard(recording(200), "s", 1.0)
    recorder = record(tmp_path, board)
    await board.start(0)
    await play(board, recorder, 5)
    board.pause()
    assert board.position.paused
    index = recorder.sequencer.next_index
    reading = asyncio.create_task(board.read())
    done, _ = await asyncio.wait([reading], timeout=0.2)
    assert not done
    board.seek(0.4)
    said = await reading
    assert [e.event.type for e in said.events][-1] is EventType.ANNOTATION
    assert said.chunks == ()
    for event in said.events:
        recorder.placed(event)
    assert board.position.position_s == pytest.approx(0.4)
    resumed_at = clock.now_lsl_s()
    board.resume()
    output = await board.read()
    assert output.chunks[0].first_index == index
    assert output.chunks[0].host_stamp_lsl_s >= resumed_at
    recorder.samples(output.chunks[0])
    assert recorder.sequencer.lost_samples == 0
    assert recorder.sequencer.clock.time_at(index) >= resumed_at - 1 / RATE


async def test_a_pause_while_a_chunk_is_waited_for_holds_it_back():
    board = ReplayBoard(recording(100), "s", 0.1)
    await board.start(0)
    reading = asyncio.create_task(board.read())
    await asyncio.sleep(0)
    board.pause()
    done, _ = await asyncio.wait([reading], timeout=0.5)
    assert not done
    board.resume()
    assert (await reading).chunks[0].first_index == 0


async def test_a_paused_replay_says_so_about_once_a_second():
    board = ReplayBoard(recording(100), "s", 1.0)
    await board.start(0)
    board.pause()
    output = await board.read()
    assert (output.chunks, output.events, output.ended) == ((), (), False)


@pytest.mark.parametrize("position_s", [4.0, 1e9, -0.1, math.nan])
async def test_a_place_that_the_recording_does_not_have_is_refused(position_s):
    board = ReplayBoard(recording(), "s", math.inf)
    with pytest.raises(BoardError, match=r"has 0 to 4\.000 s"):
        board.seek(position_s)


async def test_the_place_is_known_after_days_of_laps():
    board = ReplayBoard(recording(100, (50,)), "s", math.inf, loop=True)
    await board.start(10**7 + 30)
    output = await board.read()
    output = await board.read()
    assert output.chunks[0].first_index == 10**7 + 30
    assert board.position.duration_s == 100 / RATE
