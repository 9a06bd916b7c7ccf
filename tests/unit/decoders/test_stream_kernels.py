from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from decoders import kernels
from tests.reference import kernels as naive

MODES = ["compiled", "interpreted"]


def kernel(name, mode):
    function = getattr(kernels, name)
    return function if mode == "compiled" else function.py_func


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(scale=20, size=shape)


def band(order=2):
    return np.ascontiguousarray(signal.butter(order, [0.1, 20], "bandpass", fs=250, output="sos"))


@pytest.mark.parametrize("mode", MODES)
def test_sos_cascade_is_bit_equal_to_its_twin_and_near_scipy(mode):
    rows, sections, state = noise(300, 5), band(), noise(2, 2, 5, seed=1)
    expected, delays = naive.sos_cascade(rows, sections, state)
    by_scipy, _ = signal.sosfilt(sections, rows, axis=0, zi=state)
    out = rows.copy()
    kernel("sos_cascade", mode)(out, sections, state)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(state, delays)
    np.testing.assert_allclose(out, by_scipy, rtol=0, atol=1e-9)


def test_sos_cascade_stays_near_scipy_over_ten_minutes_of_offset_at_a_tenth_hertz():
    rows = noise(150_000, 2) + 30_000
    sections = band(4)
    state = np.zeros((4, 2, 2))
    expected = signal.sosfilt(sections, rows, axis=0)
    kernels.sos_cascade(rows, sections, state)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-9 * 30_000)


@given(st.integers(1, 33), st.lists(st.integers(0, 200), max_size=30), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_sos_cascade_is_bit_identical_for_any_chunking(n_channels, cuts, order):
    rows, sections = noise(200, n_channels), band(order)
    whole, state = rows.copy(), np.zeros((order, 2, n_channels))
    kernels.sos_cascade(whole, sections, state)
    parts, again = rows.copy(), np.zeros((order, 2, n_channels))
    borders = sorted({0, 200, *cuts})
    for start, stop in pairwise(borders):
        kernels.sos_cascade(parts[start:stop], sections, again)
    assert parts.tobytes() == whole.tobytes()
    assert again.tobytes() == state.tobytes()


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_channel_does_not_depend_on_its_neighbours(n_samples, n_channels, seed):
    """Vector lanes and the scalar rest of the channel loop give the same bits."""
    rows, sections = noise(n_samples, n_channels, seed=seed), band()
    together = rows.copy()
    kernels.sos_cascade(together, sections, np.zeros((2, 2, n_channels)))
    for c in range(n_channels):
        alone = np.ascontiguousarray(rows[:, c : c + 1])
        kernels.sos_cascade(alone, sections, np.zeros((2, 2, 1)))
        assert alone.tobytes() == np.ascontiguousarray(together[:, c : c + 1]).tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_finite_rows(mode):
    rows = noise(6, 3)
    rows[1, 0], rows[3, 2], rows[4, 1] = np.nan, np.inf, -np.inf
    finite = np.empty(6, dtype=bool)
    assert kernel("finite_rows", mode)(rows, finite) == 3
    assert finite.tolist() == np.isfinite(rows).all(axis=1).tolist()


@pytest.mark.parametrize("mode", MODES)
def test_subtract_row_mean(mode):
    rows = noise(7, 5)
    expected = rows - rows.mean(axis=1, keepdims=True)
    kernel("subtract_row_mean", mode)(rows)
    np.testing.assert_allclose(rows, expected, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@given(
    spans=st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, kernels.INTERPOLATED, kernels.LOST])), min_size=1, max_size=8),
    history=st.integers(1, 20),
    first=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_mark_rows_counts_like_counting_every_time(mode, spans, history, first):
    capacity = 300
    marks, total, recent = np.zeros(capacity, np.uint8), np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
    index, expected = first, []
    for n, mark in spans:
        kernel("mark_rows", mode)(marks, total, recent, index, n, mark, first + 5, history)
        expected += [mark] * n
        index += n
    slots = [i % capacity for i in range(first, index)]
    missing = np.array(expected) != 0
    assert (total[slots].tolist(), recent[slots].tolist()) == naive.missing_counts(missing, history)
    assert (marks[slots] & 3).tolist() == expected
    assert ((marks[slots] & kernels.SETTLING) != 0).tolist() == [k < 5 for k in range(len(expected))]
    counted = kernel("count_marks", mode)(marks[first % capacity : first % capacity + len(expected)])
    assert counted[:2] == (expected.count(1), expected.count(2))


@pytest.mark.parametrize("mode", MODES)
@given(st.integers(1, 12), st.lists(st.integers(1, 9), min_size=1, max_size=6), st.booleans(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_window_means_equal_numpy(mode, n_channels, lengths, based, seed):
    edges = np.cumsum([0, *lengths]).astype(np.int64)
    window = noise(edges[-1], n_channels, seed=seed)
    base = (0, int(edges[1])) if based else (0, 0)
    means = np.full(len(lengths) * n_channels, np.nan)
    kernel("window_means", mode)(window, edges, *base, means)
    np.testing.assert_allclose(means, naive.window_means(window, edges, *base), rtol=0, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
def test_linear_score_and_spread(mode):
    features, weights = noise(60), noise(60, seed=1)
    assert kernel("linear_score", mode)(features, weights, 3.0) == pytest.approx(naive.linear_score(features, weights, 3.0), abs=1e-9)
    assert kernel("line_spread", mode)(features, weights, 0.7) == pytest.approx(naive.line_spread(features, weights, 0.7), rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", [0, 1, 5])
def test_amplitude_range_keeps_a_nan_wherever_it_stands(mode, at):
    window = noise(6, 3)
    lowest, highest = np.empty(3), np.empty(3)
    kernel("amplitude_range", mode)(window, lowest, highest)
    np.testing.assert_array_equal(lowest, window.min(axis=0))
    np.testing.assert_array_equal(highest, window.max(axis=0))
    window[at, 1] = np.nan
    kernel("amplitude_range", mode)(window, lowest, highest)
    assert np.isnan([lowest[1], highest[1]]).all()
    assert np.isfinite([lowest[0], highest[2]]).all()


def test_kernel_set_names_compiler_processor_and_numpy():
    kernels.warm_up()
    name = kernels.kernel_set()
    assert np.__version__ in name
    assert "numba" in name or name.startswith("interpreted")
    assert name == kernels.kernel_set()
