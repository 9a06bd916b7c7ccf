"""The same chunks as an LSL outlet, for MNE-LSL: the last channel counts samples, so that what arrives can be told apart.

``python -m benchmarks.lsl_outlet PLAN.json``: the plan holds ``n_channels, rate_hz, seconds, stamps, source_id``.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from mne_lsl.lsl import StreamInfo, StreamOutlet

from benchmarks.paced_board import CHUNK_SAMPLES, NOISE_CHUNKS

READY_S = 1.0
"""From the reader's connection until it has designed its filter."""


def main(plan: dict[str, object]) -> None:
    """Wait for a reader, then push chunks at their times."""
    n_channels, rate_hz, seconds = int(str(plan["n_channels"])), float(str(plan["rate_hz"])), float(str(plan["seconds"]))
    info = StreamInfo("bench", "eeg", n_channels + 1, rate_hz, "float32", str(plan["source_id"]))
    info.set_channel_names([*(f"E{i}" for i in range(n_channels)), "number"])
    info.set_channel_types([*(["eeg"] * n_channels), "misc"])
    info.set_channel_units([*(["microvolts"] * n_channels), "none"])
    outlet = StreamOutlet(info, chunk_size=CHUNK_SAMPLES, max_buffered=60)
    if not outlet.wait_for_consumers(timeout=60):
        raise SystemExit("Nobody came to read the outlet within a minute.")
    time.sleep(READY_S)
    noise = np.random.default_rng(0).normal(0, 20, (NOISE_CHUNKS, CHUNK_SAMPLES, n_channels + 1)).astype(np.float32)
    came_s, last_samples = [], []
    began_s = time.monotonic()
    for at in range(int(seconds * rate_hz / CHUNK_SAMPLES)):
        due_s = began_s + (at + 1) * CHUNK_SAMPLES / rate_hz
        time.sleep(max(0.0, due_s - time.monotonic()))
        chunk = noise[at % NOISE_CHUNKS]
        chunk[:, -1] = np.arange(at * CHUNK_SAMPLES, (at + 1) * CHUNK_SAMPLES)
        came_s.append(time.monotonic())
        last_samples.append((at + 1) * CHUNK_SAMPLES - 1)
        outlet.push_chunk(chunk)
    time.sleep(0.5)
    np.savez(str(plan["stamps"]), last_samples=last_samples, came_s=came_s)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
