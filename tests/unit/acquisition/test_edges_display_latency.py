"""Display latency out of a recording: a simulated photodiode of known latency, recorded by the real recorder."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from acquisition.board import BoardChunk
from acquisition.display_latency import LatencyError, match_frames, measure_display_latency, two_modes
from acquisition.recorder import Recorder
from hardware_profiles.profile import OnsetEdges
from messaging.clocks import RealClock
from messaging.lab import SessionPlan
from messaging.records import ClockFit
from messaging.words import Source
from tests.reference.photodiode import photodiode_profile, unit

PLAN = SessionPlan(session_id="lit", recording_id="lit-1", subject="anna", protocol="token_rsvp", task="token_rsvp", prior=0.15)
START_S, SOA_S = 1000.0, 0.4


class Bench:
    """Board of the bench: only what a recorder asks of one."""

    source = Source.LIVE

    def __init__(self, **profile):
        self.profile = photodiode_profile(**profile)
        self.clock = RealClock()


def bench_recording(folder, latencies_ms, rate_hz=250.0, jitter_s=0.01, seed=0, **edges):
    """Units every 400 ms, each lit `latencies_ms[k]` after its frame (60 Hz backlight), 10 s of dark before; stamps come in bursts."""
    board, random = Bench(rate_hz=rate_hz, **edges), np.random.default_rng(seed)
    recorder = Recorder(folder, PLAN, board)
    frames = 12.0 + SOA_S * np.arange(len(latencies_ms))
    lit = [(f + ms / 1e3) for f, ms in zip(frames, latencies_ms, strict=True) if not np.isnan(ms)]
    n, told, chunk = int((frames[-1] + 2) * rate_hz), 0, 8
    t = np.arange(n * 20) / (rate_hz * 20)
    light = np.zeros(len(t))
    for begin in lit:
        on = slice(np.searchsorted(t, begin), np.searchsorted(t, begin + 0.15))
        light[on] = 1.0 - 0.3 * ((t[on] - begin) * 60 % 1.0 > 0.7)
    light = np.convolve(light, np.ones(20) / 20, "same")[::20] + random.normal(0, 0.01, n)
    for first in range(0, n - chunk, chunk):
        samples = np.zeros((chunk, 3), dtype=np.float32)
        samples[:, 2] = light[first : first + chunk]
        stamp = START_S + (first + chunk - 1) / rate_hz + random.uniform(0, jitter_s)
        recorder.samples(BoardChunk(first, samples, stamp))
        while told < len(frames) and frames[told] + 0.03 < (first + chunk) / rate_hz:
            recorder.event(unit(told, START_S + frames[told] - 500.0), ClockFit(offset_s=500.0, sd_ms=0.3, rtt_ms=1.0))
            told += 1
    recorder.finish("over")
    return recorder.path


def test_a_latency_of_23_ms_is_measured_as_23_ms(tmp_path):
    truth = np.random.default_rng(1).normal(23.0, 2.0, 80)
    found = measure_display_latency(bench_recording(tmp_path, truth))
    assert (found.n_units, len(found.latency_ms)) == (80, 80)
    assert found.mean_ms == pytest.approx(truth.mean(), abs=1.0)
    assert found.sd_ms == pytest.approx(2.0, abs=0.8)
    assert np.abs(found.latency_ms - truth).max() < 4.5


@pytest.mark.parametrize("edges", [{"polarity": "rising", "threshold": 0.35}, {"latest_ms": 60.0}])
def test_the_profiles_edges_are_used_and_units_without_light_are_left_out(tmp_path, edges):
    truth = np.full(70, 31.0)
    truth[[3, 20, 21, 50]] = np.nan
    found = measure_display_latency(bench_recording(tmp_path, truth, **edges))
    assert (found.n_units, len(found.latency_ms)) == (70, 66)
    assert found.mean_ms == pytest.approx(31.0, abs=1.5)


def test_fewer_than_twenty_edges_and_two_latencies_are_refused(tmp_path):
    with pytest.raises(LatencyError, match=r"has 15 units with an edge on channel light, of 15 .*at least 20 are needed"):
        measure_display_latency(bench_recording(tmp_path / "few", np.full(15, 23.0)))
    slipping = np.where(np.arange(80) % 4 == 0, 23.0 + 16.7, 23.0)
    with pytest.raises(LatencyError, match=r"two display latencies instead of one: 2\d\.\d ms and \d\d\.\d ms \(25 % of 80 units\)"):
        measure_display_latency(bench_recording(tmp_path / "two", slipping))


def test_a_channel_that_is_none_is_refused(tmp_path):
    path = bench_recording(tmp_path, np.full(30, 23.0))
    with pytest.raises(LatencyError, match=r"no channel .lihgt.\. Its channels: Cz, Pz, light"):
        measure_display_latency(path, "lihgt")
    assert measure_display_latency(path, "light").channel == "light"


@given(seed=st.integers(0, 9999), n=st.integers(20, 300), what=st.sampled_from(["normal", "uniform", "constant"]))
def test_one_mode_is_not_called_two(seed, n, what):
    random = np.random.default_rng(seed)
    x = {"normal": random.normal(23, 3, n), "uniform": random.uniform(15, 32, n), "constant": np.full(n, 23.0)}[what]
    assert two_modes(np.round(x / 4) * 4, 4 / np.sqrt(12)) is None


@given(shift=st.floats(-0.04, 0.2), n=st.integers(1, 30), every=st.floats(0.3, 2.0))
def test_matching_gives_every_frame_its_own_edge(shift, n, every):
    frames = list(np.arange(n) * every)
    found = match_frames(frames, [f + shift for f in frames], OnsetEdges(channel="x"))
    assert found == pytest.approx(np.full(n, shift), abs=1e-9)


@pytest.fixture
def rlhb_latency(monkeypatch, tmp_path):
    import typer

    from rlhb.commands.latency import register

    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    monkeypatch.setenv("RLHB_DATA_DIR", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, ["latency", *map(str, arguments)], catch_exceptions=False)


def test_the_command_gives_the_lines_for_the_profile(rlhb_latency, tmp_path):
    (tmp_path / "recordings").mkdir()
    path = bench_recording(tmp_path / "recordings", np.random.default_rng(1).normal(23.0, 2.0, 60))
    said = json.loads(rlhb_latency(path, "--json").stdout)
    assert said["display_latency_ms"] == pytest.approx(23, abs=1)
    assert (said["n_units"], said["n_edges"], len(said["latency_ms"])) == (60, 60, 60)
    answer = rlhb_latency("--session", "lit", "--picture", tmp_path / "latency.png")
    assert f"display_latency_ms = {said['display_latency_ms']:.2f}\ndisplay_latency_sd_ms = {said['display_latency_sd_ms']:.2f}" in answer.stdout
    assert "█" in answer.stdout
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")
