"""The lines that every decoder needs, and the verdict, from llr of blocks that decoder and calibration never saw."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from decoders.fitted import GateLine
from decoders.gate.lines import FURTHER_LINES, RELEASE_LINES, GateLimits, GateVerdict, Line, Verdict, not_assessable, passed_or_failed
from decoders.metrics import calibration_slope, information_gains_bits
from decoders.permutation import permutation_p
from decoders.spec import FitError

_NOT_COMPUTED = {
    Line.OCULAR: "not computed: no ocular channel was compared with the decoder",
    Line.LEXICAL: "not computed: no length, frequency, position or surprisal of the units was compared with the decoder",
    Line.STATE: "not computed: no alpha, blink rate, reaction time or time on task was compared with the decoder",
    Line.PATTERN: "not computed: the pattern over time and electrodes was not looked at",
    Line.CONTROLS: "not computed: no decoder was fitted to permuted labels, noise or moved windows",
    Line.REJECTED: "not computed: rejected windows were not counted",
}


def judge(
    llr: NDArray[np.float64],
    positive: NDArray[np.bool_],
    blocks: NDArray[np.int64],
    *,
    needed: tuple[str, ...] = RELEASE_LINES,
    limits: GateLimits | None = None,
    seed: int = 0,
    further: Sequence[GateLine] = (),
) -> GateVerdict:
    """Judge held-out llr.

    Parameters
    ----------
    llr : (n_trials,) float64
        Of blocks that neither decoder nor calibration was fitted on; the base rate of `positive` is the prior.
    positive : (n_trials,) bool
        Both classes, at least two trials each.
    blocks : (n_trials,) int64
    needed : tuple of str
        Lines that must have passed for release.
    limits : GateLimits, optional
    seed : int
        Of the permutations.
    further : sequence of GateLine
        What `further_lines` found; any of them that failed holds. Lines missing here are listed as not assessable.

    Raises
    ------
    FitError
        `needed` names an unknown line, or a class has fewer than two trials.
    """
    unknown = sorted(set(needed) - set(Line))
    if unknown:
        raise FitError(f"The gate has no line '{unknown[0]}'; its lines are {', '.join(Line)}.")
    if min(positive.sum(), (~positive).sum()) < 2:
        raise FitError(f"{int(positive.sum())} positive and {int((~positive).sum())} negative held-out trials; the gate needs at least 2 of each.")
    limits = limits or GateLimits()
    found = {line.name: line for line in further}
    lines = (
        _information_gain(llr, positive, limits),
        _calibration_slope(llr, positive, limits),
        _permutation(llr, positive, blocks, limits, seed),
        _detection_j(llr, positive, limits),
        *(found.get(line) or not_assessable(line, f"{line}: {_NOT_COMPUTED[line]}.") for line in FURTHER_LINES),
    )
    passed = {line.name for line in lines if line.verdict == Verdict.PASSED}
    stopped = any(line.verdict == Verdict.FAILED for line in lines if line.name in FURTHER_LINES)
    return GateVerdict(lines, set(needed) <= passed and not stopped)


def _information_gain(llr: NDArray[np.float64], positive: NDArray[np.bool_], limits: GateLimits) -> GateLine:
    # The t interval over trials; an interval over five block means would hold back one good decoder in five (AUC .73, 60/240).
    gains = information_gains_bits(llr, positive, float(positive.mean()))
    half = stats.t.ppf(limits.confidence, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    mean, lower = float(gains.mean()), float(gains.mean() - half)
    sentence = f"Information gain {mean:.4f} bits a trial, lower bound {lower:.4f}; needs a lower bound above 0."
    return GateLine(Line.INFORMATION_GAIN, passed_or_failed(lower > 0), mean, lower, sentence)


def _calibration_slope(llr: NDArray[np.float64], positive: NDArray[np.bool_], limits: GateLimits) -> GateLine:
    slope, sd = calibration_slope(llr, positive)
    half = float(stats.norm.ppf(limits.confidence)) * sd
    lower, upper = slope - half, slope + half
    passed = lower > 0 and lower <= limits.slope_range[1] and upper >= limits.slope_range[0]
    needs = f"needs to meet {limits.slope_range[0]:g} to {limits.slope_range[1]:g} with a lower bound above 0"
    sentence = f"Calibration slope {slope:.2f}, interval {lower:.2f} to {upper:.2f}; {needs}."
    return GateLine(Line.CALIBRATION_SLOPE, passed_or_failed(passed), slope, lower, sentence)


def _permutation(llr: NDArray[np.float64], positive: NDArray[np.bool_], blocks: NDArray[np.int64], limits: GateLimits, seed: int) -> GateLine:
    p = permutation_p(llr, positive, blocks, limits.n_permutations, seed)
    sentence = f"Permutation of labels within blocks: p = {p:.2g} of {limits.n_permutations} permutations; needs less than {limits.permutation_p:g}."
    return GateLine(Line.PERMUTATION, passed_or_failed(p < limits.permutation_p), p, limits.permutation_p, sentence)


def _detection_j(llr: NDArray[np.float64], positive: NDArray[np.bool_], limits: GateLimits) -> GateLine:
    """J = TPR - FPR at llr > 0; lower bound after Newcombe (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I."""
    hits, false_alarms = (llr[positive] > 0), (llr[~positive] > 0)
    tpr, fpr = float(hits.mean()), float(false_alarms.mean())
    z = float(stats.norm.ppf(limits.confidence))
    tpr_lower, fpr_upper = _wilson(tpr, len(hits), -z), _wilson(fpr, len(false_alarms), z)
    lower = tpr - fpr - float(np.hypot(tpr - tpr_lower, fpr_upper - fpr))
    sentence = f"J = {tpr:.2f} - {fpr:.2f} = {tpr - fpr:.2f}, lower bound {lower:.2f}; thresholded verdicts need at least {limits.detection_j:.2f}."
    return GateLine(Line.DETECTION_J, passed_or_failed(lower >= limits.detection_j), tpr - fpr, lower, sentence)


def _wilson(rate: float, n: int, z: float) -> float:
    centre = rate + z * z / (2 * n)
    return float((centre + z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))) / (1 + z * z / n))
