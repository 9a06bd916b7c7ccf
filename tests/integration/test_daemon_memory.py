"""The daemon's memory is flat over an hour, simulated at speed."""

import gc
import math
import tracemalloc

from acquisition.plan import DaemonPlan
from acquisition.replay_board import ReplayBoard
from rlhb.commands.lab import replay_plan
from tests.reference.scripted_board import running, short_recording, until

RATE_HZ = 250


async def test_an_hour_of_samples_and_events_leaves_the_daemon_as_large_as_it_was_after_twenty_minutes(tmp_path, valkey):
    recording = short_recording(tmp_path, seconds=60)
    session = replay_plan(recording, "r1", None, 0.2)
    plan = DaemonPlan(tmp_path, "http://127.0.0.1:9", "t", valkey.url, own_session=session)
    board = ReplayBoard(recording, session.session_id, math.inf, loop=True)
    path = tmp_path / "recordings" / f"{session.recording_id}.xdf"

    def minutes_written() -> float:
        return path.stat().st_size / (60 * RATE_HZ * 8 * 4) if path.exists() else 0.0

    tracemalloc.start()
    try:
        async with running(plan, board):
            await until(lambda: minutes_written() > 20, timeout_s=120)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            await until(lambda: minutes_written() > 60, timeout_s=240)
            gc.collect()
            after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # 40 minutes of samples are 19 MB; what may stay is the identity of each of the 4,760 events
    assert after - before < 3_000_000
