"""A Cyton that is pulled out, stalls, loses its power, sends garbage or is slow: noticed, named, and streaming again when it is back."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import numpy as np

from acquisition.board import BoardChunk, BoardError
from acquisition.brainflow_board import BrainFlowBoard
from acquisition.emulator.serial_cyton import SerialCyton
from tests.reference.emulated_cyton import GIVE_UP_S, cyton_profile

REOPEN_S = 0.3
SILENT_READS = 2
GENEROUS_S = 5.0
"""Asserted; what was measured is printed (pytest -s)."""


@dataclass
class Watch:
    """Reads a board as the daemon does, and notes what it sees and when (host clock)."""

    board: BrainFlowBoard
    chunks: list[BoardChunk] = field(default_factory=list)
    noticed: list[tuple[float, str]] = field(default_factory=list)
    streaming_s: float = 0.0
    """When the last samples came."""
    tries: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Read until cancelled."""
        silent = 0
        await self.board.start(0)
        while True:
            try:
                output = await self.board.read()
            except BoardError as error:
                self.noticed.append((time.monotonic(), str(error)))
                await self.reopen()
                continue
            if output.chunks:
                silent, self.streaming_s = 0, time.monotonic()
                self.chunks += output.chunks
                continue
            silent += 1
            self.noticed.append((time.monotonic(), "silent"))
            if silent >= SILENT_READS:
                await self.reopen()

    async def reopen(self) -> None:
        """Open again until it can be, from the number of now."""
        while True:
            try:
                await self.board.stop()
                last = self.chunks[-1]
                away_s = self.board.clock.now_lsl_s() - last.host_stamp_lsl_s
                await self.board.start(last.first_index + len(last.samples) + round(away_s * 250))
                return
            except BoardError as error:
                self.tries.append(str(error))
                await asyncio.sleep(REOPEN_S)

    @property
    def samples(self) -> int:
        """Samples read so far."""
        return sum(len(c.samples) for c in self.chunks)


@contextlib.asynccontextmanager
async def watched(tmp_path):
    """Give an emulated board that streams and is watched."""
    with SerialCyton(tmp_path / "port") as emulated:
        board = BrainFlowBoard(cyton_profile(tmp_path / "port"))
        watch = Watch(board)
        task = asyncio.create_task(watch.run())
        try:
            await until(lambda: watch.samples > 50, task)
            yield emulated, watch, task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await board.stop()


async def until(condition, task):
    """Wait until something is so."""
    deadline = time.monotonic() + GIVE_UP_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        if task.done():
            await task
        await asyncio.sleep(0.005)


async def noticed_after(watch, task, words, began):
    """Wait until a fault is named; returns the seconds since it began."""
    await until(lambda: any(words in said for at, said in watch.noticed if at >= began), task)
    return next(at for at, said in watch.noticed if at >= began and words in said) - began


async def streaming_after(watch, task, returned):
    """Wait for samples that came after a board's return; returns the seconds in between."""
    await until(lambda: watch.streaming_s > returned, task)
    return watch.streaming_s - returned


def assert_numbers_follow_time(watch):
    """Sample numbers grow as the host's stamps do, across all gaps."""
    first, last = watch.chunks[0], watch.chunks[-1]
    numbers = last.first_index + len(last.samples) - first.first_index - len(first.samples)
    seconds = last.host_stamp_lsl_s - first.host_stamp_lsl_s
    assert abs(numbers - 250 * seconds) < 50
    index = np.concatenate([np.arange(c.first_index, c.first_index + len(c.samples)) for c in watch.chunks])
    assert (np.diff(index) > 0).all()


async def test_a_dongle_that_is_pulled_out_is_named_and_streams_again_when_it_is_back(tmp_path):
    async with watched(tmp_path) as (emulated, watch, task):
        for turn in range(2):
            began = time.monotonic()
            emulated.unplug()
            noticed = await noticed_after(watch, task, "was unplugged", began)
            await until(lambda: any("is not there" in t for t in watch.tries), task)
            returned = time.monotonic()
            emulated.plug()
            back = await streaming_after(watch, task, returned)
            print(f"unplugged {turn}: noticed after {noticed:.3f} s, streaming {back:.3f} s after its return")
            assert noticed < GENEROUS_S
            assert back < GENEROUS_S
            watch.tries.clear()
        before = watch.samples
        await until(lambda: watch.samples > before + 100, task)
    assert_numbers_follow_time(watch)


async def test_a_dongle_that_is_pulled_out_and_put_back_at_once_streams_again(tmp_path):
    async with watched(tmp_path) as (emulated, watch, task):
        began = time.monotonic()
        emulated.unplug()
        emulated.plug()
        noticed = await noticed_after(watch, task, "was unplugged", began)
        back = await streaming_after(watch, task, began + noticed)
        print(f"unplugged and back at once: noticed after {noticed:.3f} s, streaming {noticed + back:.3f} s after it")
        assert back < GENEROUS_S
    assert_numbers_follow_time(watch)


async def test_a_stall_is_silence_within_a_second_and_its_gap_has_the_exact_length(tmp_path):
    async with watched(tmp_path) as (emulated, watch, task):
        began = time.monotonic()
        emulated.faults.stalled = True
        noticed = await noticed_after(watch, task, "silent", began)
        returned = time.monotonic()
        emulated.faults.stalled = False
        back = await streaming_after(watch, task, returned)
        print(f"stalled: noticed after {noticed:.3f} s, streaming {back:.3f} s after its return")
        before = watch.samples
        await until(lambda: watch.samples > before + 50, task)
    index = np.concatenate([np.arange(c.first_index, c.first_index + len(c.samples)) for c in watch.chunks])
    number = emulated.signal.number(np.concatenate([c.samples[:, -1] for c in watch.chunks]))
    assert index.tolist() == number.tolist()  # whatever a busy machine made of the stall's length
    assert np.diff(index).max() > 1
    assert noticed < GENEROUS_S
    assert back < GENEROUS_S


async def longest_pause(into):
    """Note the longest time for which the event loop stood still."""
    before = time.monotonic()
    while True:
        await asyncio.sleep(0.005)
        now = time.monotonic()
        into.append(max(now - before, into[-1] if into else 0.0))
        before = now


async def test_a_long_stall_ends_with_the_board_opened_again_while_the_event_loop_goes_on(tmp_path):
    pauses = []
    async with watched(tmp_path) as (emulated, watch, task):
        ticking = asyncio.create_task(longest_pause(pauses))
        emulated.faults.stalled = True
        await until(lambda: any("nothing answers" in t for t in watch.tries), task)
        returned = time.monotonic()
        emulated.faults.stalled = False
        back = await streaming_after(watch, task, returned)
        ticking.cancel()
        print(f"long stall: streaming {back:.3f} s after its return; longest pause of the event loop {pauses[-1]:.3f} s")
        assert back < GENEROUS_S
        assert pauses[-1] < 1.0  # opening the driver takes no time of anybody else
        before = watch.samples
        await until(lambda: watch.samples > before + 50, task)
    assert_numbers_follow_time(watch)


async def test_a_board_without_power_is_told_from_a_missing_dongle_and_streams_when_it_is_on(tmp_path):
    async with watched(tmp_path) as (emulated, watch, task):
        began = time.monotonic()
        emulated.power(False)
        noticed = await noticed_after(watch, task, "silent", began)
        await until(lambda: any("the board does not" in t for t in watch.tries), task)
        returned = time.monotonic()
        emulated.power(True)
        back = await streaming_after(watch, task, returned)
        print(f"power lost: noticed after {noticed:.3f} s, streaming {back:.3f} s after its return")
        assert noticed < GENEROUS_S
        assert back < GENEROUS_S
    assert_numbers_follow_time(watch)


async def test_nothing_but_garbage_is_silence_and_no_sample_of_it_is_believed_for_long(tmp_path):
    async with watched(tmp_path) as (emulated, watch, task):
        began, before = time.monotonic(), watch.samples
        emulated.faults.corrupt_fraction = 1.0
        await until(lambda: any(at >= began for at, _ in watch.noticed), task)
        noticed, believed = watch.noticed[-1][0] - began, watch.samples - before
        returned = time.monotonic()
        emulated.faults.corrupt_fraction = 0.0
        back = await streaming_after(watch, task, returned)
        print(f"garbage: noticed after {noticed:.3f} s ({believed} packets of it or before it believed), streaming {back:.3f} s after its end")
        before = watch.samples
        await until(lambda: watch.samples > before + 100, task)
        assert noticed < GENEROUS_S
        assert back < GENEROUS_S
    assert_numbers_follow_time(watch)
    number = emulated.signal.number(watch.chunks[-1].samples[:, -1])
    assert number[-1] - number[0] == len(number) - 1


async def test_a_slow_board_seems_to_lose_nothing_and_its_rate_shows(tmp_path):
    speed = 0.8
    with SerialCyton(tmp_path / "port") as emulated:
        emulated.faults.speed = speed
        watch = Watch(BrainFlowBoard(cyton_profile(tmp_path / "port")))
        task = asyncio.create_task(watch.run())
        await until(lambda: watch.samples > 250, task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await watch.board.stop()
    index = np.concatenate([np.arange(c.first_index, c.first_index + len(c.samples)) for c in watch.chunks])
    assert (np.diff(index) == 1).all()
    first, last = watch.chunks[0], watch.chunks[-1]
    rate = (index[-1] - first.first_index - len(first.samples) + 1) / (last.host_stamp_lsl_s - first.host_stamp_lsl_s)
    print(f"speed {speed}: {rate:.1f} Hz seen")
    assert abs(rate / 250 - speed) < 0.1
