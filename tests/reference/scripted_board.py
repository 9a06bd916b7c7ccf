"""A recording and a live board that a test makes up, and a daemon that runs beside the test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acquisition.board import BoardChunk, BoardError, BoardOutput
from acquisition.daemon import Daemon
from acquisition.plan import DaemonPlan
from hardware_profiles import HardwareProfile, load_profile
from messaging.clocks import RealClock
from messaging.records import UnitShown
from messaging.words import Source
from recordings.recording import RecordedEvent, Recording, Segment

N = 8


def short_recording(folder: Path, seconds: float = 4.0, rate_hz: float = 250.0) -> Recording:
    """Eight channels of noise with a token event each half second."""
    n = int(seconds * rate_hz)
    samples = np.random.default_rng(1).normal(0, 10, (n, 8)).astype(np.float32)
    events = tuple(RecordedEvent(int(k * rate_hz / 2) + 10, "token/correct", 0.0) for k in range(int(seconds * 2) - 1))
    names = ("Fz", "FCz", "Cz", "CPz", "Pz", "P3", "P4", "Oz")
    return Recording(
        path=folder / "short.fif",
        sha256="ab" * 32,
        sampling_rate_hz=rate_hz,
        channel_names=names,
        channel_kinds=("eeg",) * 8,
        samples=samples,
        segments=(Segment(0, 0, n),),
        events=events,
        remarks=(),
    )


@dataclass
class ScriptedBoard:
    """A live board in real time that fails when the test says so: `fault` is ``None``, ``"silent"`` or ``"gone"``."""

    profile: HardwareProfile = field(default_factory=lambda: load_profile("simulated_subject"))
    source: Source = Source.LIVE
    clock: RealClock = field(default_factory=RealClock)
    fault: str | None = None
    opened: int = 0
    index: int = 0
    began_lsl_s: float = 0.0
    silent_s: float = 0.05

    async def start(self, from_index: int) -> None:
        if self.fault == "gone":
            raise BoardError("The scripted board is unplugged. Plug it in.")
        self.opened += 1
        self.index = from_index
        self.began_lsl_s = self.clock.now_lsl_s() - from_index / self.profile.sampling_rate_hz

    async def read(self) -> BoardOutput:
        if self.fault == "gone":
            raise BoardError("The scripted board is unplugged. Plug it in.")
        if self.fault == "silent":
            await asyncio.sleep(self.silent_s)
            return BoardOutput()
        rate = self.profile.sampling_rate_hz
        due = self.began_lsl_s + (self.index + N) / rate
        await asyncio.sleep(max(0.0, due - self.clock.now_lsl_s()))
        samples = np.full((N, len(self.profile.channels)), self.index, dtype=np.float32)
        chunk = BoardChunk(first_index=self.index, samples=samples, host_stamp_lsl_s=self.clock.now_lsl_s())
        self.index += N
        return BoardOutput(chunks=(chunk,))

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None: ...

    async def stop(self) -> None: ...


@contextlib.asynccontextmanager
async def running(plan: DaemonPlan, board: object) -> AsyncIterator[asyncio.Task[None]]:
    """Run a daemon beside the test; ended as SIGTERM ends it."""
    task = asyncio.create_task(Daemon(plan, board).run())  # type: ignore[arg-type]
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
