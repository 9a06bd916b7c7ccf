"""`token-rewards` and `verl`: rewards at spans of a response, and on the tokens of a tokenizer where one is asked for."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from server.snapshots.evidence import ResponseEvidence
from server.snapshots.formats.form import F64, I64, ORIGIN, Form, Material, Origin, Row, S, origin
from server.snapshots.projection import Mode, project
from server.snapshots.tokenizing import NamedTokenizer


class TokenRewardsRow(Origin):
    """One response with the rewards of its units."""

    prompt: str
    completion: str
    spans: list[list[int]]
    """[start, end) of each unit, in code points of `completion`."""
    rewards: list[float]
    """One per span: 2 (prior - p_error)."""
    weights: list[float]
    """One per span: tanh(|llr|/2), how much is known."""
    response_id: str
    token_ids: list[int] | None
    token_offsets: list[list[int]] | None
    token_rewards_last: list[float] | None
    """Each unit's reward on its last token."""
    token_rewards_density: list[float] | None
    """Each unit's reward spread over its tokens by the characters they cover. Both sum to the sum of `rewards` - `uncovered`."""
    uncovered: float | None
    """Sum of the rewards of units that no token covers."""


class Message(Row):
    """One message of a conversation."""

    role: str
    content: str


class RewardModel(Row):
    """How veRL shall come to a reward."""

    style: str
    ground_truth: str


class ExtraInfo(Origin):
    """What a reward function of veRL gets beside the text."""

    response_id: str
    completion: str
    spans: list[list[int]]
    rewards: list[float]
    weights: list[float]
    score: float


class VerlRow(Row):
    """A row of veRL's Parquet data sets."""

    data_source: str
    prompt: list[Message]
    ability: str
    reward_model: RewardModel
    extra_info: ExtraInfo


def token_rewards_rows(material: Material) -> Iterator[dict[str, Any]]:
    """Make a row of every response; units without a place in the text are left out."""
    for e in material.responses:
        spans, rewards, weights = _placed(e, material)
        if spans:
            yield {
                **origin([e]),
                "prompt": e.prompt,
                "completion": e.response,
                "spans": spans,
                "rewards": rewards,
                "weights": weights,
                "response_id": e.response_id,
                **_on_tokens(e.response, spans, rewards, material.tokenizer),
            }


def _placed(e: ResponseEvidence, material: Material) -> tuple[list[list[int]], list[float], list[float]]:
    units = [u for u in e.units if u.char_start is not None and u.char_end is not None and 0 <= u.char_start <= u.char_end <= len(e.response)]
    material.counted.left_out["without_place"] += sum(len(u.label_ids) for u in e.units) - sum(len(u.label_ids) for u in units)
    return [[u.char_start or 0, u.char_end or 0] for u in units], [u.reward for u in units], [u.weight for u in units]


def _on_tokens(text: str, spans: list[list[int]], rewards: list[float], tokenizer: NamedTokenizer | None) -> dict[str, Any]:
    if tokenizer is None:
        return dict.fromkeys(("token_ids", "token_offsets", "token_rewards_last", "token_rewards_density", "uncovered"))
    tokens = tokenizer.tokens_of(text)
    pairs = [(start, end) for start, end in spans]
    last, density = (project(pairs, rewards, tokens.offsets, mode) for mode in (Mode.LAST, Mode.DENSITY))
    return {
        "token_ids": tokens.ids,
        "token_offsets": [list(o) for o in tokens.offsets],
        "token_rewards_last": last.rewards.tolist(),
        "token_rewards_density": density.rewards.tolist(),
        "uncovered": last.left,
    }


def verl_rows(material: Material) -> Iterator[dict[str, Any]]:
    """Make a row of every response; `extra_info` holds spans and rewards."""
    for e in material.responses:
        spans, rewards, weights = _placed(e, material)
        info = {"response_id": e.response_id, "completion": e.response, "spans": spans, "rewards": rewards, "weights": weights, "score": e.score}
        yield {
            "data_source": "rlhb",
            "prompt": [{"role": "user", "content": e.prompt}],
            "ability": "neural_reward",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {**origin([e]), **info},
        }


_SPANS = pa.list_(pa.list_(I64))
_FLOATS = pa.list_(F64)
_TOKEN_REWARDS = pa.schema(
    [
        *ORIGIN, ("prompt", S), ("completion", S), ("spans", _SPANS), ("rewards", _FLOATS), ("weights", _FLOATS), ("response_id", S),
        ("token_ids", pa.list_(I64)), ("token_offsets", _SPANS), ("token_rewards_last", _FLOATS), ("token_rewards_density", _FLOATS), ("uncovered", F64),
    ]
)  # fmt: skip
_EXTRA = pa.struct([*ORIGIN, ("response_id", S), ("completion", S), ("spans", _SPANS), ("rewards", _FLOATS), ("weights", _FLOATS), ("score", F64)])
_VERL = pa.schema(
    [
        ("data_source", S),
        ("prompt", pa.list_(pa.struct([("role", S), ("content", S)]))),
        ("ability", S),
        ("reward_model", pa.struct([("style", S), ("ground_truth", S)])),
        ("extra_info", _EXTRA),
    ]
)
TOKEN_REWARDS = Form(TokenRewardsRow, _TOKEN_REWARDS, token_rewards_rows)
VERL = Form(VerlRow, _VERL, verl_rows)
