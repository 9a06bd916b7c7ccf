"""What a person sees of a replay, and the keys that steer it: a progress bar on a terminal, log lines elsewhere."""

import asyncio
import contextlib
import logging
import math
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from enum import StrEnum

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from acquisition.replay_board import ReplayBoard

log = logging.getLogger(__name__)

STEP_S = 10.0
LOOK_EVERY_S = 0.25
LINE_EVERY_S = 60.0
TENTHS = 10


class Key(StrEnum):
    """What a key does."""

    PAUSE = "space"
    BACK = "left"
    FORWARD = "right"
    QUIT = "q"


_SEQUENCES = {b" ": Key.PAUSE, b"q": Key.QUIT, b"Q": Key.QUIT, b"\x1b[D": Key.BACK, b"\x1bOD": Key.BACK, b"\x1b[C": Key.FORWARD, b"\x1bOC": Key.FORWARD}


class Keys:
    """Keys out of a terminal's bytes, also when a sequence comes in two parts."""

    def __init__(self) -> None:
        self._rest = b""

    def receive(self, raw: bytes) -> list[Key]:
        """Take bytes, return the keys that they complete; others are passed over."""
        pending, found = self._rest + raw, []
        while pending:
            sequence = next((s for s in _SEQUENCES if pending.startswith(s)), None)
            if sequence is not None:
                found.append(_SEQUENCES[sequence])
                pending = pending[len(sequence) :]
            elif any(s.startswith(pending) for s in _SEQUENCES):
                break  # the rest of a sequence is still to come
            else:
                pending = pending[1:]
        self._rest = pending
        return found


def steer(board: ReplayBoard, key: Key) -> bool:
    """Do what a key says; returns whether the replay goes on."""
    position = board.position
    match key:
        case Key.QUIT:
            return False
        case Key.PAUSE:
            (board.resume if position.paused else board.pause)()
        case Key.BACK | Key.FORWARD:
            last_s = math.nextafter(position.duration_s, 0) - 0.5 / board.profile.sampling_rate_hz
            step = STEP_S if key is Key.FORWARD else -STEP_S
            board.seek(min(max(0.0, position.position_s + step), last_s))
    return True


def clock_text(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


class ReplayConsole:
    """Shows a replay and takes its keys.

    Parameters
    ----------
    board : ReplayBoard
    name : str
        File that is replayed.
    speed : float
    """

    def __init__(self, board: ReplayBoard, name: str, speed: float) -> None:
        self._board = board
        self._title = f"{name} at {'full speed' if math.isinf(speed) else f'{speed:g}x'}"
        self._quit = asyncio.Event()

    async def run(self) -> None:
        """Show the replay until cancelled, or until a person quits."""
        with self._reading_keys() as steered, self._shown(steered) as show:
            while not self._quit.is_set():
                show()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._quit.wait()

    @contextlib.contextmanager
    def _reading_keys(self) -> Iterator[bool]:
        """Read keys from the terminal, where there is one; its settings are put back at the end."""
        if not _has_keyboard():
            yield False
            return
        fd, keys, loop = sys.stdin.fileno(), Keys(), asyncio.get_running_loop()
        before = termios.tcgetattr(fd)

        def take() -> None:
            try:
                raw = os.read(fd, 64)
            except OSError:
                raw = b""
            if not raw:  # the terminal has gone
                loop.remove_reader(fd)
            for key in keys.receive(raw):
                if not steer(self._board, key):
                    self._quit.set()

        tty.setcbreak(fd)
        loop.add_reader(fd, take)
        try:
            yield True
        finally:
            loop.remove_reader(fd)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(fd, termios.TCSADRAIN, before)

    @contextlib.contextmanager
    def _shown(self, steered: bool) -> Iterator[Callable[[], None]]:
        console = Console(stderr=True)
        log.info("Replaying %s, %s long.", self._title, clock_text(self._board.position.duration_s))
        if not console.is_terminal:
            yield ProgressLines(self._title).show_of(self._board)
            return
        keys = "space pauses, ← → 10 s, q quits" if steered else ""
        with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TextColumn(keys), console=console) as bars:
            task = bars.add_task(self._title, total=self._board.position.duration_s, at="")

            def show() -> None:
                p = self._board.position
                at = f"{clock_text(p.position_s)} / {clock_text(p.duration_s)}{' paused' if p.paused else ''}"
                bars.update(task, completed=p.position_s, at=at)

            with _log_lines_above_the_bar():
                yield show


def _has_keyboard() -> bool:
    """Whether stdin is a terminal that is ours to set: a job in a shell's background would be stopped for trying."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal that governs nobody
        return True


@contextlib.contextmanager
def _log_lines_above_the_bar() -> Iterator[None]:
    """Let log lines go through the stream that the bar has put in stderr's place."""
    streams = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler) and not getattr(h.stream, "closed", False)]
    before = [h.setStream(sys.stderr) for h in streams]
    try:
        yield
    finally:
        for handler, stream in zip(streams, before, strict=True):
            if stream is not None:
                handler.setStream(stream)


class ProgressLines:
    """A line at every tenth of the recording, at every pause, and at least once a minute.

    Parameters
    ----------
    title : str
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._told: tuple[int, bool] | None = None
        self._told_s = 0.0

    def line(self, position_s: float, duration_s: float, paused: bool, now_s: float) -> str | None:
        """Return what is to be said now, None for nothing."""
        state = int(TENTHS * position_s / duration_s), paused
        if self._told is not None and state == self._told and now_s - self._told_s < LINE_EVERY_S:
            return None
        first, self._told, self._told_s = self._told is None, state, now_s
        where = f"{clock_text(position_s)} of {clock_text(duration_s)} ({100 * position_s / duration_s:.0f} %)"
        return None if first and not paused and position_s == 0 else f"{self._title}: {where}{', paused' if paused else ''}."

    def show_of(self, board: ReplayBoard) -> Callable[[], None]:
        """Return a function that logs what is to be said of a board."""

        def show() -> None:
            p = board.position
            line = self.line(p.position_s, p.duration_s, p.paused, asyncio.get_running_loop().time())
            if line is not None:
                log.info("%s", line)

        return show
