"""The label row, `rlhb.label.v1`: every key always present, null where unknown or not applicable."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from messaging.rewards import DecoderStatement, Quality, Reward
from messaging.words import ClockKind, LabelKind, OnsetSource, ReleaseState, Signal, Source, TimeLock

LABEL_SCHEMA = "rlhb.label.v1"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Selection(_Frozen):
    """How the item was chosen."""

    policy: str
    propensity: float | None


class GeneratorRow(_Frozen):
    """Which model wrote the response; the arrays only with ``include=generator``."""

    model: str
    revision: str | None
    token_ids: tuple[int, ...] | None
    token_bytes: tuple[str, ...] | None
    logprobs: tuple[float, ...] | None


class UnitRow(_Frozen):
    """The unit; its span counts Unicode code points of the exact response."""

    index: int
    char_start: int | None
    char_end: int | None
    text: str


class MarkerRow(_Frozen):
    """A verdict that was shown."""

    kind: str
    polarity: str | None
    source: str | None


class PairRow(_Frozen):
    """The other response of a pair."""

    response_id_b: str
    order: str
    choice: str | None


class StepRow(_Frozen):
    """A step of a chain of thought."""

    step_id: str
    parent_id: str | None
    first_error_p: float | None
    action: str | None


class RatingRow(_Frozen):
    """A rating given beside."""

    value: float
    scale: str
    rt_ms: float | None
    scope: str


class LabelRow(_Frozen):
    """One revision of one label."""

    # identity
    label_id: str
    revision: int = Field(ge=1)
    seq: int = Field(ge=1)
    current: bool
    kind: LabelKind
    signal: Signal
    # where from
    session_id: str
    subject: str
    recording_id: str
    protocol: str
    task: str
    block: int
    trial: int | None
    presentation: str
    repeat: int
    selection: Selection | None
    catch: Literal["none", "good", "bad"]
    source: Source
    clock: ClockKind
    consent: str | None
    # what was shown
    item_id: str | None
    response_id: str | None
    prompt: str | None
    response: str | None
    generator: GeneratorRow | None
    unit: UnitRow | None
    marker: MarkerRow | None
    pair: PairRow | None
    step: StepRow | None
    # when
    onset_lsl_s: float | None
    offset_lsl_s: float | None
    onset_sd_ms: float | None
    onset_source: OnsetSource | None
    time_lock: TimeLock
    sample_index: int | None
    window_ms: tuple[float, float] | None
    soa_ms: float | None
    display_latency_ms: float | None
    # value
    llr: float | None
    llr_sd: float | None
    prior_removed: float | None
    prior: float
    p_error: float | None
    reward: float | None
    reward_sd: float | None
    reward_nc: float | None
    confidence: float | None
    value: float | None
    value_sd: float | None
    pair_llr: float | None
    # trust
    release: ReleaseState
    release_reason: str | None
    late: bool
    quality: Quality
    reference: str
    montage: str
    decoder: DecoderStatement | None
    # beside
    rating: RatingRow | None
    created_at: str


class SupersededRow(_Frozen):
    """What a follower gets of a row that no longer fits its filter although an earlier revision did."""

    label_id: str
    revision: int
    seq: int
    release: ReleaseState
    release_reason: str | None
    superseded: Literal[True] = True


_FROM_REWARD = tuple(name for name in LabelRow.model_fields if name in Reward.model_fields and name != "unit")


def row_of(reward: Reward, *, seq: int, revision: int, current: bool, release: ReleaseState, reason: str | None, created_at: str) -> dict[str, Any]:
    """Make the row of a reward, without prompt, response and generator, which are kept once per response.

    Parameters
    ----------
    reward : Reward
    seq, revision : int
    current : bool
        The decoder is the session's current one for this signal.
    release, reason : ReleaseState, str or None
        The decoder's own, or an operator's hold over it.
    created_at : str

    Returns
    -------
    dict
        JSON values, in the order of the contract.
    """
    unit = reward.unit
    row = LabelRow.model_validate(
        {
            **{name: getattr(reward, name) for name in _FROM_REWARD},
            "revision": revision,
            "seq": seq,
            "current": current,
            "selection": None,
            "catch": "none",
            "item_id": None if unit is None else unit.item_id,
            "response_id": None if unit is None else unit.response_id,
            "prompt": None,
            "response": None,
            "generator": None,
            "unit": None if unit is None else UnitRow(index=unit.index, char_start=unit.char_start, char_end=unit.char_end, text=unit.text),
            "marker": None if unit is None or unit.marker is None else unit.marker.model_dump(mode="json"),
            "pair": None,
            "step": None if unit is None or unit.step is None else StepRow(**unit.step.model_dump(), first_error_p=None, action=None),
            "release": release,
            "release_reason": reason,
            "rating": None,
            "created_at": created_at,
        }
    )
    return row.model_dump(mode="json")
