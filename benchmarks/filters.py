"""The streaming filter: our SOS cascade beside scipy's `sosfilt` with state, same sections, same numbers out."""

import time
from collections.abc import Callable

import numpy as np
from scipy import signal

from benchmarks.report import Figure, Report
from decoders.filters import band_pass_sections
from decoders.kernels import sos_cascade
from decoders.spec import Preprocessing
from rlhb.errors import CommandError

PEER = "scipy sosfilt"


def run(seconds: float, tell: Callable[[str, float], None]) -> Report:
    """Filter chunks of 16 channels, and a long stretch of 64; `seconds` is about how long the chunks take."""
    report = Report("filters")
    tell("16 channels, 8 samples at a time", 0.0)
    report.figures.append(_chunks(n_channels=16, n_samples=8, rate_hz=250.0, seconds=seconds))
    tell("64 channels, 8 samples at a time", 0.4)
    report.figures.append(_chunks(n_channels=64, n_samples=8, rate_hz=1000.0, seconds=seconds))
    tell("64 channels, one million samples", 0.8)
    report.figures.append(_stretch(n_channels=64, n_samples=1_000_000 if seconds >= 1 else 20_000))
    return report


def _sections(n_channels: int, rate_hz: float) -> np.ndarray:
    names = tuple(f"E{i}" for i in range(n_channels))
    return band_pass_sections(Preprocessing(sampling_rate_hz=rate_hz, channel_names=names, highpass_hz=0.5, lowpass_hz=40.0))


def _chunks(n_channels: int, n_samples: int, rate_hz: float, seconds: float) -> Figure:
    sections = _sections(n_channels, rate_hz)
    chunk = np.random.default_rng(0).normal(0, 20, (n_samples, n_channels))
    ours, theirs = np.zeros((len(sections), 2, n_channels)), np.zeros((len(sections), 2, n_channels))
    sos_cascade(chunk.copy(), sections, ours.copy())  # compiled before it is timed
    took: tuple[list[float], list[float]] = ([], [])
    rows = np.empty_like(chunk)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        np.copyto(rows, chunk)
        sos_cascade(rows, sections, ours)
        between = time.perf_counter()
        out, theirs = signal.sosfilt(sections, chunk, axis=0, zi=theirs)
        took[1].append(time.perf_counter() - between)
        took[0].append(between - began)
    if not np.allclose(out, rows, rtol=1e-9, atol=1e-9):
        raise CommandError("Our cascade and scipy's give other numbers; the figures would compare two different things.")
    p50 = [float(np.median(t)) * 1e6 for t in took]
    return Figure(f"{n_channels} channels x {n_samples} samples, p50", p50[0], "µs", PEER, p50[1], aim=1 / 40 if n_channels == 16 else None, aim_of="ratio")


def _stretch(n_channels: int, n_samples: int) -> Figure:
    sections = _sections(n_channels, 1000.0)
    rows = np.random.default_rng(0).normal(0, 20, (n_samples, n_channels))
    began = time.perf_counter()
    signal.sosfilt(sections, rows, axis=0, zi=np.zeros((len(sections), 2, n_channels)))
    between = time.perf_counter()
    sos_cascade(rows, sections, np.zeros((len(sections), 2, n_channels)))
    ours_s, theirs_s = time.perf_counter() - between, between - began
    return Figure(f"{n_channels} channels x {n_samples} samples", ours_s, "s", PEER, theirs_s, aim=1 / 8, aim_of="ratio")
