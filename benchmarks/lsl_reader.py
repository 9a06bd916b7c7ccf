"""MNE-LSL's StreamLSL with its own filter, asked for new samples as fast as is sensible.

``python -m benchmarks.lsl_reader PLAN.json SEEN.npz``: ``SEEN`` gets the number of the newest sample and the monotonic time at which its
filtered values were at hand.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from mne_lsl.stream import StreamLSL

from benchmarks.acquisition import BAND_HZ, POLL_S
from benchmarks.paced_board import CHUNK_SAMPLES


def main(plan: dict[str, object], out: str) -> None:
    """Connect, filter, note each new chunk."""
    rate_hz, seconds = float(str(plan["rate_hz"])), float(str(plan["seconds"]))
    stream = StreamLSL(bufsize=2, source_id=str(plan["source_id"]))
    stream.connect(acquisition_delay=None, timeout=30)  # None: we ask, so its thread's pace adds nothing
    stream.filter(BAND_HZ[0], BAND_HZ[1], picks="eeg")
    final = int(seconds * rate_hz / CHUNK_SAMPLES) * CHUNK_SAMPLES - 1
    last_samples: list[int] = []
    seen_s: list[float] = []
    give_up_s = time.monotonic() + seconds + 30
    while (not last_samples or last_samples[-1] < final) and time.monotonic() < give_up_s:
        stream.acquire()
        if not stream.n_new_samples:
            time.sleep(POLL_S)
            continue
        rows, _times = stream.get_data(winsize=CHUNK_SAMPLES / rate_hz)
        seen_s.append(time.monotonic())
        last_samples.append(int(rows[-1, -1]))
    np.savez(out, last_samples=last_samples, seen_s=seen_s)
    stream.disconnect()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
