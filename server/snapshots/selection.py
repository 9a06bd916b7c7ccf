"""The rows of a snapshot: what a follower of the log would hold at its watermark."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.words import ReleaseState
from server import clock
from server.labels.query import LabelFilter, of_decoder
from server.snapshots.request import RowFilter
from server.tables import labels, responses, texts

PAGE_ROWS = 2000
_AT_ONCE = 500
CALIBRATION = "calibration"
"""How the names of protocols begin whose rows serve to fit a decoder."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """What a subject was shown, once per response."""

    prompt: str
    response: str
    generator: str | None
    """JSON, arrays included."""


def fitting(f: RowFilter, until: int) -> sa.ColumnElement[bool]:
    """Say which rows fit: the newest one of each label up to `until`, if it fits the whole filter.

    Notes
    -----
    A later row of the label that does not fit (a hold, a correction below the confidence asked for) takes the label out: it supersedes.
    """
    deciding = LabelFilter(decoder=f.decoder)
    later = labels.alias("later")
    superseding = (later.c.label_id == labels.c.label_id, later.c.seq > labels.c.seq, later.c.seq <= until, of_decoder(later, deciding))
    newer = sa.select(later.c.seq).where(*superseding).exists()
    tests = [labels.c.seq <= until, of_decoder(labels, deciding), labels.c.release == ReleaseState.OK.value, ~labels.c.erased, ~newer]
    among = {
        "session_id": f.sessions, "subject": f.subjects, "signal": f.signals, "kind": f.kinds, "source": f.sources, "generator_model": f.generator_models,
    }  # fmt: skip
    tests += [labels.c[column].in_([str(v) for v in values]) for column, values in among.items() if values]
    if f.min_confidence is not None:
        tests.append(labels.c.confidence >= f.min_confidence)
    if f.created_from is not None:
        tests.append(labels.c.created_at >= clock.as_stored(f.created_from))
    if f.created_to is not None:
        tests.append(labels.c.created_at < clock.as_stored(f.created_to))
    if not f.include_catch:
        tests.append(labels.c.catch == "none")
    return sa.and_(*tests)


async def count_fitting(connection: AsyncConnection, f: RowFilter, until: int) -> int:
    """How many rows fit, calibration included: what progress is measured against."""
    return int((await connection.execute(sa.select(sa.func.count()).select_from(labels).where(fitting(f, until)))).scalar_one())


async def fitting_pages(connection: AsyncConnection, f: RowFilter, until: int) -> AsyncIterator[Sequence[Any]]:
    """Read the rows that fit, in `seq` order, page by page.

    Yields
    ------
    sequence of (seq, row, text_id)
        `row` is the JSON text of the log, without prompt, response and generator.
    """
    fits = fitting(f, until)
    after = 0
    while True:
        query = sa.select(labels.c.seq, labels.c.row, labels.c.text_id).where(labels.c.seq > after, fits).order_by(labels.c.seq).limit(PAGE_ROWS)
        page = (await connection.execute(query)).all()
        if page:
            yield page
            after = page[-1].seq
        if len(page) < PAGE_ROWS:
            return


async def read_texts(connection: AsyncConnection, text_ids: Iterable[str]) -> dict[str, ShownText]:
    """Read texts by their identity."""
    found: dict[str, ShownText] = {}
    wanted = sorted(text_ids)
    for start in range(0, len(wanted), _AT_ONCE):
        query = sa.select(texts).where(texts.c.text_id.in_(wanted[start : start + _AT_ONCE]))
        for row in (await connection.execute(query)).mappings():
            found[row["text_id"]] = ShownText(row["prompt"], row["response"], row["generator"])
    return found


async def read_responses(connection: AsyncConnection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str, str], str]:
    """Read the other responses of pairs.

    Parameters
    ----------
    connection : AsyncConnection
    wanted : iterable of (item_id, response_id)

    Returns
    -------
    dict
        (item_id, response_id, prompt) -> text.
    """
    found: dict[tuple[str, str, str], str] = {}
    pairs = sorted(set(wanted))
    for start in range(0, len(pairs), _AT_ONCE):
        part = pairs[start : start + _AT_ONCE]
        query = sa.select(responses.c.item_id, responses.c.response_id, responses.c.prompt, responses.c.text).where(
            responses.c.item_id.in_([item for item, _ in part]), responses.c.response_id.in_([response for _, response in part])
        )
        for item_id, response_id, prompt, text in await connection.execute(query):
            found[item_id, response_id, prompt] = text
    return found


_WITHOUT_TEXT = '"prompt":null,"response":null,"generator":null'


def with_text(row: str, text: ShownText, *, generator: bool) -> str:
    """Put prompt, response and generator into a row of the log, without taking the row apart.

    Parameters
    ----------
    row : str
        JSON; the three stand in it as nulls, next to each other. Inside its strings every quotation mark is escaped, so these characters
        cannot occur there.
    text : ShownText
    generator : bool
        With the generator's arrays.
    """
    made = text.generator
    if made is not None and not generator:
        made = json.dumps(json.loads(made) | {"token_ids": None, "token_bytes": None, "logprobs": None}, ensure_ascii=False, separators=(",", ":"))
    filled = f'"prompt":{json.dumps(text.prompt, ensure_ascii=False)},"response":{json.dumps(text.response, ensure_ascii=False)},"generator":{made or "null"}'
    return row.replace(_WITHOUT_TEXT, filled, 1)
