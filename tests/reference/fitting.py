"""Slow, obvious twins of what the fitting half of the decoder room computes."""

import math

import numpy as np


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Count pairs."""
    wins = 0.0
    for one in scores[positive]:
        for zero in scores[~positive]:
            wins += 1.0 if one > zero else 0.5 if one == zero else 0.0
    return wins / (positive.sum() * (~positive).sum())


def information_gain_bits(llr: np.ndarray, positive: np.ndarray, prior: float) -> float:
    """Go through probabilities."""
    total = 0.0
    for value, mark in zip(llr, positive, strict=True):
        odds = math.exp(value) * prior / (1 - prior)
        p = odds / (1 + odds)
        total += math.log2(p / prior) if mark else math.log2((1 - p) / (1 - prior))
    return total / len(llr)


def permutation_p(scores: np.ndarray, positive: np.ndarray, blocks: np.ndarray, n: int, seed: int) -> float:
    """Shuffle labels in every block and count; an own stream of random numbers."""
    rng = np.random.default_rng(seed)
    observed = auc(scores, positive)
    reached = 0
    for _ in range(n):
        labels = positive.copy()
        for block in np.unique(blocks):
            labels[blocks == block] = rng.permutation(labels[blocks == block])
        reached += auc(scores, labels) >= observed - 1e-12
    return (1 + reached) / (1 + n)


def pooled_covariance(rows: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Sum outer products of deviations from the class means."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for mark in (True, False):
        part = rows[positive == mark]
        for row in part:
            deviation = row - part.mean(axis=0)
            total += np.outer(deviation, deviation)
    return total / len(rows)
