"""Rows of the label log, `rlhb.label.v1`, as frozen dataclasses; what a newer server adds is kept in `extra`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rlhb_client.errors import UnreadableError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Selection:
    """How the item was chosen."""

    policy: str | None = None
    propensity: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generator:
    """Which model wrote the response; the arrays only with ``include=("text", "generator")``."""

    model: str | None = None
    revision: str | None = None
    token_ids: tuple[int, ...] | None = None
    token_bytes: tuple[str, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit that was shown; its span counts Unicode code points of the exact response, the end is not included."""

    index: int = 0
    char_start: int | None = None
    char_end: int | None = None
    text: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Marker:
    """A verdict that was shown."""

    kind: str | None = None
    polarity: str | None = None
    source: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """The other response of a pair, and which one the subject chose (``a`` or ``b``)."""

    response_id_b: str | None = None
    order: str | None = None
    choice: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a chain of thought."""

    step_id: str | None = None
    parent_id: str | None = None
    first_error_p: float | None = None
    action: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quality:
    """How the window of EEG looks."""

    artifact: str | None = None
    gap: int = 0
    impedance: float | None = None
    drift: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoder:
    """Which decoder made the label, and how well it did on held-out blocks of its calibration."""

    name: str | None = None
    version: int | None = None
    sha256: str | None = None
    task: str | None = None
    soa_ms: float | None = None
    calibration_id: str | None = None
    auc: float | None = None
    auc_ci95: tuple[float, float] | None = None
    trained_on: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    adapted_to: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating given beside."""

    value: float | None = None
    scale: str | None = None
    rt_ms: float | None = None
    scope: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Label:
    """One revision of one label. None: unknown, or not applicable. Sign: ``llr`` > 0 and ``reward`` < 0 speak for an error."""

    # identity
    label_id: str
    revision: int
    seq: int
    release: str
    """``ok``, ``held`` or ``revoked``: only ``ok`` may be learnt from."""
    current: bool | None = None
    kind: str | None = None
    signal: str | None = None
    # where from
    session_id: str | None = None
    subject: str | None = None
    recording_id: str | None = None
    protocol: str | None = None
    task: str | None = None
    block: int | None = None
    trial: int | None = None
    presentation: str | None = None
    repeat: int | None = None
    selection: Selection | None = None
    catch: str | None = None
    source: str | None = None
    clock: str | None = None
    consent: str | None = None
    # what was shown
    item_id: str | None = None
    response_id: str | None = None
    prompt: str | None = None
    response: str | None = None
    generator: Generator | None = None
    unit: Unit | None = None
    marker: Marker | None = None
    pair: Pair | None = None
    step: Step | None = None
    # when
    onset_lsl_s: float | None = None
    offset_lsl_s: float | None = None
    onset_sd_ms: float | None = None
    onset_source: str | None = None
    time_lock: str | None = None
    sample_index: int | None = None
    window_ms: tuple[float, float] | None = None
    soa_ms: float | None = None
    display_latency_ms: float | None = None
    # value
    llr: float | None = None
    llr_sd: float | None = None
    prior_removed: float | None = None
    prior: float | None = None
    p_error: float | None = None
    reward: float | None = None
    reward_sd: float | None = None
    reward_nc: float | None = None
    confidence: float | None = None
    value: float | None = None
    value_sd: float | None = None
    pair_llr: float | None = None
    # trust
    release_reason: str | None = None
    late: bool | None = None
    quality: Quality | None = None
    reference: str | None = None
    montage: str | None = None
    decoder: Decoder | None = None
    # beside
    rating: Rating | None = None
    created_at: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Superseded:
    """A label that was handed out earlier and no longer fits the filter: forget its value."""

    label_id: str
    revision: int
    seq: int
    release: str
    release_reason: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


Row = Label | Superseded
_PARTS: dict[str, type[Any]] = {
    "selection": Selection,
    "generator": Generator,
    "unit": Unit,
    "marker": Marker,
    "pair": Pair,
    "step": Step,
    "quality": Quality,
    "decoder": Decoder,
    "rating": Rating,
}
_NAMES = {kind: frozenset(f.name for f in dataclasses.fields(kind)) - {"extra"} for kind in (Label, Superseded, *_PARTS.values())}
_IDENTITY = {"label_id": str, "revision": int, "seq": int, "release": str}


def read_row(raw: Mapping[str, Any]) -> Row:
    """Read one row as the server sends it.

    Parameters
    ----------
    raw : mapping
        A JSON object of `rlhb.label.v1`.

    Returns
    -------
    Label or Superseded

    Raises
    ------
    UnreadableError
        It has no identity: label_id, revision, seq, release.
    """
    for name, kind in _IDENTITY.items():
        if not isinstance(raw.get(name), kind):
            raise UnreadableError(f"A row without `{name}` came: it is none of rlhb.label.v1. Check that the address is that of an rlhb server.")
    if raw.get("superseded"):
        return _built(Superseded, {name: value for name, value in raw.items() if name != "superseded"})
    parts = {name: _built(kind, raw[name]) for name, kind in _PARTS.items() if isinstance(raw.get(name), Mapping)}
    return _built(Label, {**raw, **parts})


def _built(kind: type[_T], raw: Mapping[str, Any]) -> _T:
    names = _NAMES[kind]
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items() if name in names}
    make: Any = kind
    built: _T = make(**known, extra={name: value for name, value in raw.items() if name not in names})
    return built


def row_json(row: Row) -> dict[str, Any]:
    """Return a row as the JSON object it came as, unknown keys included."""
    found = _plain(row)
    return found | {"superseded": True} if isinstance(row, Superseded) else found


def _plain(part: Any) -> dict[str, Any]:
    found = {}
    for name in _NAMES[type(part)]:
        value = getattr(part, name)
        if dataclasses.is_dataclass(value):
            value = _plain(value)
        found[name] = list(value) if isinstance(value, tuple) else value
    return found | dict(part.extra)
