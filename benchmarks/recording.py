"""The recording: what a record costs to write, what its checksum adds, and how fast a file is read beside pyxdf."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyxdf

from benchmarks.report import Figure, Report
from hardware_profiles.profile import Channel, Driver, HardwareProfile
from messaging.records import Chunk, Header
from messaging.words import ClockKind, Source
from recordings.log import read_log
from recordings.writer import LogWriter
from rlhb.errors import CommandError

ROUNDS = 3
SETTINGS = ((64, 1000.0), (16, 250.0))
CHUNK_SAMPLES = 8


def run(seconds: float, tell: Callable[[str, float], None]) -> Report:
    """Write and read recordings; `seconds` is about how long each setting takes to write."""
    report = Report("recording")
    n_chunks = max(500, int(seconds * 10_000))
    for at, (n_channels, rate_hz) in enumerate(SETTINGS):
        name = f"{n_channels} channels x {rate_hz:g} Hz"
        with tempfile.TemporaryDirectory() as folder:
            took: dict[str, list[float]] = {"rlhb.log.v1": [], "rlhb.log.v2": []}
            for turn in range(ROUNDS):
                for schema, times in took.items():  # in turns: the machine's mood is the same for both
                    tell(f"{name}: writing {schema}", (at + turn / ROUNDS) / len(SETTINGS))
                    times += _write(Path(folder) / f"{schema}-{turn}.xdf", _header(n_channels, rate_hz, schema), n_chunks)
            new, old = (np.array(took[s]) * 1e6 for s in ("rlhb.log.v2", "rlhb.log.v1"))
            for q in (50, 99):
                report.figures.append(
                    Figure(f"{name}: write a chunk, p{q}", float(np.percentile(new, q)), "µs", "without checksums", float(np.percentile(old, q)))
                )
            report.figures.append(_read(name, Path(folder) / "rlhb.log.v2-0.xdf"))
    report.remarks.append("Written to the folder for temporary files, not synced; the daemon syncs once a second in a thread of its own.")
    return report


def _header(n_channels: int, rate_hz: float, schema: str) -> Header:
    channels = tuple(Channel(name=f"E{i}") for i in range(n_channels))
    profile = HardwareProfile(name="bench", title="Benchmark", driver=Driver(kind="replay"), sampling_rate_hz=rate_hz, channels=channels)
    return Header(
        log_schema=schema,  # type: ignore[arg-type]
        recording_id="bench",
        session_id="bench",
        subject="nobody",
        protocol="bench",
        task="bench",
        source=Source.SIMULATED,
        clock=ClockKind.REAL,
        start_lsl_s=1000.0,
        created_at="2026-01-01T00:00:00Z",
        profile=profile,
        prior=0.2,
    )


def _write(path: Path, header: Header, n_chunks: int) -> list[float]:
    rate_hz, n_channels = header.profile.sampling_rate_hz, len(header.profile.channels)
    samples = np.random.default_rng(0).normal(0, 20, (CHUNK_SAMPLES, n_channels)).astype(np.float32)
    took = []
    with LogWriter.create(path, header) as writer:
        for i in range(n_chunks):
            record = Chunk(i + 2, i * CHUNK_SAMPLES, 1000.0 + i * CHUNK_SAMPLES / rate_hz, samples)
            began = time.perf_counter()
            writer.write(record)
            took.append(time.perf_counter() - began)
    return took


def _read(name: str, path: Path) -> Figure:
    began = time.perf_counter()
    n = sum(r.n_samples for r in read_log(path) if isinstance(r, Chunk))
    between = time.perf_counter()
    found = pyxdf.load_xdf(path, dejitter_timestamps=False, synchronize_clocks=False)[0][0]["time_series"].shape[0]
    theirs_s, ours_s = time.perf_counter() - between, between - began
    if n != found:
        raise CommandError(f"We read {n} samples, pyxdf {found}; the figures would compare two different things.")
    return Figure(f"{name}: read {n} samples", ours_s, "s", "pyxdf", theirs_s)
