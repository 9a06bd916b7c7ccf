"""What the pictures of a validity report are drawn from, as JSON values: held-out figures and plain averages, no fit of the decoder itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.gate.coarse import COARSE_MS, Judged, coarse_edges_ms, window_means
from decoders.gate.pattern import haufe_pattern
from decoders.lda import ShrinkageLDA
from decoders.metrics import area_under_curve

STEP_MS = 20.0
BEFORE_MS = 200.0
MAX_POINTS = 200
N_BINS = 24
_DIGITS = 4


def pictures(judged: Judged) -> dict[str, Any]:
    """Collect averages, pattern, ROC, histogram, temporal generalisation and learning curve.

    Parameters
    ----------
    judged : Judged
        Trials with their held-out llr.

    Returns
    -------
    dict
        JSON values; potentials in microvolt, times in milliseconds.
    """
    return {
        "averages": _averages(judged),
        "pattern": _pattern(judged),
        "roc": _roc(judged.llr, judged.trials.positive),
        "histogram": _histogram(judged.llr, judged.trials.positive),
        "temporal_generalisation": _generalisation(judged),
        "learning_curve": _learning_curve(judged),
    }


def _averages(judged: Judged) -> dict[str, Any]:
    """Mean response of both classes with the standard error over trials, through the decoder's filter, baseline before the onset."""
    own = judged.spec.preprocessing
    edges_ms = coarse_edges_ms(judged.spec, STEP_MS, BEFORE_MS)
    means, inside = window_means(judged, own, edges_ms)
    means -= means[:, np.array(edges_ms[1:]) <= 0].mean(axis=1, keepdims=True)
    classes = {}
    for name, of_class in (("positive", judged.trials.positive & inside), ("negative", ~judged.trials.positive & inside)):
        found = means[of_class]
        deviation = found.std(axis=0, ddof=1) if len(found) > 1 else np.zeros(means.shape[1:])
        classes[name] = {"n": len(found), "mean_uv": _rounded(found.mean(axis=0)), "se_uv": _rounded(deviation / np.sqrt(max(1, len(found))))}
    return {"times_ms": _centres(edges_ms), "channel_names": list(own.channel_names), **classes}


def _pattern(judged: Judged) -> dict[str, Any]:
    found = haufe_pattern(judged)
    return {"times_ms": _centres(found.edges_ms), "channel_names": list(found.channel_names), "correlation": _rounded(found.weights)}


def _roc(llr: NDArray[np.float64], positive: NDArray[np.bool_]) -> dict[str, Any]:
    order = np.argsort(-llr, kind="stable")
    hits = np.concatenate([[0.0], np.cumsum(positive[order]) / positive.sum()])
    alarms = np.concatenate([[0.0], np.cumsum(~positive[order]) / (~positive).sum()])
    picked = np.unique(np.linspace(0, len(hits) - 1, min(len(hits), MAX_POINTS)).round().astype(int))
    return {"false_positive_rate": _rounded(alarms[picked]), "true_positive_rate": _rounded(hits[picked])}


def _histogram(llr: NDArray[np.float64], positive: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = np.quantile(llr, (0.005, 0.995))
    edges = np.linspace(low, max(high, low + 1e-6), N_BINS + 1)
    inside = np.clip(llr, edges[0], edges[-1])
    counts = {name: np.histogram(inside[mask], edges)[0].tolist() for name, mask in (("positive", positive), ("negative", ~positive))}
    return {"edges": _rounded(edges), **counts}


def _halves(judged: Judged) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Trials of the earlier blocks, and those of the later ones that share no sample with them."""
    blocks = np.unique(judged.trials.block)
    late = judged.trials.block >= blocks[len(blocks) // 2]
    return ~judged.trials.overlapping(late), late


def _generalisation(judged: Judged) -> dict[str, Any]:
    """AUC of a discriminant learnt at one time of the earlier blocks, at another of the later blocks (King and Dehaene 2014)."""
    edges_ms = coarse_edges_ms(judged.spec, COARSE_MS / 2, BEFORE_MS)
    means, inside = window_means(judged, judged.spec.preprocessing, edges_ms)
    early, late = (half & inside for half in _halves(judged))
    positive = judged.trials.positive
    if any(positive[half].all() or not positive[half].any() for half in (early, late)):
        return {"times_ms": [], "auc": []}
    fitted = [ShrinkageLDA().fit(means[early, w], positive[early]) for w in range(means.shape[1])]
    auc = [[area_under_curve(lda.decision_function(means[late, w]), positive[late]) for w in range(means.shape[1])] for lda in fitted]
    return {"times_ms": _centres(edges_ms), "auc": _rounded(np.array(auc))}


def _learning_curve(judged: Judged) -> dict[str, Any]:
    """AUC on the later half of the blocks against the number of trials of the earlier half that a coarse discriminant is fitted on."""
    means, inside = window_means(judged, judged.spec.preprocessing, coarse_edges_ms(judged.spec))
    rows = means.reshape(len(means), -1)
    early, late = (half & inside for half in _halves(judged))
    positive, first = judged.trials.positive, np.flatnonzero(early)
    points = []
    for n in np.unique(np.linspace(len(first) / 8, len(first), 8).round().astype(int)):
        part = first[:n]
        enough = min(int(positive[part].sum()), int((~positive[part]).sum())) >= 3
        if enough and positive[late].any() and not positive[late].all():
            lda = ShrinkageLDA().fit(rows[part], positive[part])
            points.append((int(n), area_under_curve(lda.decision_function(rows[late]), positive[late])))
    return {"n_trials": [n for n, _ in points], "auc": _rounded(np.array([auc for _, auc in points]))}


def _centres(edges_ms: tuple[float, ...]) -> list[float]:
    edges = np.array(edges_ms)
    return _rounded((edges[1:] + edges[:-1]) / 2)


def _rounded(values: NDArray[np.float64]) -> Any:
    return np.round(values, _DIGITS).tolist()
