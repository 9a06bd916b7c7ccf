"""`GET /labels`: the label log."""

import difflib
import inspect
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from messaging.words import LabelKind, Signal, Source
from server.callers import Scope
from server.errors import BadRequest
from server.labels.arrow import ARROW_SCHEMA
from server.labels.cursor import Cursors
from server.labels.query import LabelFilter, read_head, read_page, wait_for_more
from server.routes.common import needs, service_of
from server.service import Service

router = APIRouter(tags=["labels"])

NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
_STREAM_PAGE = 1000
_PAGING = ("after", "limit", "wait", "include")


def label_filter(
    session: Annotated[str | None, Query(description="Identity of a session.")] = None,
    subject: Annotated[str | None, Query(description="Pseudonym of a subject.")] = None,
    kind: Annotated[LabelKind | None, Query(description="What the label is about.")] = None,
    signal: Annotated[Signal | None, Query(description="Brain signal that the label was decoded from.")] = None,
    decoder: Annotated[str | None, Query(description="`NAME`, `NAME@VERSION` or a SHA-256; without it the current decoder of each session and signal.")] = None,
    release: Annotated[Literal["ok", "held", "revoked", "any"], Query(description="Whether the label may be learnt from.")] = "ok",
    source: Annotated[Source | None, Query(description="Where the EEG comes from.")] = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1, description="Least confidence; rows without one are left out.")] = None,
    created_from: Annotated[datetime | None, Query(description="Rows committed at this moment or later; without a zone it is UTC.")] = None,
    created_to: Annotated[datetime | None, Query(description="Rows committed before this moment.")] = None,
    generator_model: Annotated[str | None, Query(description="Model that wrote the response.")] = None,
    catch: Annotated[Literal["none", "good", "bad", "any"], Query(description="Catch trials: left out, only good ones, only bad ones, or all rows.")] = "none",
) -> LabelFilter:
    """Read the filter out of a query."""
    return LabelFilter(
        session=session,
        subject=subject,
        kind=kind,
        signal=signal,
        decoder=decoder,
        release=release,
        source=source,
        min_confidence=min_confidence,
        created_from=created_from,
        created_to=created_to,
        generator_model=generator_model,
        catch=catch,
    )


def _included(include: str) -> frozenset[str]:
    asked = frozenset(part.strip() for part in include.split(",") if part.strip())
    unknown = asked - {"text", "generator"}
    if unknown:
        raise BadRequest(f"`include` names {', '.join(sorted(unknown))}.", "It knows text and generator, separated by a comma.")
    return asked


def only_known_parameters(request: Request) -> None:
    """Refuse a query that names a parameter which does not exist: a filter that is spelt wrongly would let everything through.

    Raises
    ------
    BadRequest
        With the nearest parameter that there is.
    """
    known = [*inspect.signature(label_filter).parameters, *_PAGING]
    for name in request.query_params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"Did you mean `{near[0]}`? " if near else ""
            raise BadRequest(f"There is no parameter `{name[:64]}` here.", f"{advice}There are: {', '.join(known)}.")


@router.get("/labels", dependencies=[Depends(needs(Scope.LABELS_READ)), Depends(only_known_parameters)])
async def pull_labels(
    request: Request,
    wanted: Annotated[LabelFilter, Depends(label_filter)],
    after: Annotated[str, Query(max_length=500, description="Cursor of the page before, or the `seq` of the last row you have; 0 begins at the start.")] = "0",
    limit: Annotated[int, Query(ge=1, le=5000, description="Most rows of a page.")] = 1000,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the first row when there is none yet.")] = 0,
    include: Annotated[str, Query(description="`text` (prompt and response) and `generator` (its arrays), separated by a comma; empty for neither.")] = "text",
) -> Response:
    """Pull label rows in `seq` order; `wait` seconds for the first one when there is none yet."""
    service = service_of(request)
    parts = _included(include)
    async with service.database.read() as connection:
        high, log_id = await read_head(connection)
    cursors = Cursors(log_id, wanted.sha256)
    start = cursors.read(after, high)
    accept = request.headers.get("accept", "")
    if NDJSON in accept:
        return StreamingResponse(_ndjson(service, wanted, start, high, parts), media_type=NDJSON)
    if ARROW in accept:
        return StreamingResponse(_arrow(service, wanted, start, high, parts), media_type=ARROW)
    page = await wait_for_more(service.switchboard.log_grew, service.database.read, wanted, start, limit, parts, wait)
    return JSONResponse({"items": page.items, "next_cursor": cursors.write(page.last_seq), "has_more": page.has_more, "high_watermark": page.high_watermark})


async def _pages(service: Service, wanted: LabelFilter, after: int, until: int, parts: frozenset[str]) -> AsyncIterator[list[dict[str, Any]]]:
    more = True
    while more:
        async with service.database.read() as connection:
            page = await read_page(connection, wanted, after, _STREAM_PAGE, parts, until)
        after, more = page.last_seq, page.has_more
        yield page.items


async def _ndjson(service: Service, wanted: LabelFilter, after: int, until: int, parts: frozenset[str]) -> AsyncIterator[bytes]:
    async for items in _pages(service, wanted, after, until, parts):
        yield "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in items).encode()


async def _arrow(service: Service, wanted: LabelFilter, after: int, until: int, parts: frozenset[str]) -> AsyncIterator[bytes]:
    sink = io.BytesIO()
    writer = pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), ARROW_SCHEMA)
    async for items in _pages(service, wanted, after, until, parts):
        if items:
            writer.write_batch(pa.RecordBatch.from_pylist(items, schema=ARROW_SCHEMA))
        yield _drained(sink)
    writer.close()
    yield _drained(sink)


def _drained(sink: io.BytesIO) -> bytes:
    # What has been written goes out page by page, so that no pull is held in memory as a whole.
    raw = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return raw
