"""Clock offsets: the truth lies within what is stated, and asymmetric delays show in the stated uncertainty."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.clocks import ClockOffset, VirtualClock


def round_trips(offset, drift_ppm, delays, n=80, every_s=0.5, seed=0):
    rng = random.Random(seed)
    clock = ClockOffset()
    for k in range(n):
        t0 = k * every_s
        there, back = (base + rng.expovariate(1 / jitter) for base, jitter in delays)
        remote = lambda t: t + offset + drift_ppm * 1e-6 * t  # noqa: E731
        clock.add(t0, remote(t0 + there), remote(t0 + there), t0 + there + back)
    return clock, n * every_s


@given(offset=st.floats(-1e6, 1e6), drift=st.floats(-100, 100), seed=st.integers(0, 50))
def test_the_offset_is_found_within_three_standard_deviations_and_a_millisecond(offset, drift, seed):
    clock, now = round_trips(offset, drift, ((0.0005, 0.002), (0.0005, 0.002)), seed=seed)
    fit = clock.fit()
    truth = offset + drift * 1e-6 * now
    assert abs(fit.offset_s - truth) * 1e3 < 3 * fit.sd_ms + 1.0


def test_an_asymmetric_delay_is_inside_the_stated_uncertainty():
    clock, _ = round_trips(5.0, 0.0, ((0.040, 0.001), (0.0005, 0.001)))
    fit = clock.fit()
    error_ms = abs(fit.offset_s - 5.0) * 1e3
    assert error_ms > 15
    assert fit.sd_ms > error_ms / 2


def test_a_round_trip_that_ends_before_it_began_is_not_believed():
    clock = ClockOffset()
    clock.add(10.0, 1.0, 1.0, 9.0)
    clock.add(1.0, float("nan"), 1.0, 2.0)
    assert clock.fit() is None


@pytest.mark.parametrize("speed", [0.5, 10.0, float("inf")])
async def test_virtual_time_stands_where_it_was_told_to_skip_to(speed):
    clock = VirtualClock(100.0, speed)
    clock.skip_to(150.0)
    assert clock.now_lsl_s() == pytest.approx(150.0, abs=speed if speed < 1e3 else 0)
    await clock.sleep_until(150.001)
    assert clock.now_lsl_s() >= 150.001 - 1e-9
