"""Edges of photodiodes and trigger lines: found where they are, once each, however the samples are cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acquisition.edges import EdgeDetector
from hardware_profiles.profile import OnsetEdges


def find(values, rate=250.0, kind="photodiode", cuts=(), first=0, lost=(), **settings):
    """Edges of a whole channel, given in chunks; `lost` are (from, to) that never come."""
    detector = EdgeDetector(rate, OnsetEdges(channel="x", **settings), kind)
    found = []
    ends = sorted({0, len(values), *(c % len(values) for c in cuts), *itertools.chain(*lost)})
    for a, b in itertools.pairwise(ends):
        if not any(begin <= a < end for begin, end in lost):
            found += detector.receive(first + a, values[a:b])
            assert all(e.position < detector.settled_index for e in found)
    return found + detector.flush()


def screen(onsets_s, rate=250.0, seconds=20.0, lit_s=0.1, flicker_hz=0.0, duty=0.4, noise=0.005, rise_s=0.004, level=1.0, seed=0, dark=0.2):
    """A photodiode: at each onset the patch lights up for `lit_s`, chopped at `flicker_hz`, behind an amplifier of `rise_s`."""
    fine = 40
    t = np.arange(int(seconds * rate) * fine) / (rate * fine)
    lit = np.zeros(len(t))
    for onset in onsets_s:
        inside = (t >= onset) & (t < onset + lit_s)
        lit[inside] = 1.0 if not flicker_hz else ((t[inside] - onset) * flicker_hz % 1.0 < duty)
    width = max(1, int(rise_s * rate * fine))
    smooth = np.convolve(lit, np.ones(width) / width)[: len(t)]
    delay_s = (width - 1) / 2 / (rate * fine)
    return dark + level * smooth[::fine] + np.random.default_rng(seed).normal(0, noise * abs(level), len(t) // fine), delay_s


def onsets(n=25, every=0.7, seed=0):
    return 1.0 + every * np.arange(n) + np.random.default_rng(seed).uniform(0, 0.05, n)


@pytest.mark.parametrize("rate", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize("level", [1.0, 4e5, -1.0, 1e-6])
def test_the_rise_of_a_lit_patch_is_found_to_a_fraction_of_a_sample(rate, level):
    shown = onsets()
    values, delay_s = screen(shown, rate, level=level, rise_s=3 / rate)
    found = find(values, rate, polarity="rising" if level > 0 else "falling", debounce_ms=20)
    assert len(found) == len(shown)
    errors = np.array([e.position / rate for e in found]) - shown - delay_s
    assert np.abs(errors).max() < 0.25 / rate
    assert [e.sd_ms for e in found] == pytest.approx([1e3 / rate / np.sqrt(12)] * len(found))


@pytest.mark.parametrize("flicker_hz", [60.0, 75.0, 120.0, 240.0])
@pytest.mark.parametrize("lit_s", [0.06, 0.2])
def test_a_screen_that_flickers_has_one_rise_and_one_fall(flicker_hz, lit_s):
    shown = onsets()
    values, _ = screen(shown, 1000.0, flicker_hz=flicker_hz, lit_s=lit_s, rise_s=0.002)
    found = find(values, 1000.0, polarity="both", debounce_ms=20)
    assert [e.rising for e in found] == [True, False] * len(shown)
    rises, falls = np.array([e.position for e in found]).reshape(-1, 2).T / 1000
    assert np.abs(rises - shown - 0.001).max() < 0.001
    assert (np.abs(falls - shown - lit_s) < 1 / flicker_hz + 0.002).all()


def test_a_photodiode_behind_a_slow_amplifier_sees_its_flicker_as_ripple():
    """A low-pass leaves a ripple on the lit level: no edges but the true ones."""
    shown = onsets(every=0.65)
    values, delay_s = screen(shown, 250.0, flicker_hz=60.0, lit_s=0.25, rise_s=0.012, noise=0.01)
    found = find(values, 250.0)
    assert len(found) == len(shown)
    assert np.abs([e.position / 250 - s - delay_s for e, s in zip(found, shown, strict=True)]).max() < 0.006


@pytest.mark.parametrize("disturbance", [5.0, -5.0])
def test_a_single_disturbance_hides_no_edge(disturbance):
    shown = onsets()
    values, _ = screen(shown)
    values[2000:2020] += disturbance
    found = [e.position / 250 for e in find(values)]
    for onset in shown[abs(shown - 8.0) > 0.3]:
        assert min(abs(onset - f) for f in found) < 0.01


def test_noise_without_a_patch_has_no_edges():
    for seed in range(10):
        random = np.random.default_rng(seed)
        assert find(random.normal(0, 1, 25000), 250.0, polarity="both") == []
        assert find(np.zeros(5000), kind="trigger", polarity="both") == []


@pytest.mark.parametrize("polarity", ["rising", "falling", "both"])
def test_a_trigger_pulse_of_one_sample_is_an_edge(polarity):
    values = np.zeros(5000)
    at = np.arange(600, 4800, 77)
    values[at] = 1.0
    found = find(values, kind="trigger", polarity=polarity, debounce_ms=20)
    assert [e.position for e in found] == [k + (0.5 if polarity == "falling" else -0.5) for k in at]
    assert all(e.sd_ms == pytest.approx(4 / np.sqrt(12)) for e in found)
    inverse = find(1.0 - values, kind="trigger", polarity={"rising": "falling", "falling": "rising"}.get(polarity, "both"), debounce_ms=20)
    assert [e.position for e in inverse] == [e.position for e in found]


def test_a_line_that_bounces_has_one_edge():
    values = np.zeros(3000)
    for k in range(500, 2800, 200):
        values[k : k + 100] = 1.0
        values[[k + 1, k + 3]] = 0.0
    found = find(values, 1000.0, "trigger", debounce_ms=20)
    assert [round(e.position + 0.5) for e in found] == list(range(500, 2800, 200))


def test_a_fixed_threshold_is_kept_to():
    values, _ = screen(onsets())
    assert len(find(values, threshold=0.7)) == 25
    assert find(values, threshold=1.5) == []


def test_an_edge_in_a_short_loss_is_placed_in_it_and_in_a_long_one_not():
    values = np.zeros(4000)
    for k in range(300, 4000, 300):
        values[k : k + 100] = 1.0
    found = find(values, kind="photodiode", lost=[(595, 603), (1150, 1260), (2000, 2010)])
    positions = [e.position for e in found]
    assert 1199.5 not in positions
    assert len(positions) == 12
    short = next(e for e in found if 590 < e.position < 605)
    assert 594 <= short.position <= 603
    assert short.sd_ms == pytest.approx(9 * 4 / np.sqrt(12))


def test_hours_of_loss_are_passed_in_no_time():
    detector = EdgeDetector(1000.0, OnsetEdges(channel="x"), "trigger")
    pulse = np.zeros(500)
    pulse[250] = 1
    first = detector.receive(0, pulse)
    later = detector.receive(10**10, pulse) + detector.flush()
    assert [e.position for e in first + later][-1] == 10**10 + 249.5


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(1, 4999), max_size=60), seed=st.integers(0, 99), kind=st.sampled_from(["photodiode", "trigger"]),
    polarity=st.sampled_from(["rising", "falling", "both"]), lost=st.lists(st.tuples(st.integers(1, 4500), st.integers(1, 499)), max_size=3),
    first=st.integers(0, 10**9), debounce=st.sampled_from([0.0, 20.0, 300.0]), fixed=st.sampled_from([None, 0.6]),
)  # fmt: skip
def test_edges_do_not_depend_on_how_samples_are_cut_into_chunks(cuts, seed, kind, polarity, lost, first, debounce, fixed):
    values, _ = screen(onsets(seed=seed), flicker_hz=60.0 * (seed % 2), seed=seed)
    gaps, end = [], 0
    for begin, length in sorted(lost):
        if begin > end:
            gaps.append((begin, begin + length))
            end = begin + length
    given = {"kind": kind, "polarity": polarity, "first": first, "lost": gaps, "debounce_ms": debounce, "threshold": fixed}
    assert find(values, cuts=cuts, **given) == find(values, **given)
