from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import kernels
from decoders.artifacts import broken_rule, judge_window
from decoders.filters import band_pass_sections
from decoders.offline import FilteredRecording
from decoders.spec import ArtifactRules, MismatchError, Preprocessing, WindowSpec
from decoders.windows import features_at, window_features, window_layout


def test_edges_at_250_hz():
    layout = window_layout(WindowSpec((100.0, 200.0, 300.0), (-200.0, 0.0)), 250.0)
    assert layout.edges.tolist() == [25, 50, 75]
    assert (layout.baseline, layout.start, layout.stop, layout.n_windows, layout.n_samples) == ((-50, 0), -50, 75, 2, 125)


@given(st.lists(st.floats(-500, 1500), min_size=2, max_size=8, unique=True), st.floats(50, 2000))
@settings(max_examples=200, deadline=None)
def test_a_sample_belongs_to_the_interval_that_holds_its_time(edges_ms, rate_hz):
    edges_ms = sorted(edges_ms)
    try:
        layout = window_layout(WindowSpec(tuple(edges_ms)), rate_hz)
    except MismatchError:
        assert min(np.diff(edges_ms)) < 1000 / rate_hz + 1e-6
        return
    for (first, last), (first_ms, last_ms) in zip(pairwise(layout.edges), pairwise(edges_ms), strict=True):
        slack = 1e-5 * 1000 / rate_hz
        assert first * 1000 / rate_hz >= first_ms - slack > (first - 1) * 1000 / rate_hz - 2 * slack
        assert (last - 1) * 1000 / rate_hz < last_ms + slack


@pytest.mark.parametrize("rate_hz", [125.0, 200.0, 250.0, 256.0, 500.0, 512.0, 1000.0])
def test_edges_on_a_sample_fall_on_it(rate_hz):
    """A product such as .3 * 250 a hair above 75 must not move the edge to 76."""
    for n in range(-200, 800):
        layout = window_layout(WindowSpec((n * 1000 / rate_hz, (n + 3) * 1000 / rate_hz)), rate_hz)
        assert layout.edges.tolist() == [n, n + 3]


@pytest.mark.parametrize(
    ("window", "match"),
    [
        (WindowSpec((100.0,)), "1 edges"),
        (WindowSpec((101.0, 103.0, 200.0)), "101 to 103 ms"),
        (WindowSpec((200.0, 100.0)), "200 to 100 ms"),
        (WindowSpec((100.0, 200.0), (0.0, 0.0)), "0 to 0 ms"),
    ],
)
def test_windows_without_samples_are_refused(window, match):
    with pytest.raises(MismatchError, match=match):
        window_layout(window, 250.0)


def test_features_are_baseline_corrected_means_window_slowest():
    layout = window_layout(WindowSpec((0.0, 20.0, 40.0), (-20.0, 0.0)), 250.0)
    window = np.repeat([[1.0, 10.0], [3.0, 30.0], [7.0, 70.0]], 5, axis=0)
    np.testing.assert_allclose(window_features(window, layout), [2.0, 20.0, 6.0, 60.0])


def test_features_of_many_onsets_are_those_of_one():
    random = np.random.default_rng(0)
    recording = FilteredRecording(40, random.normal(size=(500, 3)), np.zeros(500, np.uint8))
    layout = window_layout(WindowSpec((0.0, 100.0, 200.0), (-100.0, 0.0)), 250.0)
    onsets = np.array([100, 70, 333])
    many = features_at(recording, onsets, layout)
    for onset, row in zip(onsets, many, strict=True):
        start = onset - 25 - 40
        assert row.tobytes() == window_features(recording.rows[start : start + 75].copy(), layout).tobytes()


NAMES = ("Fp1", "Cz")
RULES = ArtifactRules(max_abs_uv=100.0, max_peak_to_peak_uv=150.0, min_peak_to_peak_uv=0.5)


def clean():
    return np.random.default_rng(0).normal(scale=10, size=(100, 2))


@pytest.mark.parametrize(
    ("at", "value", "expected"),
    [
        (slice(3, 4), 100.5, "amplitude: Fp1 100.5 uV > 100 uV"),
        (slice(3, 4), -212.0, "amplitude: Fp1 212 uV > 100 uV"),
        (slice(3, 4), np.nan, "amplitude: Fp1 nan uV > 100 uV"),
        (slice(None), 3.0, "flat: Fp1 0 uV < 0.5 uV"),
    ],
)
def test_a_broken_rule_names_channel_value_and_limit(at, value, expected):
    window = clean()
    window[at, 0] = value
    assert broken_rule(window, RULES, NAMES) == expected
    assert broken_rule(clean(), RULES, NAMES) is None


def test_peak_to_peak_is_judged_beside_amplitude():
    window = clean()
    window[3, 1], window[9, 1] = 90.0, -90.0
    assert broken_rule(window, RULES, NAMES) == "peak to peak: Cz 180 uV > 150 uV"


@pytest.mark.parametrize(
    ("mark", "n", "rejected", "gap"),
    [(kernels.INTERPOLATED, 4, None, 4), (kernels.LOST, 11, "gap: 11 of 100", 11), (kernels.SETTLING, 7, "settling: 7 of 100", 0)],
)
def test_marks_reject_a_window(mark, n, rejected, gap):
    marks = np.zeros(100, np.uint8)
    marks[:n] = mark
    verdict = judge_window(clean(), marks, RULES, NAMES)
    assert verdict.gap == gap
    assert verdict.rejected is None if rejected is None else (verdict.rejected or "").startswith(rejected)


@pytest.mark.parametrize(("highpass_hz", "n_sections"), [(0.1, 2), (0.0, 1)])
def test_band_pass_passes_its_band(highpass_hz, n_sections):
    sections = band_pass_sections(Preprocessing(250.0, ("Cz",), highpass_hz, 30.0))
    assert sections.shape == (n_sections, 6)
    frequencies = np.exp(-2j * np.pi * np.array([0.0, 5.0, 30.0, 100.0]) / 250)
    powers = frequencies[:, None] ** np.arange(3)
    gain = np.abs(np.prod([(powers @ s[:3]) / (powers @ s[3:]) for s in sections], axis=0))
    assert gain[0] == pytest.approx(0.0 if highpass_hz else 1.0, abs=1e-6)
    assert gain[1] == pytest.approx(1.0, abs=0.02)
    assert gain[2] == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert gain[3] < 0.02
