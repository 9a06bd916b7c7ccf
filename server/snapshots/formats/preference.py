"""`trl-preference` and `trl-unpaired`: which of two responses the readers' evidence favours, and whether it favours one at all."""

import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from server.snapshots.evidence import Label, ResponseEvidence, sigmoid
from server.snapshots.formats.form import F64, ORIGIN, B, Form, Material, Origin, S, origin


class PreferenceRow(Origin):
    """One pair of responses to the same prompt."""

    prompt: str
    chosen: str
    rejected: str
    margin: float
    """|L|, the evidence for the choice in nats; above 0."""
    p_chosen: float
    """sigmoid(margin): how sure the choice is. A soft label; never turned into 0 or 1 here."""
    calibrated: bool
    """L is calibrated against rated pairs (labels of pairs, or a `pair_slope` of the lab's own); otherwise it is the plain difference."""
    pair_from: str
    """``pair``: a label of this pair; ``units``: the difference of the summed llr of the two responses."""
    chosen_id: str
    rejected_id: str


class UnpairedRow(Origin):
    """One response that the evidence favours or not."""

    prompt: str
    completion: str
    label: bool
    """score > 0."""
    score: float
    """Sum of the units' rewards; 0 would be no evidence, and such rows are left out."""
    response_id: str


def preference_rows(material: Material) -> Iterator[dict[str, Any]]:
    """Make the pairs: those that were decoded as pairs, and those that follow from the responses' own evidence."""
    yield from _decoded_pairs(material)
    groups = itertools.groupby(material.responses, key=lambda e: e.item_id)
    for _, evidence in groups:
        for a, b in itertools.combinations(list(evidence), 2):
            row = _from_units(a, b, material.request.pair_slope, per_subject=material.request.pool == "subject")
            if row is not None:
                yield row


def _from_units(a: ResponseEvidence, b: ResponseEvidence, slope: float | None, *, per_subject: bool) -> dict[str, Any] | None:
    """Compare two responses; L = slope * (sum of llr of b - sum of llr of a), for a against b, as an llr speaks for error."""
    comparable = a.signal == b.signal and a.prompt == b.prompt and a.response_id != b.response_id and a.item_id != ""
    if not comparable or (per_subject and a.subjects != b.subjects) or a.llr is None or b.llr is None:
        return None
    margin = (b.llr - a.llr) * (1.0 if slope is None else slope)
    if margin == 0.0:
        return None
    chosen, rejected = (a, b) if margin > 0 else (b, a)
    return _row(chosen.prompt, (chosen.response, chosen.response_id), (rejected.response, rejected.response_id), abs(margin)) | {
        "calibrated": slope is not None,
        "pair_from": "units",
        **origin([chosen, rejected]),
    }


def _decoded_pairs(material: Material) -> Iterator[dict[str, Any]]:
    for label in material.pairs:
        if not label.pair_llr:
            material.counted.left_out["without_value"] += 1
            continue
        shown = material.prompts.get(label.text_id or "")
        other = None if shown is None else material.other_responses.get((label.item_id, label.response_id_b or "", shown[0]))
        if shown is None or other is None:
            material.counted.left_out["without_text"] += 1
            continue
        yield _from_pair(label, shown, other)


def _from_pair(label: Label, shown: tuple[str, str], other: str) -> dict[str, Any]:
    """L = log P(E given a before b) / P(E given b before a); a is the label's own response."""
    a, b = (shown[1], label.response_id), (other, label.response_id_b or "")
    pair_llr = label.pair_llr or 0.0
    chosen, rejected = (a, b) if pair_llr > 0 else (b, a)
    return _row(shown[0], chosen, rejected, abs(pair_llr)) | {
        "calibrated": True,
        "pair_from": "pair",
        "label_ids": [label.label_id],
        "item_id": label.item_id,
        "signal": label.signal,
        "subjects": [label.subject],
        "source": label.source,
        "simulated": label.source == "simulated",
    }


def _row(prompt: str, chosen: tuple[str, str], rejected: tuple[str, str], margin: float) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "chosen": chosen[0],
        "rejected": rejected[0],
        "margin": margin,
        "p_chosen": sigmoid(margin),
        "chosen_id": chosen[1],
        "rejected_id": rejected[1],
    }


def unpaired_rows(material: Material) -> Iterator[dict[str, Any]]:
    """Make a row of every response whose evidence says anything."""
    for e in material.responses:
        score = e.score
        if score == 0.0:
            material.counted.left_out["without_evidence"] += len(e.label_ids)
            continue
        yield {"prompt": e.prompt, "completion": e.response, "label": score > 0.0, "score": score, "response_id": e.response_id, **origin([e])}


_PREFERENCE = pa.schema(
    [
        *ORIGIN, ("prompt", S), ("chosen", S), ("rejected", S), ("margin", F64), ("p_chosen", F64), ("calibrated", B), ("pair_from", S), ("chosen_id", S),
        ("rejected_id", S),
    ]
)  # fmt: skip
_UNPAIRED = pa.schema([*ORIGIN, ("prompt", S), ("completion", S), ("label", B), ("score", F64), ("response_id", S)])
PREFERENCE = Form(PreferenceRow, _PREFERENCE, preference_rows)
UNPAIRED = Form(UnpairedRow, _UNPAIRED, unpaired_rows)
