"""`rlhb emulate cyton`: a serial port that a board opens, and sentences for wrong options."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from acquisition.brainflow_board import BrainFlowBoard
from rlhb.commands.emulate import _eeg, cyton
from rlhb.errors import CommandError
from rlhb.recording_quality import QualityError
from tests.reference.emulated_cyton import cyton_profile, read_samples

COMMAND = [sys.executable, "-m", "rlhb", "emulate", "cyton"]


async def test_the_printed_port_is_a_board_that_streams_until_the_command_ends(tmp_path):
    emulated = subprocess.Popen([*COMMAND, "--daisy", "--drop", "0.01"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = Path(emulated.stdout.readline().strip())
        board = BrainFlowBoard(cyton_profile(port, daisy=True))
        await board.start(0)
        chunks = await read_samples(board, 50)
        await board.stop()
        emulated.send_signal(signal.SIGINT)
        _, complaints = emulated.communicate(timeout=20)
    finally:
        emulated.kill()
        emulated.wait()
    assert chunks[0].samples.shape[1] == 16
    assert emulated.returncode == 0
    assert complaints == ""
    assert not port.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kohm": "1,2"}, "--kohm is '1,2'; give one number, or 8"),
        ({"kohm": "-1"}, "all 0 or above"),
        ({"stall": "x"}, "--stall is 'x'; give two numbers"),
        ({"power": "5,0"}, "above 0"),
        ({"port": Path("/nowhere/port")}, "cannot be made"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, words):
    plain = {"daisy": False, "recording": None, "port": None, "kohm": "10", "unplug": None, "stall": None, "power": None, "seed": 1}
    numbers = {"drop": 0.0, "noise": 0.0, "corrupt": 0.0, "speed": 1.0, "burst": 1}
    with pytest.raises(CommandError, match=words):
        cyton(**(plain | numbers | options))


def test_a_recording_that_cannot_be_eeg_is_not_played_unless_accepted(recordings_dir):
    (bad,) = (recordings_dir / "openbci_lowquality_p300").rglob("*.vhdr")
    with pytest.raises(QualityError, match="--accept-quality"):
        _eeg(bad, 8, 250, accept=False)
    assert _eeg(bad, 8, 250, accept=True).shape[1] == 8
