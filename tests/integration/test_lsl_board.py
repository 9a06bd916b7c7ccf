"""The LSL board against real outlets in another process."""

import asyncio
import contextlib

import numpy as np
import pytest

from acquisition.board import BoardError
from acquisition.lsl_board import LslBoard
from hardware_profiles import HardwareProfile
from messaging.clocks import ClockOffset
from tests.reference.lsl_outlet_process import OutletProcess

RATE = 250.0


@pytest.fixture(scope="module")
def outlets():
    process = OutletProcess()
    yield process
    process.kill()


def profile(n=8, rate=RATE, channels=None, **driver):
    channels = channels or [{"name": f"c{k}"} for k in range(n)]
    return HardwareProfile.model_validate(
        {"name": "p", "title": "Test amplifier", "driver": {"kind": "lsl", **driver}, "sampling_rate_hz": rate, "channels": channels}
    )


@contextlib.asynccontextmanager
async def connected(described, from_index=0):
    board = LslBoard(described)
    await board.start(from_index)
    try:
        yield board
    finally:
        await board.stop()


async def chunks_of(board, n):
    """Read until so many samples have come."""
    found = []
    while sum(len(c.samples) for c in found) < n:
        found += (await board.read()).chunks
    return found


async def read_on(board, taken):
    """Read until an error; silence before it fails, unless nothing is to be taken."""
    while True:
        output = await board.read()
        assert output.chunks or taken is None, "silence came before the loss was noticed"
        if taken is not None:
            taken += output.chunks


def flat(chunks):
    """Numbers given and what the samples carry."""
    numbers = np.concatenate([np.arange(c.first_index, c.first_index + len(c.samples)) for c in chunks])
    return numbers, np.concatenate([c.samples for c in chunks])


async def test_samples_come_whole_in_order_numbered_and_with_the_senders_time(outlets):
    begun = outlets.open("regular")["start_lsl_s"]
    async with connected(profile(source_id="regular"), from_index=100) as board:
        before = board.clock.now_lsl_s()
        chunks = await chunks_of(board, 200)
        numbers, samples = flat(chunks)
        assert numbers.tolist() == list(range(100, 100 + len(numbers)))
        assert samples.dtype == np.float32
        assert (np.diff(samples[:, 0]) == 1).all()
        assert (samples[:, 1:] == np.arange(1, 8) + 0.5).all()
        for c in chunks:
            assert c.host_stamp_lsl_s == pytest.approx(begun + float(c.samples[-1, 0]) / RATE, abs=1e-3)
        assert board.clock_sd_ms < 1.0
        assert any("in their order" in remark for remark in board.remarks)
        # Nothing that was sent before the board was ready is in it, except what was on its way.
        assert begun + float(samples[0, 0]) / RATE > before - 0.2


async def test_lost_samples_are_missing_numbers_and_jitter_is_not(outlets):
    outlets.open("lossy", drift_ppm=100, lost=[[600, 1], [640, 30], [700, 130]])
    outlets.open("jittery", jitter_ms=5)
    async with connected(profile(source_id="lossy")) as lossy, connected(profile(source_id="jittery")) as jittery:
        lossy_chunks, jittery_chunks = await asyncio.gather(chunks_of(lossy, 480), chunks_of(jittery, 480))
    numbers, samples = flat(lossy_chunks)
    assert np.diff(samples[:, 0]).max() > 120
    assert (numbers - numbers[0]).tolist() == (samples[:, 0] - samples[0, 0]).tolist()
    numbers, samples = flat(jittery_chunks)
    assert np.abs((numbers - numbers[0]) - (samples[:, 0] - samples[0, 0])).max() <= 15e-3 * RATE
    for key in ("lossy", "jittery"):
        outlets.close(key)


async def test_a_killed_sender_is_named_at_once_and_its_return_is_on_the_same_time():
    first = OutletProcess()
    begun = first.open("restart")["start_lsl_s"]
    board = LslBoard(profile(source_id="restart"))
    await board.start(0)
    old = await chunks_of(board, 100)
    first.kill()
    with pytest.raises(BoardError, match=r"'amp' on .* is gone. Start it again there"):
        await read_on(board, old)
    await board.stop()
    coming_back = asyncio.create_task(board.start(0))
    second = await asyncio.to_thread(OutletProcess)
    again = (await asyncio.to_thread(second.open, "restart"))["start_lsl_s"]
    await coming_back
    new = await chunks_of(board, 50)
    await board.stop()
    second.kill()
    number, value = new[0].first_index, float(new[0].samples[0, 0])
    assert value / RATE < 1.0, "more than a second of the new outlet was missed"
    elapsed_s = (again + value / RATE) - (begun + float(old[0].samples[0, 0]) / RATE)
    assert number - old[0].first_index == pytest.approx(elapsed_s * RATE, abs=1.01)
    assert number >= old[-1].first_index + len(old[-1].samples)
    for c in new:
        assert c.host_stamp_lsl_s == pytest.approx(again + float(c.samples[-1, 0]) / RATE, abs=1e-3)


async def test_a_silent_sender_is_an_empty_answer_and_its_successor_is_found(outlets):
    outlets.open("mute", mute_after=320)
    async with connected(profile(source_id="mute")) as board:
        last = []
        while output := (await board.read()).chunks:
            last = output
        outlets.open("successor", source_id="mute")
        with pytest.raises(BoardError, match="started anew"):
            await read_on(board, None)
        await board.stop()
        await board.start(0)
        chunks = await chunks_of(board, 50)
        assert chunks[0].first_index > last[-1].first_index + RATE / 2
    for key in ("mute", "successor"):
        outlets.close(key)


async def test_volts_become_microvolts_names_choose_columns_and_nan_stays_nan(outlets):
    outlets.open("volts", name="volts", n=3, unit="volts", labels=["A", "B", "C"], nan=[[330, 20]])
    described = profile(channels=[{"name": "C"}, {"name": "Fz", "input": "B"}], stream_name="volts", source_id="volts")
    async with connected(described) as board:
        samples = flat(await chunks_of(board, 200))[1]
    outlets.close("volts")
    assert (samples[:, 0] == np.float32(2.5e6)).all()
    assert np.isnan(samples[:, 1]).sum() == 20
    assert (samples[np.isfinite(samples[:, 1]), 1] == np.float32(1.5e6)).all()


@pytest.mark.parametrize(
    ("sent", "driver", "words"),
    [
        ({"unit": None}, {}, "states no unit"),
        ({"unit": "counts"}, {}, "no voltage"),
        ({"stated_rate": 500}, {}, "gives 500"),
        ({"text": True}, {}, "carries text"),
    ],
)
async def test_a_stream_that_cannot_be_used_is_refused_in_a_sentence(outlets, sent, driver, words):
    outlets.open("wrong", **sent)
    with pytest.raises(BoardError, match=words):
        await LslBoard(profile(source_id="wrong", **driver)).start(0)
    outlets.close("wrong")


async def test_stamps_of_another_clock_are_refused_in_a_sentence(outlets):
    outlets.open("unix", stamp_offset_s=1.7e9)
    async with connected(profile(source_id="unix")) as board:
        with pytest.raises(BoardError, match=r"1.7e\+09 s off the LSL clock.*local_clock"):
            await chunks_of(board, 1)
    outlets.close("unix")


async def test_none_and_several_streams_are_a_sentence_that_lists_them(outlets):
    outlets.open("one", name="twin", type="Twins")
    outlets.open("two", name="twin", type="Twins")
    with pytest.raises(BoardError, match=r"2 LSL streams have name 'twin'.*source id '(one|two)'.*source id '(one|two)'.*Name one"):
        await LslBoard(profile(stream_name="twin")).start(0)
    with pytest.raises(BoardError, match=r"no LSL stream with source id 'three'.*Streams seen:.*'twin'"):
        await LslBoard(profile(source_id="three", timeout_s=1)).start(0)
    for key in ("one", "two"):
        outlets.close(key)


async def test_sixty_four_channels_at_a_kilohertz_sent_one_by_one_lose_nothing(outlets):
    outlets.open("wide", n=64, rate=1000, chunk=1)
    async with connected(profile(n=64, rate=1000, source_id="wide")) as board:
        numbers, samples = flat(await chunks_of(board, 500))
    outlets.close("wide")
    assert numbers.tolist() == list(range(len(numbers)))
    assert (np.diff(samples[:, 0]) == 1).all()
    assert (samples[:, 1:] == np.arange(1, 64) + 0.5).all()


async def test_looking_for_a_stream_that_is_away_can_be_stopped(outlets):
    outlets.open("away")
    board = LslBoard(profile(source_id="away"))
    await board.start(0)
    await chunks_of(board, 10)
    outlets.close("away")
    with pytest.raises(BoardError, match="gone"):
        await read_on(board, [])
    await board.stop()
    looking = asyncio.create_task(board.start(0))
    await asyncio.sleep(0)
    await board.stop()
    with pytest.raises(BoardError, match="not come back"):
        await looking


async def test_a_senders_clock_that_was_set_anew_is_noticed_and_compared_again(outlets):
    begun = outlets.open("clock")["start_lsl_s"]
    async with connected(profile(source_id="clock")) as board:
        await chunks_of(board, 10)
        await board.stop()
        wrong = ClockOffset()
        wrong.add(10.0, 10.05, 10.05, 10.0001)
        board._known_clock = wrong  # as if the machine had been started anew since
        await board.start(0)
        with pytest.raises(BoardError, match="was set anew"):
            await read_on(board, None)
        await board.stop()
        await board.start(0)
        chunk = (await chunks_of(board, 1))[0]
        assert chunk.host_stamp_lsl_s == pytest.approx(begun + float(chunk.samples[-1, 0]) / RATE, abs=1e-3)
    outlets.close("clock")
