"""What may come at the same moment: a stop while the test current moves, two seeks before the next sample, a file refused and asked for again."""

import asyncio
import math

import pytest

from acquisition.impedance_run import ImpedanceRun
from acquisition.markers import MarkerUse
from acquisition.recorder import Recorder, RecorderError
from acquisition.replay_board import ReplayBoard
from hardware_profiles import load_profile
from messaging.lab import MeasureImpedance, SessionPlan
from messaging.words import EventType
from tests.reference.scripted_board import ScriptedBoard, short_recording

PLAN = SessionPlan(session_id="s", recording_id="s-1", subject="anna", protocol="token_rsvp", task="token_rsvp", prior=0.15)


class SlowLeadOff:
    """A board that takes its time to move the test current."""

    def __init__(self) -> None:
        self.profile = load_profile("openbci_cyton")
        self.current: str | None = None

    async def impedance_start(self, channel: str) -> None:
        await asyncio.sleep(0.02)
        self.current = channel

    async def impedance_stop(self) -> None:
        await asyncio.sleep(0.02)
        self.current = None


async def test_a_stop_while_the_test_current_moves_leaves_no_current():
    board, told = SlowLeadOff(), []

    async def tell(message):
        told.append(message)

    run = ImpedanceRun(board, tell)
    await run.command(MeasureImpedance())
    scripted = ScriptedBoard(profile=board.profile)
    await scripted.start(0)
    chunks = []
    while len(told) == 0:  # until the first channel's second is complete and the current is to move
        chunks = (await scripted.read()).chunks
        moving = asyncio.create_task(run.take(chunks))
        await asyncio.sleep(0.005)
        if told:
            await run.end()
        await moving
    assert board.current is None
    assert told[-1].measuring is None


@pytest.mark.parametrize("n_seeks", [1, 2, 3])
async def test_several_seeks_before_the_next_sample_break_off_what_one_would(tmp_path, n_seeks):
    board = ReplayBoard(short_recording(tmp_path), "s", math.inf, {"token/correct": MarkerUse.UNIT}, chunk_samples=10)
    await board.start(0)
    shown = []
    while len(shown) < 3:
        shown += (await board.read()).events
    for k in range(n_seeks):
        board.seek(1.0 + k)
    events = (await board.read()).events
    aborted = [e.event.presentation for e in events if e.event.type is EventType.TRIAL_ABORTED]
    assert aborted == [e.event.presentation for e in shown if e.event.type is EventType.UNIT][-2:]


def test_a_recording_refused_for_another_board_is_not_locked_for_the_right_one(tmp_path):
    Recorder(tmp_path, PLAN, ScriptedBoard()).close()
    for _ in range(2):
        with pytest.raises(RecorderError, match="the board differs"):
            Recorder(tmp_path, PLAN, ScriptedBoard(profile=load_profile("brainflow_synthetic")))
    Recorder(tmp_path, PLAN, ScriptedBoard()).close()
