"""Permutation of labels against held-out scores, within blocks and without refitting."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import stats

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])
_CHUNK = 1000
"""Permutations whose random numbers are drawn at once; bounds the memory at 1,000 x trials x 8 bytes."""


def _compiled(function: _Kernel) -> _Kernel:
    return cast("_Kernel", numba.njit(cache=True, fastmath=False)(function))


def permutation_p(scores: NDArray[np.float64], positive: NDArray[np.bool_], blocks: NDArray[np.int64], n_permutations: int = 10_000, seed: int = 0) -> float:
    """One-sided p of the rank sum of positive trials when labels are exchanged within blocks.

    Parameters
    ----------
    scores : (n_trials,) float64
        Held-out scores or llr; larger means positive.
    positive : (n_trials,) bool
    blocks : (n_trials,) int64
        Labels move only among trials of one block, so drift between blocks is no evidence.
    n_permutations : int
    seed : int

    Returns
    -------
    float
        (1 + number of permutations at least as large) / (1 + n_permutations).

    References
    ----------
    Phipson and Smyth (2010), doi:10.2202/1544-6115.1585.
    """
    ranks = stats.rankdata(scores)
    order = np.argsort(blocks, kind="stable")
    _, starts, sizes = np.unique(blocks[order], return_index=True, return_counts=True)
    drawn = np.array([int(positive[order][start : start + size].sum()) for start, size in zip(starts, sizes, strict=True)], dtype=np.int64)
    bounds = np.concatenate([starts, [len(scores)]]).astype(np.int64)
    observed = float(ranks[positive].sum())
    pool, rng = ranks[order].copy(), np.random.default_rng(seed)
    reached = 0
    for first in range(0, n_permutations, _CHUNK):
        uniforms = rng.random((min(_CHUNK, n_permutations - first), int(drawn.sum())))
        # ranks are multiples of .5, so their sums are exact and equality is safe
        reached += int((rank_sums(pool, bounds, drawn, uniforms) >= observed).sum())
    return (1 + reached) / (1 + n_permutations)


@_compiled
def rank_sums(pool: NDArray[np.float64], bounds: NDArray[np.int64], drawn: NDArray[np.int64], uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw `drawn[b]` ranks without replacement from each block and add them up, once per row of uniforms.

    Parameters
    ----------
    pool : (n_trials,) float64
        Ranks, block after block; reordered in place (a shuffled pool is as good a start for the next draw).
    bounds : (n_blocks + 1,) int64
        Where blocks start and end in `pool`.
    drawn : (n_blocks,) int64
        Positive trials per block.
    uniforms : (n_permutations, sum of drawn) float64
        In [0, 1).

    Returns
    -------
    (n_permutations,) float64
    """
    sums = np.zeros(uniforms.shape[0])
    for i in range(uniforms.shape[0]):
        total, k = 0.0, 0
        for b in range(drawn.shape[0]):
            for j in range(drawn[b]):
                # Fisher-Yates, only as far as ranks are drawn
                here = bounds[b] + j
                other = here + int(uniforms[i, k] * (bounds[b + 1] - here))
                k += 1
                value = pool[other]
                pool[other] = pool[here]
                pool[here] = value
                total += value
        sums[i] = total
    return sums
