"""From label rows to responses that a reward model learns from; what may not be learnt from is refused by name."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from rlhb_client import Label, Superseded
from rlhb_client.rows import Row

SIGNAL = "error"
"""Rows of other signals say something else, and are counted as left out."""


class TrainingError(Exception):
    """There is nothing to learn from, or too little; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One reading of one unit."""

    label_id: str
    subject: str
    unit: int
    llr: float
    """Positive: perceived as an error."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response with everything that was decoded while it was read."""

    item_id: str
    response_id: str
    prompt: str
    units: tuple[str, ...]
    """Words in order; those that no label speaks of are empty."""
    observations: tuple[Observation, ...]

    @property
    def llr(self) -> float:
        """Sum over units of the mean llr of their readings."""
        by_unit: dict[int, list[float]] = defaultdict(list)
        for o in self.observations:
            by_unit[o.unit].append(o.llr)
        return sum(sum(values) / len(values) for values in by_unit.values())


@dataclass(slots=True)
class Collected:
    """Responses and what was refused."""

    responses: list[Response] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Labels that may not be learnt from, or cannot be, by reason."""
    sources: Counter[str] = field(default_factory=Counter)
    decoders: set[str] = field(default_factory=set)
    last_seq: int = 0

    @property
    def simulated(self) -> bool:
        """Whether any label comes from a simulated subject."""
        return self.sources["simulated"] > 0


def collect(rows: Iterable[Row]) -> Collected:
    """Take the newest revision of each label, and of those what may be learnt from.

    Raises
    ------
    TrainingError
        Nothing is left; the message lists what was refused.
    """
    newest: dict[str, Row] = {}
    found = Collected()
    for row in rows:
        newest[row.label_id] = row
        found.last_seq = max(found.last_seq, row.seq)
    grouped: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for row in newest.values():
        reason = _refused(row)
        if reason is not None or isinstance(row, Superseded):
            found.refused[reason or "superseded"] += 1
            continue
        grouped[row.item_id or "", row.response_id or ""].append(row)
        found.sources[row.source or "unknown"] += 1
        if row.decoder is not None:
            found.decoders.add(f"{row.decoder.name}@{row.decoder.version}")
    found.responses = [_response(key, labels) for key, labels in sorted(grouped.items())]
    if not found.responses:
        listed = ", ".join(f"{n} {reason}" for reason, n in found.refused.most_common()) or "no rows at all"
        raise TrainingError(f"There is no label to learn from ({listed}). Run a session whose labels are released, or give another filter.")
    return found


def _refused(row: Row) -> str | None:
    """Say why a row is not learnt from; None when it may be."""
    if row.release != "ok":
        return row.release
    if isinstance(row, Superseded):
        return "superseded"
    if row.catch not in (None, "none"):
        return "catch trial"
    if row.signal != SIGNAL or row.kind != "unit":
        return "another kind or signal"
    if row.llr is None or row.unit is None:
        return "without a value"
    return None if row.response_id else "without a response"


def _response(key: tuple[str, str], labels: list[Label]) -> Response:
    words: dict[int, str] = {}
    observations = []
    for row in sorted(labels, key=lambda label: label.seq):
        if row.unit is not None and row.llr is not None:
            words[row.unit.index] = row.unit.text
            observations.append(Observation(row.label_id, row.subject or "", row.unit.index, row.llr))
    units = tuple(words.get(k, "") for k in range(max(words) + 1))
    return Response(key[0], key[1], labels[0].prompt or "", units, tuple(observations))


def held_out(item_id: str, fraction: float, salt: str = "") -> bool:
    """Whether an item is tested on: by the hash of its name, so that it stays where it is when others come."""
    share = int.from_bytes(hashlib.sha256(f"{salt}\n{item_id}".encode()).digest()[:8], "big") / 2**64
    return share < fraction
