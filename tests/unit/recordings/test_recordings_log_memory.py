"""An hour of recording, at speed: memory does not grow while it is written, nor while it is read."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from messaging.records import Chunk
from recordings.log import read_log
from recordings.writer import LogWriter
from tests.reference.random_logs import header, profile

RATE_HZ, N_CHANNELS, CHUNK_SAMPLES = 250, 8, 125
HOUR_CHUNKS = 3600 * RATE_HZ // CHUNK_SAMPLES
GROWTH_BYTES = 100_000
"""An hour of samples is 29 MB; what may grow is Python's own caches."""


def traced_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_memory_is_flat_over_an_hour_of_writing_and_of_reading(tmp_path: Path, tracing: None) -> None:
    path = tmp_path / "hour.xdf"
    samples = np.random.default_rng(1).normal(0, 20, (CHUNK_SAMPLES, N_CHANNELS)).astype(np.float32)
    with LogWriter.create(path, header(profile(tuple(f"E{i}" for i in range(N_CHANNELS)), RATE_HZ))) as writer:
        for i in range(HOUR_CHUNKS):
            if i == HOUR_CHUNKS // 20:
                early, _ = traced_bytes(), tracemalloc.reset_peak()
            writer.write(Chunk(i + 2, i * CHUNK_SAMPLES, 1000.0 + i * CHUNK_SAMPLES / RATE_HZ, samples))
        assert traced_bytes() - early < GROWTH_BYTES
        assert tracemalloc.get_traced_memory()[1] - early < GROWTH_BYTES
    assert path.stat().st_size > 29_000_000
    n = 0
    for n, _record in enumerate(read_log(path)):
        if n == HOUR_CHUNKS // 20:
            early, _ = traced_bytes(), tracemalloc.reset_peak()
    assert n == HOUR_CHUNKS
    assert traced_bytes() - early < GROWTH_BYTES
    assert tracemalloc.get_traced_memory()[1] - early < 3_000_000  # a block of 1 MiB, held twice while the next one is read
