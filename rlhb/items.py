"""Item files on this machine: which words are wrong, for fitting and evaluation; never for the log."""

import importlib.resources
from pathlib import Path
from typing import Any

from messaging.records import UnitShown
from messaging.words import Polarity
from rlhb.errors import ItemFileError
from server.errors import BadRequest
from server.items import ItemLine, read_items, units_of

RIGHT = "unit/right"
WRONG = "unit/wrong"


def item_file(name_or_path: str | Path) -> Path:
    """Find a shipped item set by name, or a file.

    Raises
    ------
    ItemFileError
        There is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = Path(str(importlib.resources.files("server"))) / "item_sets" / f"{name_or_path}.jsonl"
    if not shipped.is_file():
        raise ItemFileError(f"There is no item file {name_or_path}. Give a path, or one of the shipped sets: {', '.join(shipped_item_sets())}.")
    return shipped


def shipped_item_sets() -> list[str]:
    """Name the item sets that come with rlhb."""
    return sorted(p.stem for p in (Path(str(importlib.resources.files("server"))) / "item_sets").glob("*.jsonl"))


def items_of(path: Path) -> list[ItemLine]:
    """Read an item file.

    Raises
    ------
    ItemFileError
        A line is wrong; the message names it.
    """
    try:
        return read_items(path.read_bytes())
    except BadRequest as error:
        raise ItemFileError(f"{path}: {error}") from error


def response_rows(path: Path) -> list[dict[str, Any]]:
    """Return what a session plan needs of each response, in the order of the file."""
    return [
        {"item_set": path.stem, "item_id": item.item_id, "prompt": item.prompt, "response_id": r.response_id, "text": r.text}
        for item in items_of(path)
        for r in item.responses
    ]


def marks_of(path: Path) -> dict[tuple[str, int], str]:
    """Return `RIGHT` or `WRONG` for each (response_id, unit index)."""
    return {(r.response_id, k): WRONG if k in r.wrong else RIGHT for item in items_of(path) for r in item.responses for k in range(len(units_of(r.text)))}


def truth_of(unit: UnitShown, marks: dict[tuple[str, int], str]) -> str | None:
    """Return `WRONG` or `RIGHT` for what a unit's window answers to; None where the marks do not know its response.

    A phrase is wrong if any of its words is. What a sign is answered with is disagreement: a sign is `WRONG` that accepts a wrong
    unit or rejects a right one.
    """
    response_id = unit.response_id
    if response_id is None:
        return None
    first, end = unit.words or (unit.index, unit.index + 1)
    known = [marks[response_id, word] for word in range(first, end) if (response_id, word) in marks]
    if not known:
        return None
    wrong = WRONG in known
    rejected = unit.marker is not None and unit.marker.polarity is Polarity.REJECT
    return WRONG if wrong != rejected else RIGHT
