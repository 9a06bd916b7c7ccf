"""Where and when does the score come from? Not from before the onset, not from the rim of the head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.fitted import GateLine
from decoders.gate.coarse import Judged, coarse_edges_ms, window_means
from decoders.gate.lines import FurtherLimits, Line, not_assessable, passed_or_failed
from messaging.words import Signal

_BEFORE_MS = 200.0
_STEP_MS = 50.0
_RIM = {
    "fp1", "fpz", "fp2", "af7", "af8", "f7", "f8", "f9", "f10", "ft7", "ft8", "ft9", "ft10", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10",
    "tp7", "tp8", "tp9", "tp10", "p9", "p10", "m1", "m2", "a1", "a2",
}  # fmt: skip
"""Lowest ring of the 10-05 system without the occipital electrodes: eyes and muscles are largest here, answers to pictures are not."""
_PRE_SHARE = 0.5
_PERMUTATIONS = 199
_PRE_P = 0.01


@dataclass(frozen=True, slots=True)
class Pattern:
    """Haufe pattern of the decoder, over time and channel."""

    edges_ms: tuple[float, ...]
    channel_names: tuple[str, ...]
    weights: NDArray[np.float64]
    """(n_windows, n_channels): correlation of the window's mean with held-out llr."""


def haufe_pattern(judged: Judged, step_ms: float = _STEP_MS, before_ms: float = _BEFORE_MS) -> Pattern:
    """Correlate held-out llr with the signal at every time and channel.

    Notes
    -----
    For a score s = w.x the pattern is a = Cov(x, s) / Var(s); with any other scorer it is the same quantity of the score it gives.
    Divided by the standard deviations of x it does not depend on the channel's scale.

    References
    ----------
    Haufe et al. (2014), doi:10.1016/j.neuroimage.2013.10.067.
    """
    edges_ms = coarse_edges_ms(judged.spec, step_ms, before_ms)
    means, inside = window_means(judged, judged.spec.preprocessing, edges_ms)
    return Pattern(edges_ms, judged.spec.preprocessing.channel_names, _correlation(means[inside], judged.llr[inside]))


def _correlation(means: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = means - means.mean(axis=0)
    s = scores - scores.mean()
    spread = np.sqrt((centred**2).sum(axis=0) * (s**2).sum())
    return np.einsum("twc,t->wc", centred, s) / np.where(spread > 0, spread, 1.0)


def pattern_line(judged: Judged, limits: FurtherLimits, seed: int = 0) -> GateLine:
    """Fail where the pattern's peak lies at the rim, or where the classes differ before the onset half as much as after it.

    Notes
    -----
    Before the onset: the largest class difference (in standard deviations) over windows and channels, against the same under labels
    permuted within blocks (p < .01), and at least half of the peak after the onset. Both: slow activity alone differs a little, and
    in fast sequences the answer to the unit before lies there.
    """
    if judged.spec.signal is Signal.CONFIDENCE:
        return not_assessable(Line.PATTERN, "Pattern: the decoder is locked to responses, which have no time before the onset without activity.")
    edges_ms = coarse_edges_ms(judged.spec, _STEP_MS, _BEFORE_MS)
    means, inside = window_means(judged, judged.spec.preprocessing, edges_ms)
    means, positive, blocks = means[inside], judged.trials.positive[inside], judged.trials.block[inside]
    names = judged.spec.preprocessing.channel_names
    starts, ends = np.array(edges_ms[:-1]), np.array(edges_ms[1:])
    pattern = np.abs(_correlation(means, judged.llr[inside]))
    window, channel = np.unravel_index(int(np.where(starts[:, np.newaxis] >= 0, pattern, -1).argmax()), pattern.shape)
    inner = [name for name in names if name.lower() not in _RIM]
    if not inner:
        return not_assessable(Line.PATTERN, f"Pattern: all channels ({', '.join(names)}) lie at the rim of the head, so the place of the answer tells nothing.")
    difference = _difference(means, positive)
    before, after = float(difference[ends <= 1e-6].max()), float(difference[starts >= 0].max())
    p = _permutation_p(means[:, ends <= 1e-6], positive, blocks, before, seed)
    early, rim = p < _PRE_P and before > _PRE_SHARE * after, names[channel].lower() in _RIM
    sentence = (
        f"The pattern is largest at {names[channel]}, {starts[window]:.0f} to {ends[window]:.0f} ms{' (the rim of the head)' if rim else ''}; before the onset"
        f" the classes differ by {before:.2f} standard deviations at most (permutation p = {p:.2g}), after it by {after:.2f}."
    )
    return GateLine(Line.PATTERN, passed_or_failed(not early and not rim), before / max(after, 1e-12), _PRE_SHARE, sentence)


def _difference(means: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    one, zero = means[positive], means[~positive]
    spread = np.sqrt((one.var(axis=0) * len(one) + zero.var(axis=0) * len(zero)) / len(means))
    return np.asarray(np.abs(one.mean(axis=0) - zero.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float64)


def _permutation_p(means: NDArray[np.float64], positive: NDArray[np.bool_], blocks: NDArray[np.int64], observed: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    reached = 0
    for _ in range(_PERMUTATIONS):
        reached += float(_difference(means, permuted_within(positive, blocks, rng)).max()) >= observed
    return (1 + reached) / (1 + _PERMUTATIONS)


def permuted_within(positive: NDArray[np.bool_], blocks: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Exchange labels within blocks."""
    labels = positive.copy()
    for block in np.unique(blocks):
        inside = blocks == block
        labels[inside] = rng.permutation(labels[inside])
    return labels
