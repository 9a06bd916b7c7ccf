"""What a person sees of a replay, and its keys."""

import asyncio
import io
import logging
import math
import os
import pty
import sys
import termios

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquisition.replay_board import ReplayBoard
from recordings.recording import Recording, Segment
from rlhb.replay_console import Key, Keys, ProgressLines, ReplayConsole, clock_text, steer

PRESSED = {Key.PAUSE: b" ", Key.QUIT: b"q", Key.BACK: b"\x1b[D", Key.FORWARD: b"\x1b[C"}


def board(seconds=60.0, speed=1.0):
    n = int(seconds * 250)
    recording = Recording(
        path="rec.fif", sha256="00", sampling_rate_hz=250.0, channel_names=("Cz",), channel_kinds=("eeg",), samples=np.zeros((n, 1), dtype=np.float32),
        segments=(Segment(0, 0, n),), events=(),
    )  # fmt: skip
    return ReplayBoard(recording, "s", speed)


@given(st.lists(st.sampled_from(Key), max_size=20), st.data())
def test_keys_are_understood_however_the_terminal_cuts_them(keys, data):
    raw, decoder, found = b"".join(PRESSED[k] for k in keys), Keys(), []
    while raw:
        n = data.draw(st.integers(1, len(raw)))
        found += decoder.receive(raw[:n])
        raw = raw[n:]
    assert found == keys


def test_other_keys_do_nothing():
    keys = Keys()
    assert keys.receive("xyz\x1b[A\x1b[5~ä\n".encode()) == []
    assert keys.receive(b"\x1b") == []
    assert keys.receive(b"[C q") == [Key.FORWARD, Key.PAUSE, Key.QUIT]


def test_keys_steer_the_replay_within_the_recording():
    replayed = board()
    assert steer(replayed, Key.PAUSE)
    assert replayed.position.paused
    places = []
    for key in (Key.FORWARD, Key.FORWARD, Key.BACK, Key.BACK, Key.BACK, *[Key.FORWARD] * 8):
        assert steer(replayed, key)
        places.append(round(replayed.position.position_s, 1))
    assert places == [10, 20, 10, 0, 0, 10, 20, 30, 40, 50, 60, 60, 60]
    assert replayed.position.position_s < replayed.position.duration_s
    assert steer(replayed, Key.PAUSE)
    assert not replayed.position.paused
    assert not steer(replayed, Key.QUIT)


def test_lines_come_at_every_tenth_and_once_a_minute():
    lines = ProgressLines("rec.fif at 10x")
    said = [lines.line(s, 600.0, s == 100, float(s)) for s in range(600)]
    assert said[60] == "rec.fif at 10x: 1:00 of 10:00 (10 %)."
    assert said[100] == "rec.fif at 10x: 1:40 of 10:00 (17 %), paused."
    assert sum(line is not None for line in said) == 9 + 2
    slow = ProgressLines("rec.fif")
    assert sum(slow.line(0.01 * s, 600.0, False, float(s)) is not None for s in range(300)) == 4


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.9, "1:01"), (3599, "59:59"), (3725, "1:02:05")])
def test_times_read_as_people_write_them(seconds, text):
    assert clock_text(seconds) == text


async def test_without_a_terminal_the_log_says_file_speed_and_length(caplog):
    caplog.set_level(logging.INFO)
    console = asyncio.create_task(ReplayConsole(board(), "rec.fif", math.inf).run())
    await asyncio.wait([console], timeout=0.1)
    console.cancel()
    assert "Replaying rec.fif at full speed, 1:00 long." in caplog.text


@pytest.fixture
def handler_whose_stream_is_closed():
    """What a program leaves in the root logger that logged to a stream which ended before it."""
    stream = io.TextIOWrapper(io.BytesIO())
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    stream.close()
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.mark.usefixtures("handler_whose_stream_is_closed")
async def test_on_a_terminal_keys_work_a_bar_is_shown_and_the_terminal_is_left_as_it_was(monkeypatch):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs, "r", closefd=False))
    monkeypatch.setattr(sys, "stderr", os.fdopen(theirs, "w", buffering=1, closefd=False))
    monkeypatch.setenv("TERM", "xterm")
    replayed = board()
    console = asyncio.create_task(ReplayConsole(replayed, "rec.fif", 2.0).run())
    shown = bytearray()
    asyncio.get_running_loop().add_reader(ours, lambda: shown.extend(os.read(ours, 65536)))

    async def until(condition):
        async with asyncio.timeout(20):
            while not condition():
                assert not console.done(), console.exception()
                await asyncio.sleep(0.01)

    await until(lambda: b"q quits" in shown)
    assert b"rec.fif at 2x" in shown
    os.write(ours, b" ")
    await until(lambda: replayed.position.paused)
    os.write(ours, b"\x1b[C")
    await until(lambda: replayed.position.position_s == pytest.approx(10))
    await until(lambda: b"0:10 / 1:00 paused" in shown)
    os.write(ours, b"q")
    async with asyncio.timeout(20):
        await console
    assert termios.tcgetattr(theirs) == before
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    os.close(theirs)
