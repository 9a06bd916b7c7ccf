"""Packet numbers that wrap and stamps that come in bursts give back which samples were lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recordings.sample_numbers import Counting, counting_of, sample_numbers, segments_of

RATE_HZ = 250.0


@st.composite
def losses(draw: st.DrawFn) -> np.ndarray:
    """Numbers of the samples that arrived: stretches of 2 to 6 s with up to 8 s lost between them."""
    kept, at = [], 0
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(500, 1500))
        kept.append(np.arange(at, at + n))
        at += n + draw(st.integers(0, 2000))
    return np.concatenate(kept)


def bursts(true: np.ndarray, per_burst: int, jitter_ms: float, seed: int) -> np.ndarray:
    """Stamps as a driver gives them: a burst shares the stamp of its last sample, late by a random jitter; an outage ends a burst."""
    rng = np.random.default_rng(seed)
    outages = np.flatnonzero(np.diff(true) > 50) + 1
    last = np.concatenate(
        [part[np.minimum((np.arange(len(part)) // per_burst + 1) * per_burst, len(part)) - 1] for part in np.split(np.arange(len(true)), outages)]
    )
    late_s = rng.exponential(jitter_ms / 1e3, len(true))[last]
    return np.maximum.accumulate(1.7e9 + true[last] / RATE_HZ + late_s)


@given(losses(), st.integers(1, 12), st.floats(0, 15), st.sampled_from([1, 2]), st.integers(0, 999))
def test_lost_samples_are_counted_exactly_where_packets_are_numbered(true: np.ndarray, per_burst: int, jitter_ms: float, step: int, seed: int) -> None:
    counters = (true * step % 256).astype(np.float64)
    counting = counting_of(counters, 256)
    assert counting == Counting(256 // step, step=step)
    found, remarks = sample_numbers(counters, bursts(true, per_burst, jitter_ms, seed), RATE_HZ, counting)
    assert np.array_equal(found, true)
    assert remarks == ()


@given(losses(), st.integers(1, 12), st.floats(0, 15), st.integers(0, 999))
def test_without_packet_numbers_long_losses_are_found_by_the_stamps(true: np.ndarray, per_burst: int, jitter_ms: float, seed: int) -> None:
    found, _ = sample_numbers(None, bursts(true, per_burst, jitter_ms, seed), RATE_HZ, None)
    lost = np.diff(true) - 1
    assert (np.diff(found) >= 1).all()
    for k in np.flatnonzero(lost > 0.5 * RATE_HZ):
        near = slice(max(0, k - per_burst), k + per_burst + 1)
        # a burst that spans the loss hides up to its own length of it
        assert abs((np.diff(found)[near] - 1).sum() - lost[k]) <= 2 * per_burst + jitter_ms * RATE_HZ / 1e3


def test_packet_numbers_that_disagree_with_the_stamps_are_not_believed() -> None:
    counters = np.arange(5000) * 3 % 250.0
    found, remarks = sample_numbers(counters, 1.7e9 + np.arange(5000) / RATE_HZ, RATE_HZ, Counting(256))
    assert np.array_equal(found, np.arange(5000))
    assert "gaps were found by the stamps" in remarks[0]


def test_a_single_sample_and_none_are_no_special_case() -> None:
    assert sample_numbers(np.zeros(1), np.zeros(1), RATE_HZ, Counting(256))[0].tolist() == [0]
    assert segments_of(np.zeros(0, dtype=np.int64)) == ()
