"""Rewards of units onto the tokens of any tokenizer, by character offsets alone; the sum is conserved exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


class Mode(StrEnum):
    """Where in a unit's tokens its reward goes."""

    LAST = "last"
    """All of it on the unit's last token: what is known once the unit is read."""
    DENSITY = "density"
    """Spread over its tokens by the characters they cover."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Rewards per token, and what no token could take."""

    rewards: NDArray[np.float64]
    """(n_tokens,), one per token."""
    left: float
    """Sum of the rewards of units that no token covers (a text cut off by the tokenizer); 0 when all of them are covered."""


def project_exactly(
    spans: Sequence[tuple[int, int]], rewards: Sequence[Fraction], offsets: Sequence[tuple[int, int]], mode: Mode
) -> tuple[list[Fraction], Fraction]:
    """Lay rewards on tokens in rational numbers.

    Parameters
    ----------
    spans : sequence of (int, int)
        Of the units, in code points of the response, end excluded; they may overlap.
    rewards : sequence of fractions.Fraction
    offsets : sequence of (int, int)
        Of the tokens, in the same code points. Tokens may share characters (bytes of one emoji), be empty (special tokens) and leave
        characters out (white space).
    mode : Mode

    Returns
    -------
    list of fractions.Fraction
        One per token.
    fractions.Fraction
        What no token could take. Sum over tokens + this = sum over units, exactly.

    Notes
    -----
    A character that n tokens share counts 1/n for each: a unit's reward is spread by
    c_t = sum over its characters x of [x in t] / n(x), reward_t = reward * c_t / sum over t of c_t.
    """
    by_token = [Fraction(0)] * len(offsets)
    covering = _tokens_of_characters(spans, offsets)
    left = Fraction(0)
    for (start, end), reward in zip(spans, rewards, strict=True):
        shares: dict[int, Fraction] = {}
        for place in range(start, end):
            tokens = covering.get(place, ())
            for token in tokens:
                shares[token] = shares.get(token, Fraction(0)) + Fraction(1, len(tokens))
        if not shares:
            left += reward
        elif mode is Mode.LAST:
            by_token[max(shares)] += reward
        else:
            total = sum(shares.values(), Fraction(0))
            for token, share in shares.items():
                by_token[token] += reward * share / total
    return by_token, left


def _tokens_of_characters(spans: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """Tokens that cover each character of the units; a character outside every unit is of no interest."""
    wanted = {place for start, end in spans for place in range(start, end)}
    covering: dict[int, list[int]] = {}
    for token, (start, end) in enumerate(offsets):
        for place in range(start, end):
            if place in wanted:
                covering.setdefault(place, []).append(token)
    return covering


def project(spans: Sequence[tuple[int, int]], rewards: Sequence[float], offsets: Sequence[tuple[int, int]], mode: Mode) -> Projection:
    """Lay rewards on tokens; as `project_exactly`, with the result rounded to float64.

    Parameters
    ----------
    spans : sequence of (int, int)
    rewards : sequence of float
        Finite.
    offsets : sequence of (int, int)
    mode : Mode

    Raises
    ------
    ValueError
        A reward is not finite, or there is not one per span.

    Notes
    -----
    Every token's reward is correctly rounded, so the sum of n tokens is off by n/2 units in the last place of the largest at most.
    """
    if len(rewards) != len(spans):
        raise ValueError(f"There are {len(rewards)} rewards for {len(spans)} units; there must be one for each.")
    if not np.isfinite(np.asarray(rewards, dtype=np.float64)).all():
        raise ValueError("A reward is not finite; leave its unit out.")
    by_token, left = project_exactly(spans, [Fraction(r) for r in rewards], offsets, mode)
    return Projection(np.array([float(r) for r in by_token], dtype=np.float64), float(left))


def byte_to_character_offsets(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Turn offsets in UTF-8 bytes into offsets in code points.

    Parameters
    ----------
    text : str
    offsets : sequence of (int, int)
        In bytes of the UTF-8 text. A token that begins or ends inside a character covers that character.
    """
    character_of = [place for place, character in enumerate(text) for _ in character.encode()] + [len(text)]
    return [(character_of[start], character_of[end - 1] + 1 if end > start else character_of[start]) for start, end in offsets]
