import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from decoders.fitted import Calibration
from decoders.rewarding import calibration_lines, llr_of, logit, noise_corrected_reward, p_error_of, sigmoid, valuation
from decoders.spec import MismatchError

priors = st.floats(0.01, 0.99)
llrs = st.floats(-30, 30)


def calibration(slope=1.3, intercept=-1.5, prior=0.2, e0=0.3, e1=0.3, refits=((1.0, -1.0, 0.2), (1.5, -1.7, 0.25), (1.2, -1.4, 0.18))):
    return Calibration(slope, intercept, prior, np.array(refits, dtype=float).reshape(-1, 3), e0, e1)


def value(score, prior=0.2, **fields):
    fitted = calibration(**fields)
    return valuation(score, fitted, calibration_lines(fitted), prior)


@given(st.floats(-5, 5), priors)
def test_llr_is_the_posterior_less_the_calibrations_prior(score, prior):
    assert llr_of(score, calibration(prior=prior)) == pytest.approx(1.3 * score - 1.5 - math.log(prior / (1 - prior)), abs=1e-12)


@given(priors, priors)
def test_bayes_gives_back_the_calibrated_probability_at_the_calibrations_prior(p, prior):
    llr = logit(p) - logit(prior)
    assert p_error_of(llr, prior) == pytest.approx(p, abs=1e-12)


@given(st.floats(-1000, 1000))
def test_sigmoid_never_overflows_and_is_symmetric(x):
    assert 0 <= sigmoid(x) <= 1
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1, abs=1e-15)


@given(priors)
def test_no_evidence_is_no_reward(prior):
    fitted = calibration(slope=0.0, intercept=logit(0.2))
    found = valuation(17.0, fitted, calibration_lines(fitted), prior)
    assert found.llr == pytest.approx(0, abs=1e-12)
    assert found.reward == pytest.approx(0, abs=1e-12)
    assert found.confidence == pytest.approx(0, abs=1e-12)


@given(st.floats(-8, 8), priors)
def test_evidence_for_an_error_is_a_negative_reward(score, prior):
    found = value(score, prior)
    assume(abs(found.llr) > 1e-6)
    assert (found.reward < 0) == (found.llr > 0)
    assert found.reward == pytest.approx(2 * (prior - found.p_error))
    assert -2 * (1 - prior) - 1e-12 <= found.reward <= 2 * prior + 1e-12
    assert found.confidence == pytest.approx(math.tanh(abs(found.llr) / 2))


@given(priors)
def test_reward_falls_with_the_score(prior):
    rewards = [value(score, prior).reward for score in np.linspace(-4, 4, 30)]
    assert all(b < a for a, b in pairwise(rewards))


@given(st.floats(-5, 5), priors)
def test_reward_sd_is_the_slope_of_reward_times_llr_sd(score, prior):
    found = value(score, prior)
    step = 1e-5
    slope = (p_error_of(found.llr + step, prior) - p_error_of(found.llr - step, prior)) / (2 * step)
    assert found.reward_sd == pytest.approx(2 * slope * found.llr_sd, rel=1e-4, abs=1e-9)


@given(st.floats(-5, 5))
def test_llr_sd_is_the_spread_over_the_bootstrap(score):
    refits = [(1.0, -1.0, 0.2), (1.5, -1.7, 0.25), (1.2, -1.4, 0.18)]
    expected = np.std([a * score + b - math.log(p / (1 - p)) for a, b, p in refits], ddof=1)
    assert value(score).llr_sd == pytest.approx(expected, abs=1e-12)


def test_no_bootstrap_no_deviation():
    found = value(1.0, refits=())
    assert (found.llr_sd, found.reward_sd) == (None, None)


@given(st.floats(0, 1), st.floats(0, 1), priors)
def test_noise_corrected_reward_is_unbiased(e0, e1, prior):
    """Natarajan 2013, lemma 1: the expectation over the decisions' noise is the reward of a faultless decision."""
    assume(1 - e0 - e1 >= 0.2)
    ok, error = noise_corrected_reward(False, e0, e1, prior), noise_corrected_reward(True, e0, e1, prior)
    baseline = 1 - 2 * prior
    assert (1 - e0) * ok + e0 * error == pytest.approx(1 - baseline, abs=1e-9)
    assert e1 * ok + (1 - e1) * error == pytest.approx(-1 - baseline, abs=1e-9)


@given(priors)
def test_noise_corrected_reward_of_a_session_is_zero_on_average(prior):
    ok, error = noise_corrected_reward(False, 0.2, 0.3, prior), noise_corrected_reward(True, 0.2, 0.3, prior)
    p_decided = prior * 0.7 + (1 - prior) * 0.2
    assert p_decided * error + (1 - p_decided) * ok == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("e0", "e1", "given_up"), [(0.4, 0.4, False), (0.41, 0.4, True), (0.5, 0.5, True), (0.9, 0.9, True)])
def test_noise_correction_is_given_up_where_it_would_multiply_noise(e0, e1, given_up):
    assert (noise_corrected_reward(True, e0 - 1e-9, e1, 0.2) is None) is given_up
    assert (value(1.0, e0=e0 - 1e-9, e1=e1).reward_nc is None) is given_up


@pytest.mark.parametrize("broken", [{"prior": 0.0}, {"prior": 1.0}, {"slope": math.nan}, {"refits": ((1, 1, 0),)}, {"refits": ((math.inf, 1, 0.2),)}])
def test_a_broken_calibration_is_refused(broken):
    with pytest.raises(MismatchError, match="calibration"):
        calibration_lines(calibration(**broken))
