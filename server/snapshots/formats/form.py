"""What all formats have in common."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from server.snapshots.evidence import Counted, Label, ResponseEvidence
from server.snapshots.request import SnapshotRequest
from server.snapshots.tokenizing import NamedTokenizer

S, I64, F64, B = pa.string(), pa.int64(), pa.float64(), pa.bool_()


class Row(BaseModel):
    """A row of a format."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Origin(Row):
    """Where a row of a format comes from; the same columns in each."""

    label_ids: list[str]
    item_id: str
    signal: str
    subjects: list[str]
    source: str
    """live, replay, simulated or mixed."""
    simulated: bool


ORIGIN = (("label_ids", pa.list_(S)), ("item_id", S), ("signal", S), ("subjects", pa.list_(S)), ("source", S), ("simulated", B))


@dataclass(frozen=True, slots=True)
class Material:
    """Everything of one split that formats are made of."""

    responses: Sequence[ResponseEvidence]
    """From labels of units; where a response has none, from labels of the whole response."""
    steps: Sequence[ResponseEvidence]
    """From labels of steps."""
    pairs: Sequence[Label]
    other_responses: dict[tuple[str, str, str], str]
    """(item_id, response_id, prompt) -> text, for labels of pairs."""
    prompts: dict[str, tuple[str, str]]
    """text_id -> (prompt, response)."""
    request: SnapshotRequest
    tokenizer: NamedTokenizer | None = None
    counted: Counted = field(default_factory=Counted)


@dataclass(frozen=True, slots=True)
class Form:
    """A format."""

    row: type[BaseModel]
    """Its JSON Schema is the one of the JSON Lines."""
    arrow: pa.Schema
    """Columns of its Parquet files, in the order of the row's fields."""
    rows: Callable[[Material], Iterator[dict[str, Any]]]


def origin(evidence: Sequence[ResponseEvidence]) -> dict[str, Any]:
    """Fill in where a row comes from, out of one response or two of the same item."""
    sources = {e.source for e in evidence}
    return {
        "label_ids": [label_id for e in evidence for label_id in e.label_ids],
        "item_id": evidence[0].item_id,
        "signal": evidence[0].signal,
        "subjects": sorted({subject for e in evidence for subject in e.subjects}),
        "source": next(iter(sources)) if len(sources) == 1 else "mixed",
        "simulated": any(e.simulated for e in evidence),
    }
