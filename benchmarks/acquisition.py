"""Sample in -> filtered chunk at a subscriber: our daemon, recording and bus beside MNE-LSL's StreamLSL reading an LSL outlet.

Both get the same chunks of eight samples at the same pace from another process, both filter with a Butterworth band-pass of the same
edges, and both are timed from the moment the chunk is there to the moment its filtered samples are. Ours is on the disk by then (written,
not synced). The daemon has no server here, so its status and preview go nowhere.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.paced_board import CHUNK_SAMPLES, RECORDING_ID
from benchmarks.report import Figure, Report
from decoders.filters import band_pass_sections
from decoders.kernels import sos_cascade
from decoders.spec import Preprocessing
from messaging.bus import Bus
from messaging.records import Chunk, decode_record
from rlhb.bus_server import plan_bus_server
from rlhb.errors import CommandError

SETTINGS = ((64, 1000.0), (16, 250.0))
BAND_HZ = (0.5, 40.0)
SETTLE_S = 2.0
"""Left out at the start: connecting, first-time work."""
AIM_MS = 0.8
AIM_CPU = 10.0
PEER = "mne-lsl StreamLSL"
POLL_S = 0.0001
"""StreamLSL is asked this often for new samples; its own thread would ask every millisecond."""


def run(seconds: float, tell: Callable[[str, float], None]) -> Report:
    """Measure both settings, ours and the peer's in turn, `seconds` each."""
    report = Report("acquisition")
    for at, (n_channels, rate_hz) in enumerate(SETTINGS):
        name = f"{n_channels} channels x {rate_hz:g} Hz"
        tell(f"{name}: the daemon, the bus, a subscriber", at / len(SETTINGS))
        with tempfile.TemporaryDirectory(prefix="rlhb-bench-") as folder:
            ours_ms, cpu = _ours(Path(folder), n_channels, rate_hz, seconds + SETTLE_S)
        tell(f"{name}: {PEER}", (at + 0.5) / len(SETTINGS))
        with tempfile.TemporaryDirectory(prefix="rlhb-bench-") as folder:
            theirs_ms = _theirs(Path(folder), n_channels, rate_hz, seconds + SETTLE_S)
        for q in (50, 95, 99):
            ours, theirs = float(np.percentile(ours_ms, q)), float(np.percentile(theirs_ms, q))
            report.figures.append(Figure(f"{name}: sample in to filtered chunk, p{q}", ours, "ms", PEER, theirs, aim=AIM_MS if q == 50 else None))
        report.figures.append(Figure(f"{name}: the daemon's share of one core", cpu, "%", aim=AIM_CPU if n_channels == 64 else None))
        report.remarks.append(f"{name}: {len(ours_ms)} chunks of ours, {len(theirs_ms)} of the peer's.")
    report.remarks.append("The aims are for an idle machine; mind the load average.")
    return report


def _latencies_ms(stamps: Path, seen: dict[int, float], rate_hz: float) -> np.ndarray:
    """Milliseconds from the board's stamp to ours, chunk by chunk."""
    with np.load(stamps) as found:
        came = dict(zip(found["last_samples"].tolist(), found["came_s"].tolist(), strict=True))
    late = [(seen[last] - came[last]) * 1e3 for last in sorted(seen) if last in came and last >= SETTLE_S * rate_hz]
    if not late:
        raise CommandError("No chunk arrived after the first seconds; run it for longer.")
    return np.array(late)


@contextmanager
def _process(module: str, plan: dict[str, Any], folder: Path, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    file = folder / "plan.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    log = (folder / "log.txt").open("wb")
    process = subprocess.Popen([sys.executable, "-m", module, str(file)], env={**os.environ, **(environment or {})}, stdout=log, stderr=log)
    try:
        yield process
        if process.wait(60) != 0:
            raise CommandError(f"{module} failed: {(folder / 'log.txt').read_text(encoding='utf-8')[-2000:]}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()


# ---------------------------------------------------------------- ours


def _ours(folder: Path, n_channels: int, rate_hz: float, seconds: float) -> tuple[np.ndarray, float]:
    server = plan_bus_server()
    valkey = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        plan = {"n_channels": n_channels, "rate_hz": rate_hz, "seconds": seconds, "stamps": str(folder / "stamps.npz")}
        addresses = {"data_dir": str(folder), "bus_url": server.url, "server_url": "http://127.0.0.1:9"}
        with _process("benchmarks.paced_board", {**plan, **addresses}, folder) as daemon:
            seen, cpu = asyncio.run(_subscribe(server.url, daemon, n_channels, rate_hz, seconds))
        return _latencies_ms(folder / "stamps.npz", seen, rate_hz), cpu
    finally:
        valkey.terminate()
        valkey.wait(10)
        shutil.rmtree(server.folder, ignore_errors=True)


async def _subscribe(url: str, daemon: subprocess.Popen[bytes], n_channels: int, rate_hz: float, seconds: float) -> tuple[dict[int, float], float]:
    """Filter what comes over the bus; returns when each chunk was filtered, and the daemon's share of one core."""
    names = tuple(f"E{i}" for i in range(n_channels))
    sections = band_pass_sections(Preprocessing(sampling_rate_hz=rate_hz, channel_names=names, highpass_hz=BAND_HZ[0], lowpass_hz=BAND_HZ[1]))
    state = np.zeros((len(sections), 2, n_channels))
    sos_cascade(np.zeros((CHUNK_SAMPLES, n_channels)), sections, state)  # compiled before the first chunk
    seen: dict[int, float] = {}
    process, used_s, since_s = psutil.Process(daemon.pid), 0.0, 0.0
    bus, after, last = Bus(url), 0, int(seconds * rate_hz / CHUNK_SAMPLES) * CHUNK_SAMPLES - 1
    while last not in seen and daemon.poll() is None:
        try:
            records = await bus.read(RECORDING_ID, after, 1000)
        except Exception:  # noqa: BLE001 - the bus is still starting
            await asyncio.sleep(0.05)
            continue
        for ordinal, raw in records:
            after, record = ordinal, decode_record(raw)
            if isinstance(record, Chunk):
                rows = record.samples.astype(np.float64)
                sos_cascade(rows, sections, state)
                seen[record.end_index - 1] = time.monotonic()
                if not since_s and record.sample_index >= SETTLE_S * rate_hz:
                    used_s, since_s = sum(process.cpu_times()[:2]), time.monotonic()
    cpu = 100 * (sum(process.cpu_times()[:2]) - used_s) / (time.monotonic() - since_s) if since_s and daemon.poll() is None else float("nan")
    await bus.close()
    return seen, cpu


# ---------------------------------------------------------------- the peer's


def _theirs(folder: Path, n_channels: int, rate_hz: float, seconds: float) -> np.ndarray:
    """In a process of its own too, which reads the settings of LSL when it starts."""
    config, source_id = folder / "lsl.cfg", uuid.uuid4().hex
    config.write_text(f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {source_id}\n", encoding="utf-8")
    environment = {"LSLAPICFG": str(config)}
    plan = {"n_channels": n_channels, "rate_hz": rate_hz, "seconds": seconds, "stamps": str(folder / "stamps.npz"), "source_id": source_id}
    with _process("benchmarks.lsl_outlet", plan, folder, environment):
        reader = [sys.executable, "-m", "benchmarks.lsl_reader", str(folder / "plan.json"), str(folder / "seen.npz")]
        done = subprocess.run(reader, env={**os.environ, **environment}, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise CommandError(f"benchmarks.lsl_reader failed: {done.stderr[-2000:]}")
    with np.load(folder / "seen.npz") as found:
        seen = dict(zip(found["last_samples"].tolist(), found["seen_s"].tolist(), strict=True))
    return _latencies_ms(folder / "stamps.npz", seen, rate_hz)
