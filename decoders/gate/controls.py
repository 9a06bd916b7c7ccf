"""Does the procedure itself make up an answer? Permuted labels, noise for signal, windows that end before the onset."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from decoders.fitted import GateLine
from decoders.gate.coarse import Judged, blocked_scores, coarse_edges_ms, window_means
from decoders.gate.lines import FurtherLimits, Line, passed_or_failed
from decoders.gate.pattern import permuted_within
from decoders.metrics import area_under_curve
from decoders.spec import FitError

_SHIFT_MS = -1000.0
_DRAWS = 3
_DEPENDENT_P = 0.05
_MAX_LAGS = 12


def controls_line(judged: Judged, limits: FurtherLimits, seed: int = 0) -> GateLine:
    """Fail where a decoder fitted to what cannot hold an answer is better than chance.

    Notes
    -----
    The null of an AUC over n1 and n0 trials has the variance (n1 + n0 + 1)/(12 n1 n0). Permuted labels and noise take the mean of
    three draws. A window moved by -1 s lies in the answers to earlier units where units follow fast: it is a control only if labels
    cannot be foretold from the ones before (rank correlation at every lag inside the window, Bonferroni), and is left out else.
    """
    positive, rng = judged.trials.positive, np.random.default_rng(seed)
    means, _ = window_means(judged, judged.spec.preprocessing, coarse_edges_ms(judged.spec))
    n1, n0 = int(positive.sum()), int((~positive).sum())
    bound = 0.5 + float(stats.norm.isf(limits.controls_p)) * float(np.sqrt((n1 + n0 + 1) / (12 * n1 * n0)))
    found = {"permuted labels": _permuted(judged, means, rng), "noise": _noise(judged, means, rng)}
    left_out = ""
    if labels_are_foretold(judged):
        left_out = " Windows moved by -1 s are no control here: the order of the units foretells their class, and they hold the answers to earlier ones."
    else:
        moved = _moved(judged)
        if moved is None:
            left_out = " Windows moved by -1 s could not be decoded: too few lie inside the recordings."
        else:
            found["windows moved by -1 s"] = moved
    worst = max(found.values())
    listing = ", ".join(f"{name} {auc:.2f}" for name, auc in found.items())
    sentence = f"AUC where no answer can be: {listing} (chance stays under {bound:.2f}).{left_out}"
    return GateLine(Line.CONTROLS, passed_or_failed(worst <= bound), worst, bound, sentence)


def _permuted(judged: Judged, means: NDArray[np.float64], rng: np.random.Generator) -> float:
    aucs = []
    for _ in range(_DRAWS):
        labels = permuted_within(judged.trials.positive, judged.trials.block, rng)
        aucs.append(area_under_curve(blocked_scores(judged, means, labels), labels))
    return float(np.mean(aucs))


def _noise(judged: Judged, means: NDArray[np.float64], rng: np.random.Generator) -> float:
    scores = [blocked_scores(judged, rng.standard_normal(means.shape)) for _ in range(_DRAWS)]
    return float(np.mean([area_under_curve(s, judged.trials.positive) for s in scores]))


def _moved(judged: Judged) -> float | None:
    means, inside = window_means(judged, judged.spec.preprocessing, coarse_edges_ms(judged.spec), _SHIFT_MS)
    there = Judged(judged.store, judged.spec, judged.trials.subset(inside), judged.llr[inside])
    shift = round(_SHIFT_MS * judged.spec.preprocessing.sampling_rate_hz / 1000)
    try:
        return area_under_curve(blocked_scores(there, means[inside], shift_samples=shift), there.trials.positive)
    except (FitError, ValueError, ZeroDivisionError):
        return None


def labels_are_foretold(judged: Judged) -> bool:
    """Say whether the class of a unit goes with the classes of units before it, as far back as a moved window reaches."""
    rate_hz, worst = judged.spec.preprocessing.sampling_rate_hz, 1.0
    reach_s = (judged.spec.window.end_ms - judged.spec.window.start_ms - _SHIFT_MS) / 1000
    for session in judged.store.sessions:
        if len(session.onset_samples) < 2:
            continue
        soa_s = float(np.median(np.diff(session.onset_samples))) / rate_hz
        lags = min(_MAX_LAGS, int(reach_s / max(soa_s, 1e-3)), len(session.positive) - 3)
        marks = session.positive.astype(np.float64)
        for lag in range(1, lags + 1):
            if marks[lag:].std() > 0 and marks[:-lag].std() > 0:
                p = stats.pearsonr(marks[lag:], marks[:-lag]).pvalue
                worst = min(worst, float(p) * lags * len(judged.store.sessions))
    return worst < _DEPENDENT_P
