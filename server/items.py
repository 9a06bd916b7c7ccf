"""Items: prompts with prepared responses, read from JSON Lines, all or nothing; marks are kept in a table of their own."""

import hashlib
import importlib.resources
import json
import re
from collections.abc import Iterable
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from server import clock
from server.errors import BadRequest, Conflict, NotFound, validation_sentence
from server.tables import item_sets, marks, responses

Identity = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]*$")]
MARKS = ("wrong", "subtle", "surprising_correct", "predictable_wrong", "rejected", "accepted")
VERIFIER = ("rejected", "accepted")
"""Words of units that a verifier decided about: its verdict is shown with them."""


class Generator(BaseModel):
    """Which model wrote a response, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str
    revision: str | None = None
    token_ids: tuple[int, ...] | None = None
    token_bytes: tuple[str, ...] | None = None
    logprobs: tuple[float, ...] | None = None


class ResponseLine(BaseModel):
    """One response of an item, with its marks."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    response_id: Identity
    text: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    surprisal_bits: tuple[float, ...] | None = None
    wrong: tuple[int, ...] = ()
    subtle: tuple[int, ...] = ()
    surprising_correct: tuple[int, ...] = ()
    predictable_wrong: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    accepted: tuple[int, ...] = ()
    generator: Generator | None = None


class ItemLine(BaseModel):
    """One line of an item file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_id: Identity
    category: str | None = None
    prompt: Annotated[str, StringConstraints(max_length=100_000)] = ""
    responses: tuple[ResponseLine, ...] = Field(min_length=1)


def units_of(text: str) -> list[tuple[int, int, str]]:
    """Cut a response into whole words.

    Parameters
    ----------
    text : str
        The exact response.

    Returns
    -------
    list of (int, int, str)
        First code point, code point after the last, text, for every run without white space.
    """
    return [(m.start(), m.end(), m.group()) for m in re.finditer(r"\S+", text)]


def read_items(raw: bytes) -> list[ItemLine]:
    """Read an item file.

    Parameters
    ----------
    raw : bytes
        JSON Lines, UTF-8.

    Raises
    ------
    BadRequest
        A line is wrong; the message names the number of every wrong line (up to ten). Nothing is kept then.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The items are not UTF-8: byte {error.start} is {raw[error.start]:#04x}.", "Save the file as UTF-8.") from error
    items: list[ItemLine] = []
    wrong: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = ItemLine.model_validate_json(line)
            sentence = _misfit(item)
        except ValidationError as error:
            sentence = validation_sentence(error)
        if sentence:
            wrong.append(f"line {number}: {sentence}")
        else:
            items.append(item)
    wrong += _doubles(items)
    if wrong:
        more = f" And {len(wrong) - 10} more." if len(wrong) > 10 else ""
        raise BadRequest(f"The items were not taken. {' '.join(wrong[:10])}{more}", "Correct these lines and send the whole file again.")
    if not items:
        raise BadRequest("The file holds no item.", "Send one JSON object per line.")
    return items


def _misfit(item: ItemLine) -> str | None:
    for response in item.responses:
        n_units = len(units_of(response.text))
        if n_units == 0:
            return f"response {response.response_id} has no word."
        if response.surprisal_bits is not None and len(response.surprisal_bits) != n_units:
            return f"response {response.response_id} has {n_units} words and {len(response.surprisal_bits)} surprisal values."
        for mark in MARKS:
            outside = [u for u in getattr(response, mark) if not 0 <= u < n_units]
            if outside:
                return f"response {response.response_id}: {mark} names word {outside[0]}, the words are 0 to {n_units - 1}."
    return None


def _doubles(items: Iterable[ItemLine]) -> list[str]:
    seen: set[str] = set()
    found = []
    for item in items:
        for name in (f"item {item.item_id}", *(f"response {r.response_id}" for r in item.responses)):
            if name in seen:
                found.append(f"{name} comes twice.")
            seen.add(name)
    return found


def shipped_item_sets() -> dict[str, bytes]:
    """Item files that come with the server, by name."""
    folder = importlib.resources.files("server") / "item_sets"
    if not folder.is_dir():
        return {}
    return {f.name.removesuffix(".jsonl"): f.read_bytes() for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".jsonl")}


async def store_items(connection: AsyncConnection, item_set: str, raw: bytes) -> int:
    """Keep an item file under a name.

    Returns
    -------
    int
        Number of items.

    Raises
    ------
    BadRequest
        A line is wrong.
    Conflict
        The name stands for another content already (the same content again is harmless).
    """
    items = read_items(raw)
    sha256 = hashlib.sha256(json.dumps([_content(i) for i in items]).encode()).hexdigest()
    old = (await connection.execute(sa.select(item_sets.c.sha256).where(item_sets.c.item_set == item_set))).scalar()
    if old == sha256:
        return len(items)
    if old is not None:
        raise Conflict(f"The item set '{item_set}' exists with another content.", "Send it under another name; sessions keep what they have shown.")
    await connection.execute(sa.insert(item_sets).values(item_set=item_set, sha256=sha256, n_items=len(items), created_at=clock.utc_now()))
    rows, marked = _rows(item_set, items)
    await connection.execute(sa.insert(responses), rows)
    if marked:
        await connection.execute(sa.insert(marks), marked)
    return len(items)


def _content(item: ItemLine) -> dict[str, Any]:
    """What an item set is recognised by; marks that came later count where there are any, so that sets of before keep their hash."""
    content = item.model_dump(mode="json")
    for response in content["responses"]:
        for mark in VERIFIER:
            if not response[mark]:
                del response[mark]
    return content


def _rows(item_set: str, items: list[ItemLine]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    marked: list[dict[str, Any]] = []
    for item in items:
        for response in item.responses:
            rows.append(
                {
                    "item_set": item_set,
                    "response_id": response.response_id,
                    "position": len(rows),
                    "item_id": item.item_id,
                    "category": item.category,
                    "prompt": item.prompt,
                    "text": response.text,
                    "surprisal_bits": None if response.surprisal_bits is None else list(response.surprisal_bits),
                    "generator": None if response.generator is None else response.generator.model_dump_json(),
                }
            )
            for mark in MARKS:
                marked += [{"item_set": item_set, "response_id": response.response_id, "unit": u, "mark": mark} for u in sorted(set(getattr(response, mark)))]
    return rows, marked


async def responses_of(connection: AsyncConnection, item_set: str) -> list[dict[str, Any]]:
    """Responses of an item set in the order of its file; a shipped set is taken in when it is first asked for.

    Raises
    ------
    NotFound
        There is no such set.
    """
    query = sa.select(responses).where(responses.c.item_set == item_set).order_by(responses.c.position)
    rows = [dict(r) for r in (await connection.execute(query)).mappings()]
    if rows:
        return rows
    shipped = shipped_item_sets()
    if item_set not in shipped:
        raise NotFound(
            f"There is no item set '{item_set}'.",
            f"Send one with POST /api/v1/items?item_set={item_set}, or take one of: {', '.join(shipped) or 'none shipped'}.",
        )
    await store_items(connection, item_set, shipped[item_set])
    return [dict(r) for r in (await connection.execute(query)).mappings()]


async def marks_of(connection: AsyncConnection, item_set: str) -> dict[str, dict[str, list[int]]]:
    """Read the marks of an item set: response_id -> mark -> unit indexes."""
    found: dict[str, dict[str, list[int]]] = {}
    for row in (await connection.execute(sa.select(marks).where(marks.c.item_set == item_set).order_by(marks.c.unit))).mappings():
        found.setdefault(row["response_id"], {}).setdefault(row["mark"], []).append(row["unit"])
    return found
