"""Pulling the label log: filters, the rule of supersession, pages, and waiting for more."""

import asyncio
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.words import LabelKind, ReleaseState, Signal, Source
from server import clock
from server.labels.row import SupersededRow
from server.tables import labels, log_head, texts
from server.wakeup import Wakeup, rung


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Which rows a follower wants; None = all."""

    session: str | None = None
    subject: str | None = None
    kind: LabelKind | None = None
    signal: Signal | None = None
    decoder: str | None = None
    """``NAME``, ``NAME@VERSION`` or a SHA-256; None = the current decoder of each session and signal."""
    release: Literal["ok", "held", "revoked", "any"] = "ok"
    source: Source | None = None
    min_confidence: float | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    generator_model: str | None = None
    catch: Literal["none", "good", "bad", "any"] = "none"

    @property
    def sha256(self) -> str:
        """Hash of the filter, for cursors."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the log."""

    items: list[dict[str, Any]]
    last_seq: int
    """Where the next page begins after."""
    has_more: bool
    high_watermark: int


def of_decoder(t: sa.FromClause, f: LabelFilter) -> sa.ColumnElement[bool]:
    """Rows that may supersede each other: those of current decoders, or those of the decoder that is asked for."""
    if f.decoder is None:
        return t.c.current.is_(True)
    name, _, version = f.decoder.partition("@")
    if version.isascii() and version.isdigit() and len(version) <= 9:
        return sa.and_(t.c.decoder_name == name, t.c.decoder_version == int(version[:9]))
    return sa.or_(t.c.decoder_sha256 == f.decoder, t.c.decoder_name == f.decoder)


def _fits(t: sa.FromClause, f: LabelFilter) -> sa.ColumnElement[bool]:
    tests: list[sa.ColumnElement[bool]] = [of_decoder(t, f)]
    equal = {"session_id": f.session, "subject": f.subject, "kind": f.kind, "signal": f.signal, "source": f.source, "generator_model": f.generator_model}
    tests += [t.c[column] == str(value) for column, value in equal.items() if value is not None]
    if f.release != "any":
        tests.append(t.c.release == f.release)
    if f.catch != "any":
        tests.append(t.c.catch == f.catch)
    if f.min_confidence is not None:
        # the confidence of an erased row is gone; whoever may have pulled it learns that it counts no more
        tests.append(sa.or_(t.c.confidence >= f.min_confidence, t.c.erased))
    if f.created_from is not None:
        tests.append(t.c.created_at >= clock.as_stored(f.created_from))
    if f.created_to is not None:
        tests.append(t.c.created_at < clock.as_stored(f.created_to))
    return sa.and_(*tests)


async def read_head(connection: AsyncConnection) -> tuple[int, str]:
    """Last `seq` of the log, and the log's identity."""
    seq, log_id = (await connection.execute(sa.select(log_head.c.seq, log_head.c.log_id))).one()
    return int(seq), str(log_id)


async def read_page(connection: AsyncConnection, f: LabelFilter, after: int, limit: int, include: frozenset[str], until: int | None = None) -> Page:
    """Read rows after a `seq`.

    Parameters
    ----------
    connection : AsyncConnection
    f : LabelFilter
    after, until : int
        Rows with after < seq <= until; `until` None = the end of the log now.
    limit : int
    include : frozenset of str
        ``text``: prompt and response; ``generator``: the generator's arrays.

    Notes
    -----
    A row whose label matched in an earlier revision is delivered even when it does not match itself, as a `SupersededRow`;
    so is the last row of an erased label.
    """
    # The head is read first: rows up to it are all committed, whatever comes meanwhile.
    end = (await read_head(connection))[0] if until is None else until
    earlier = labels.alias("earlier")
    before = sa.select(earlier.c.seq).where(earlier.c.label_id == labels.c.label_id, earlier.c.seq < labels.c.seq, _fits(earlier, f)).exists()
    fits = _fits(labels, f)
    told = sa.or_(~labels.c.erased, labels.c.release == ReleaseState.REVOKED.value)  # of an erased label its last row alone
    query = (
        sa.select(
            labels.c.row,
            labels.c.seq,
            labels.c.label_id,
            labels.c.revision,
            labels.c.release,
            labels.c.release_reason,
            labels.c.erased,
            texts,
            sa.case((fits, 1), else_=0).label("fits"),
        )
        .outerjoin(texts, texts.c.text_id == labels.c.text_id)
        .where(labels.c.seq > after, labels.c.seq <= end, told, sa.or_(fits, sa.and_(labels.c.revision > 1, of_decoder(labels, f), before)))
        .order_by(labels.c.seq)
        .limit(limit + 1)
    )
    found = (await connection.execute(query)).mappings().all()
    items = [_item(row, include) for row in found[:limit]]
    has_more = len(found) > limit
    return Page(items=items, last_seq=items[-1]["seq"] if has_more else max(end, after), has_more=has_more, high_watermark=end)


def _item(found: sa.RowMapping, include: frozenset[str]) -> dict[str, Any]:
    if not found["fits"] or found["erased"]:
        stub = SupersededRow(
            label_id=found["label_id"],
            revision=found["revision"],
            seq=found["seq"],
            release=ReleaseState(found["release"]),
            release_reason=found["release_reason"],
        )
        return stub.model_dump(mode="json")
    row: dict[str, Any] = json.loads(found["row"])
    if found["text_id"] is not None:
        if "text" in include:
            row |= {"prompt": found["prompt"], "response": found["response"]}
        if found["generator"] is not None:
            generator = json.loads(found["generator"])
            arrays = {} if "generator" in include else {"token_ids": None, "token_bytes": None, "logprobs": None}
            row["generator"] = generator | arrays
    return row


async def wait_for_more(grown: Wakeup, read: Any, f: LabelFilter, after: int, limit: int, include: frozenset[str], wait_s: float) -> Page:
    """Read a page; while it is empty, wait for commits up to `wait_s` seconds.

    Parameters
    ----------
    grown : Wakeup
        Rings at every commit.
    read : callable
        Gives a reading connection as an asynchronous context.
    f, after, limit, include
        As for `read_page`.
    wait_s : float
    """
    ends_s = clock.server_time_s() + wait_s
    with grown.listen() as event:
        while True:
            event.clear()
            async with read() as connection:
                page = await read_page(connection, f, after, limit, include)
            left_s = ends_s - clock.server_time_s()
            if page.items or left_s <= 0 or not await rung(event, left_s):
                return page
            after = page.last_seq
            await asyncio.sleep(0)
