"""A board that delivers noise on time and notes when: the daemon under measurement runs in this process.

``python -m benchmarks.paced_board PLAN.json``: the plan holds ``data_dir, bus_url, n_channels, rate_hz, seconds, stamps``. At the end
``stamps`` (npz) holds the number of each chunk's last sample and the monotonic time at which the board had it.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np

from acquisition.board import BoardChunk, BoardOutput
from acquisition.daemon import Daemon
from acquisition.plan import DaemonPlan
from hardware_profiles.profile import Channel, Driver, HardwareProfile
from messaging.clocks import Clock, RealClock
from messaging.lab import SessionPlan
from messaging.records import UnitShown
from messaging.words import Source

CHUNK_SAMPLES = 8
RECORDING_ID = "bench"
NOISE_CHUNKS = 64


def make_profile(n_channels: int, rate_hz: float) -> HardwareProfile:
    """A board of so many EEG channels."""
    channels = tuple(Channel(name=f"E{i}") for i in range(n_channels))
    return HardwareProfile(name="paced", title="Paced board", driver=Driver(kind="simulated_subject"), sampling_rate_hz=rate_hz, channels=channels)


class PacedBoard:
    """Chunks of eight samples at their times."""

    source = Source.SIMULATED

    def __init__(self, profile: HardwareProfile, seconds: float) -> None:
        self.profile = profile
        self.clock: Clock = RealClock()
        self.last_samples: list[int] = []
        self.came_s: list[float] = []
        self.finished = asyncio.Event()
        self._n_chunks = int(seconds * profile.sampling_rate_hz / CHUNK_SAMPLES)
        shape = (NOISE_CHUNKS, CHUNK_SAMPLES, len(profile.channels))
        self._noise = np.random.default_rng(0).normal(0, 20, shape).astype(np.float32)
        self._began_s = 0.0

    async def start(self, from_index: int) -> None:
        """Begin to stream."""
        self._began_s = time.monotonic()

    async def read(self) -> BoardOutput:
        """Wait for the next chunk."""
        at = len(self.came_s)
        if at >= self._n_chunks:
            self.finished.set()
            await asyncio.sleep(1.0)
            return BoardOutput()
        due_s = self._began_s + (at + 1) * CHUNK_SAMPLES / self.profile.sampling_rate_hz
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        self.came_s.append(time.monotonic())
        self.last_samples.append((at + 1) * CHUNK_SAMPLES - 1)
        chunk = BoardChunk(at * CHUNK_SAMPLES, self._noise[at % NOISE_CHUNKS], self.clock.now_lsl_s())
        return BoardOutput(chunks=(chunk,))

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Noise sees nothing."""

    async def stop(self) -> None:
        """Nothing to release."""


async def _record(plan: dict[str, object]) -> None:
    board = PacedBoard(make_profile(int(str(plan["n_channels"])), float(str(plan["rate_hz"]))), float(str(plan["seconds"])))
    session = SessionPlan(session_id=RECORDING_ID, recording_id=RECORDING_ID, subject="nobody", protocol="bench", task="bench", prior=0.2)
    daemon_plan = DaemonPlan(
        data_dir=Path(str(plan["data_dir"])), server_url=str(plan["server_url"]), token="none", bus_url=str(plan["bus_url"]), own_session=session
    )
    running = asyncio.ensure_future(Daemon(daemon_plan, board).run())
    await asyncio.wait((running, asyncio.ensure_future(board.finished.wait())), return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.5)  # the last chunk is on its way
    if running.done():
        running.result()
    running.cancel()
    await asyncio.wait((running,))
    np.savez(str(plan["stamps"]), last_samples=board.last_samples, came_s=board.came_s)


if __name__ == "__main__":
    asyncio.run(_record(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
