"""Did the eyes answer? A decoder of ocular channels alone, and the decoder after they are regressed out."""

import numpy as np
from numpy.typing import NDArray

from decoders.fitted import GateLine
from decoders.gate.coarse import Judged, blocked_scores, coarse_edges_ms, plain, window_means
from decoders.gate.lines import FurtherLimits, Line, not_assessable, passed_or_failed
from decoders.lda import ShrinkageLDA
from decoders.metrics import area_under_curve, auc_interval

_PROXIES = {"fp1", "fp2", "af7", "af8"}
"""Next to the eyes. Never Fz or FPz: the first lies inside the error potential, the second between the eyes, where their dipoles cancel."""


def ocular_channels(channel_names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the channels that see the eyes: EOG electrodes where there are any, else Fp1, Fp2, AF7 and AF8."""
    recorded = tuple(name for name in channel_names if "eog" in name.lower())
    return recorded or tuple(name for name in channel_names if name.lower() in _PROXIES)


def ocular_line(judged: Judged, limits: FurtherLimits) -> GateLine:
    """Fail where ocular channels alone tell the classes apart and the decoder loses what they explain.

    Notes
    -----
    All on windows of a tenth of a second, each block decoded from the others by shrinkage LDA. With E the decoder's channels and O
    the ocular ones, both less their class means in the training blocks, B = argmin |E - O B|^2 (Gratton et al. 1983; Schlögl et
    al. 2007), and the decoder is fitted again on E - O B. Channels that are ocular themselves are left out after the regression.
    Eyes that move in one class only, and always alike, leave nothing to learn B from: then the AUC of the ocular channels stands in the
    sentence, but the line passes.
    A proxy also sees the brain: regression may then take some of the answer away, which is why both conditions have to hold.

    References
    ----------
    doi:10.1016/0013-4694(83)90135-9, doi:10.1016/j.clinph.2006.09.003.
    """
    eyes = ocular_channels(judged.channel_names)
    if not eyes:
        return not_assessable(Line.OCULAR, "Ocular: there is neither an EOG channel nor Fp1, Fp2, AF7 or AF8, so nobody can tell whether the eyes answered.")
    edges_ms = coarse_edges_ms(judged.spec)
    own = judged.spec.preprocessing
    seen, _ = window_means(judged, plain(judged, eyes), edges_ms)
    brain, _ = window_means(judged, own, edges_ms)
    positive = judged.trials.positive
    alone = blocked_scores(judged, seen)
    before = area_under_curve(blocked_scores(judged, brain), positive)
    kept = [k for k, name in enumerate(own.channel_names[: brain.shape[2]]) if name not in eyes]
    after = area_under_curve(_regressed_scores(judged, brain[:, :, kept], seen), positive) if kept else 0.5
    auc, lower = area_under_curve(alone, positive), auc_interval(alone, positive, confidence=0.9)[0]
    failed = lower > limits.ocular_auc and before - after > limits.ocular_fall
    sentence = (
        f"Ocular channels ({', '.join(eyes)}) alone reach AUC {auc:.2f}, lower bound {lower:.2f} (limit {limits.ocular_auc:.2f}); with them regressed out"
        f" the AUC goes from {before:.2f} to {after:.2f} (a fall of more than {limits.ocular_fall:.2f} together with the first fails)."
    )
    return GateLine(Line.OCULAR, passed_or_failed(not failed), lower, limits.ocular_auc, sentence)


def _regressed_scores(judged: Judged, brain: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (n_trials,) after regression; coefficients and decoder come from the other blocks."""
    trials, scores = judged.trials, np.empty(len(brain))
    for block in np.unique(trials.block):
        tested = trials.block == block
        train = ~trials.overlapping(tested)
        slopes = _propagation(brain[train], seen[train], trials.positive[train])
        clean = brain - seen @ slopes
        rows = np.ascontiguousarray(clean.reshape(len(clean), -1))
        classifier = ShrinkageLDA().fit(rows[train], trials.positive[train])
        scores[tested] = classifier.decision_function(rows[tested])
    return scores


def _propagation(brain: NDArray[np.float64], seen: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Least-squares coefficients (n_ocular, n_channels) of what is left after the class means."""
    brain, seen = brain.copy(), seen.copy()
    for mark in (positive, ~positive):
        brain[mark] -= brain[mark].mean(axis=0)
        seen[mark] -= seen[mark].mean(axis=0)
    found, *_ = np.linalg.lstsq(seen.reshape(-1, seen.shape[2]), brain.reshape(-1, brain.shape[2]), rcond=1e-6)
    return np.asarray(found, dtype=np.float64)
