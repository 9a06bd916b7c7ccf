"""`stepwise` and `cothb-tree`: chains of thought, step by step, as supervised steps and as a tree."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from server.snapshots.evidence import ResponseEvidence, UnitEvidence
from server.snapshots.formats.form import F64, ORIGIN, B, Form, Material, Origin, Row, S, origin

EVENTS = ("branch", "backtrack")


class StepwiseRow(Origin):
    """One chain of thought with what the evidence says of each step."""

    prompt: str
    completions: list[str]
    """The steps."""
    labels: list[float]
    """P(the step was perceived as right) = 1 - p_error; soft, never turned into 0 or 1 here."""
    response_id: str


class StepwiseBoolRow(StepwiseRow):
    """The same with labels of yes and no, for trainers that take no others."""

    labels: list[bool]  # type: ignore[assignment]
    """P > 1/2."""


class Node(Row):
    """One step."""

    step_id: str
    parent_id: str | None
    text: str
    value: float
    """1 - p_error."""
    confidence: float
    """tanh(|llr|/2)."""
    events: list[str]
    """``branch`` or ``backtrack``, where the search took one here."""


class TreeRow(Origin):
    """One tree of reasoning steps."""

    prompt: str
    nodes: list[Node]
    response_id: str


def stepwise_rows(material: Material) -> Iterator[dict[str, Any]]:
    """Make a row of every chain."""
    for e, steps in _chains(material):
        labels = [1.0 - (u.p_error or 0.0) for u in steps]
        yield {
            **origin([e]),
            "prompt": e.prompt,
            "completions": [u.text for u in steps],
            "labels": [p > 0.5 for p in labels] if material.request.step_labels == "bool" else labels,
            "response_id": e.response_id,
        }


def tree_rows(material: Material) -> Iterator[dict[str, Any]]:
    """Make a row of every tree; a step that names no parent follows the one before it."""
    for e, steps in _chains(material):
        nodes, before = [], None
        for u in steps:
            step_id = u.step_id or f"{e.response_id}.{u.index}"
            nodes.append(
                {
                    "step_id": step_id,
                    "parent_id": u.parent_id or before,
                    "text": u.text,
                    "value": 1.0 - (u.p_error or 0.0),
                    "confidence": u.weight,
                    "events": [u.action] if u.action in EVENTS else [],
                }
            )
            before = step_id
        yield {**origin([e]), "prompt": e.prompt, "nodes": nodes, "response_id": e.response_id}


def _chains(material: Material) -> Iterator[tuple[ResponseEvidence, list[UnitEvidence]]]:
    for e in material.steps:
        steps = [u for u in e.units if u.p_error is not None]
        material.counted.left_out["without_value"] += sum(len(u.label_ids) for u in e.units) - sum(len(u.label_ids) for u in steps)
        if steps:
            yield e, steps


_NODES = pa.list_(pa.struct([("step_id", S), ("parent_id", S), ("text", S), ("value", F64), ("confidence", F64), ("events", pa.list_(S))]))


def _stepwise(labels: pa.DataType) -> pa.Schema:
    return pa.schema([*ORIGIN, ("prompt", S), ("completions", pa.list_(S)), ("labels", pa.list_(labels)), ("response_id", S)])


STEPWISE = Form(StepwiseRow, _stepwise(F64), stepwise_rows)
STEPWISE_BOOL = Form(StepwiseBoolRow, _stepwise(B), stepwise_rows)
TREE = Form(TreeRow, pa.schema([*ORIGIN, ("prompt", S), ("nodes", _NODES), ("response_id", S)]), tree_rows)
