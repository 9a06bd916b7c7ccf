"""`GET /labels`: the label log."""

import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from messaging.words import LabelKind, Signal, Source
from server.access import Scope
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


def label_filter(
    session: str | None = None,
    subject: str | None = None,
    kind: LabelKind | None = None,
    signal: Signal | None = None,
    decoder: str | None = None,
    release: Literal["ok", "held", "revoked", "any"] = "ok",
    source: Source | None = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    generator_model: str | None = None,
    catch: Literal["none", "good", "bad", "any"] = "none",
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


@router.get("/labels", dependencies=[Depends(needs(Scope.LABELS_READ))])
async def pull_labels(
    request: Request,
    wanted: Annotated[LabelFilter, Depends(label_filter)],
    after: Annotated[str, Query(max_length=500)] = "0",
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    wait: Annotated[float, Query(ge=0, le=30)] = 0,
    include: str = "text",
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
