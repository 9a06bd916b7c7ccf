"""From rows to responses: what all readers and repeats say about each unit, and what the units say about the response."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.snapshots.request import Correlation
from server.snapshots.selection import ShownText


@dataclass(frozen=True, slots=True)
class Label:
    """What a snapshot's formats need of a row."""

    label_id: str
    seq: int
    kind: str
    signal: str
    subject: str
    source: str
    item_id: str
    response_id: str
    presentation: str
    prior: float
    llr: float | None
    reward: float | None
    value: float | None
    pair_llr: float | None
    unit_index: int
    char_start: int | None
    char_end: int | None
    unit_text: str
    text_id: str | None
    response_id_b: str | None = None
    step_id: str | None = None
    parent_id: str | None = None
    action: str | None = None


def label_of(row: Mapping[str, Any], text_id: str | None) -> Label:
    """Take what is needed out of a row of `rlhb.label.v1`."""
    unit = row["unit"] or {}
    pair, step = row["pair"] or {}, row["step"] or {}
    return Label(
        row["label_id"], row["seq"], row["kind"], row["signal"], row["subject"], row["source"], row["item_id"] or "", row["response_id"] or "",
        row["presentation"], row["prior"], row["llr"], row["reward"], row["value"], row["pair_llr"], unit.get("index", 0), unit.get("char_start"),
        unit.get("char_end"), unit.get("text", ""), text_id, pair.get("response_id_b"), step.get("step_id"), step.get("parent_id"), step.get("action"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnitEvidence:
    """What is known of one unit of a response."""

    index: int
    char_start: int | None
    char_end: int | None
    text: str
    llr: float | None
    """Combined log-likelihood ratio for error; None where the signal has none (`value`)."""
    p_error: float | None
    reward: float
    weight: float
    """tanh(|llr|/2), in [0, 1]; 1 where there is no llr."""
    label_ids: tuple[str, ...]
    step_id: str | None = None
    parent_id: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseEvidence:
    """What is known of one response under one signal."""

    item_id: str
    response_id: str
    prompt: str
    response: str
    signal: str
    kind: str
    subjects: tuple[str, ...]
    source: str
    """live, replay or simulated; ``mixed`` where labels come from several."""
    simulated: bool
    """Any label comes from the simulated subject."""
    units: tuple[UnitEvidence, ...]

    @property
    def score(self) -> float:
        """Sum of the units' rewards: 0 where there is no evidence."""
        return math.fsum(u.reward for u in self.units)

    @property
    def llr(self) -> float | None:
        """Sum of the units' llr; None where no unit has one."""
        known = [u.llr for u in self.units if u.llr is not None]
        return math.fsum(known) if known else None

    @property
    def label_ids(self) -> list[str]:
        """Every label that went in."""
        return [label_id for unit in self.units for label_id in unit.label_ids]


@dataclass(slots=True)
class Counted:
    """Rows that could not be used, by reason."""

    left_out: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def combined_llr(labels: Iterable[Label], correlation: Correlation) -> float | None:
    """Put the evidence of repeats and readers about one unit together.

    Parameters
    ----------
    labels : iterable of Label
        Of one unit and signal.
    correlation : Correlation

    Returns
    -------
    float or None
        None when no label has an llr.

    Notes
    -----
    L = sum over j of w llr_j with w = 1 / (1 + (k - 1) rho): first over the k showings to each subject, then over the k subjects.
    rho = 0 is the sum of independent evidence, rho = 1 its mean.
    """
    by_subject: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        if label.llr is not None:
            by_subject[label.subject].append(label.llr)
    if not by_subject:
        return None
    readers = [_weighed(llrs, correlation.repeats) for llrs in by_subject.values()]
    return _weighed(readers, correlation.readers)


def _weighed(llrs: list[float], rho: float) -> float:
    return math.fsum(llrs) / (1.0 + (len(llrs) - 1) * rho)


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def unit_evidence(labels: list[Label], correlation: Correlation) -> UnitEvidence | None:
    """Combine the labels of one unit; None when none of them has a value.

    Notes
    -----
    p_error = sigmoid(L + logit pi), reward = 2 (pi - p_error), weight = tanh(|L|/2). Where a signal has no llr, the mean reward counts.
    """
    first = labels[0]
    llr = combined_llr(labels, correlation)
    p_error: float | None = None
    if llr is not None:
        used = [label for label in labels if label.llr is not None]
        prior = math.fsum(label.prior for label in used) / len(used)
        p_error = sigmoid(llr + math.log(prior / (1.0 - prior)))
        reward, weight = 2.0 * (prior - p_error), math.tanh(abs(llr) / 2.0)
    else:
        used = [label for label in labels if label.reward is not None]
        if not used:
            return None
        reward, weight = math.fsum(label.reward for label in used if label.reward is not None) / len(used), 1.0
    ids = tuple(label.label_id for label in sorted(used, key=lambda label: label.seq))
    return UnitEvidence(
        first.unit_index, first.char_start, first.char_end, first.unit_text, llr, p_error, reward, weight, ids, first.step_id, first.parent_id, first.action
    )


def responses_of(
    labels: Iterable[Label], texts: Mapping[str, ShownText], kind: str, *, per_subject: bool, correlation: Correlation, counted: Counted
) -> list[ResponseEvidence]:
    """Group the labels of one split into responses.

    Parameters
    ----------
    labels : iterable of Label
    texts : mapping of str to ShownText
        By `text_id`.
    kind : str
        Kind of label that is put together: ``unit``, ``response`` or ``step``.
    per_subject : bool
        A response for each subject who read it, instead of one for all.
    correlation : Correlation
    counted : Counted
        Takes the number of labels that could not be used.

    Returns
    -------
    list of ResponseEvidence
        Ordered by item, response, signal, subject.
    """
    groups: dict[tuple[str, str, str, str, str], list[Label]] = defaultdict(list)
    for label in labels:
        if label.kind != kind:
            continue
        if label.text_id is None or label.text_id not in texts:
            counted.left_out["without_text"] += 1
            continue
        groups[label.item_id, label.response_id, label.signal, label.subject if per_subject else "", label.text_id].append(label)
    found = (_response(groups[key], texts[key[-1]], correlation, counted) for key in sorted(groups))
    return [response for response in found if response is not None]


def _response(labels: list[Label], text: ShownText, correlation: Correlation, counted: Counted) -> ResponseEvidence | None:
    by_unit: dict[int, list[Label]] = defaultdict(list)
    for label in labels:
        by_unit[label.unit_index].append(label)
    units = []
    for index in sorted(by_unit):
        unit = unit_evidence(by_unit[index], correlation)
        used = 0 if unit is None else len(unit.label_ids)
        if used < len(by_unit[index]):
            counted.left_out["without_value"] += len(by_unit[index]) - used
        if unit is not None:
            units.append(unit)
    if not units:
        return None
    first = labels[0]
    source, simulated = sources_of(labels)
    subjects = tuple(sorted({label.subject for label in labels}))
    return ResponseEvidence(first.item_id, first.response_id, text.prompt, text.response, first.signal, first.kind, subjects, source, simulated, tuple(units))


def sources_of(labels: Iterable[Label]) -> tuple[str, bool]:
    """Say where labels come from, in one word, and whether any of them is simulated."""
    sources = {label.source for label in labels}
    return (next(iter(sources)) if len(sources) == 1 else "mixed"), "simulated" in sources
