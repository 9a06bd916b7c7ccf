"""`rlhb profiles check --live` against boards that run: BrainFlow's synthetic one, a Cyton on a serial port, LSL streams of another process."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from acquisition.emulator.serial_cyton import SerialCyton
from acquisition.emulator.signals import PlayedSignal
from hardware_profiles import load_profile
from rlhb.commands.profiles import with_settings
from rlhb.live_check import Verdict, judge_live, measure_live, open_board
from tests.reference.lsl_outlet_process import isolate_lsl

SECONDS = 4
OUTLETS = """
import sys, time, numpy as np, pylsl
def outlet(source, unit, factor):
    info = pylsl.StreamInfo("amplifier", "EEG", 4, 256, "float32", source)
    channels = info.desc().append_child("channels")
    for name in ("TP9", "AF7", "AF8", "TP10"):
        c = channels.append_child("channel"); c.append_child_value("label", name); c.append_child_value("unit", unit); c.append_child_value("type", "EEG")
    return pylsl.StreamOutlet(info, chunk_size=8), factor
outlets = [outlet("good", "microvolts", 1.0), outlet("volts-called-microvolts", "microvolts", 1e-6)]
rng, state, k, start = np.random.default_rng(1), np.zeros(4), 0, pylsl.local_clock()
sys.stdout.write("ready\\n"); sys.stdout.flush()
while True:
    rows = []
    for _ in range(8):
        state = 0.95 * state + rng.normal(size=4) * 5; rows.append(state)
    k += 8
    wait = start + k / 256 - pylsl.local_clock()
    if wait > 0: time.sleep(wait)
    for out, factor in outlets: out.push_chunk((np.array(rows) * factor).tolist(), start + (k - 1) / 256)
"""


def eeg(seconds, n, rate=250, uv=15.0):
    rng = np.random.default_rng(2)
    x = np.zeros((round(seconds * rate), n))
    for k in range(1, len(x)):
        x[k] = 0.95 * x[k - 1] + rng.normal(size=n)
    return x / x.std(axis=0) * uv


async def check(profile, seconds=SECONDS):
    found = await measure_live(open_board(profile), seconds, lambda _: None)
    return {f.what: f for f in judge_live(profile, found)}


def failed(findings):
    return {what for what, f in findings.items() if f.verdict is Verdict.FAIL}


def test_the_command_proves_brainflows_synthetic_board_and_says_so_in_json():
    command = [sys.executable, "-m", "rlhb", "profiles", "check", "brainflow_synthetic", "--live", "--seconds", str(SECONDS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    found = {f["what"]: f for f in answer["findings"]}
    assert answer["ok"]
    assert found["rate"]["value"] == pytest.approx(250, rel=0.005)
    assert found["loss"]["value"] == 0
    assert found["channels"]["value"] == 16
    assert "pkg_resources" not in done.stderr


def test_a_board_that_is_not_there_is_one_sentence_and_exit_status_1(tmp_path):
    path = tmp_path / "lab.toml"
    text = (Path(__file__).parents[2] / "hardware_profiles" / "openbci_cyton.toml").read_text()
    path.write_text(text.replace("/dev/ttyUSB0", str(tmp_path / "ttyNothing")))
    done = subprocess.run([sys.executable, "-m", "rlhb", "profiles", "check", str(path), "--live"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be opened" in done.stderr


async def test_cytons_are_told_apart_a_good_a_slow_and_a_lossy_one(tmp_path):
    signal = PlayedSignal(eeg(30, 8))
    with SerialCyton(tmp_path / "good", signal) as _, SerialCyton(tmp_path / "slow", signal) as slow, SerialCyton(tmp_path / "lossy", signal) as lossy:
        slow.faults.speed = 0.8
        lossy.faults.drop_fraction = 0.1
        profile = load_profile("openbci_cyton")
        found = await asyncio.gather(*(check(with_settings(profile, n, None, {"serial_port": str(tmp_path / n)})) for n in ("good", "slow", "lossy")))
    assert failed(found[0]) == set(), found[0]
    assert found[0]["unit"].verdict is Verdict.OK
    assert failed(found[1]) == {"rate"}, found[1]
    assert found[1]["rate"].value == pytest.approx(200, rel=0.02)
    assert failed(found[2]) == {"loss"}, found[2]
    assert found[2]["loss"].value == pytest.approx(0.1, abs=0.04)


async def test_lsl_streams_are_told_apart_a_good_one_and_one_in_volts_that_says_microvolts():
    isolate_lsl()
    with subprocess.Popen([sys.executable, "-c", OUTLETS], stdout=subprocess.PIPE, text=True) as outlets:
        try:
            assert outlets.stdout.readline() == "ready\n"
            profile = load_profile("muse_lsl")
            found = await asyncio.gather(*(check(with_settings(profile, "lab", None, {"source_id": s})) for s in ("good", "volts-called-microvolts")))
        finally:
            outlets.kill()
    assert failed(found[0]) == set(), found[0]
    assert found[0]["rate"].value == pytest.approx(256, rel=0.005)
    assert found[0]["unit"].verdict is Verdict.OK
    assert "unit" in failed(found[1]) or "channels" in failed(found[1]), found[1]
