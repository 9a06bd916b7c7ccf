"""`/items`, `/decoders`, `/profiles`, `/schemas`: what sessions are made of."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from hardware_profiles import load_profile, profile_names
from messaging.lab import LabDown, LabUp
from messaging.pages import OperatorDown, OperatorUp, SubjectDown, SubjectUp
from messaging.rewards import RewardBatch, RewardsDown, RewardsUp
from server.callers import Scope
from server.errors import NotFound
from server.items import Identity, marks_of, responses_of, shipped_item_sets, store_items
from server.labels.row import LABEL_SCHEMA, LabelRow, SupersededRow
from server.registry_files import registered_decoders, report_page
from server.routes.common import needs, page_of, service_of
from server.snapshots.formats import FORMS
from server.snapshots.request import SnapshotRequest
from server.tables import item_sets

router = APIRouter(tags=["library"])
_operates = Depends(needs(Scope.SESSIONS_OPERATE))

_SCHEMAS: dict[str, TypeAdapter[Any]] = {
    LABEL_SCHEMA: TypeAdapter(LabelRow),
    f"{LABEL_SCHEMA}.superseded": TypeAdapter(SupersededRow),
    "lab.up": LabUp,
    "lab.down": LabDown,
    "rewards.up": TypeAdapter(RewardsUp | RewardBatch),
    "rewards.down": RewardsDown,
    "subject.up": SubjectUp,
    "subject.down": SubjectDown,
    "operator.up": OperatorUp,
    "operator.down": OperatorDown,
    "rlhb.snapshot.request.v1": TypeAdapter(SnapshotRequest),
    **{f"rlhb.snapshot.{kind}.v1": TypeAdapter(form.row) for kind, form in FORMS.items()},
}


@router.post("/items", status_code=201, dependencies=[_operates])
async def upload_items(request: Request, item_set: Annotated[Identity, Query()]) -> dict[str, Any]:
    """Take items as JSON Lines, all or none; wrong lines are named by number."""
    raw = await request.body()
    async with service_of(request).database.write() as connection:
        n_items = await store_items(connection, item_set, raw)
    return {"item_set": item_set, "n_items": n_items}


@router.get("/item_sets", dependencies=[_operates])
async def list_item_sets(request: Request) -> dict[str, Any]:
    """List the item sets: those taken in, and those that come with the server."""
    async with service_of(request).database.read() as connection:
        rows = [dict(r) for r in (await connection.execute(sa.select(item_sets).order_by(item_sets.c.item_set))).mappings()]
    known = {r["item_set"] for r in rows}
    rows += [
        {"item_set": name, "sha256": None, "n_items": None, "created_at": None} for name in await run_in_threadpool(shipped_item_sets) if name not in known
    ]
    return {"items": rows, "next_cursor": None, "has_more": False}


@router.get("/items", dependencies=[_operates])
async def list_items(
    request: Request, item_set: Annotated[Identity, Query()], limit: Annotated[int, Query(ge=1, le=1000)] = 200, after: Annotated[int, Query(ge=-1)] = -1
) -> dict[str, Any]:
    """List the responses of an item set in the order of its file, with their marks: the one place that hands marks out."""
    async with service_of(request).database.write() as connection:
        rows = await responses_of(connection, item_set)
        marked = await marks_of(connection, item_set)
    page = [row | {"marks": marked.get(row["response_id"], {})} for row in rows if row["position"] > after][: limit + 1]
    return page_of(page, limit, "position")


@router.get("/decoders", dependencies=[_operates])
async def list_decoders(request: Request) -> dict[str, Any]:
    """List the decoder registry as its files say."""
    found = await run_in_threadpool(registered_decoders, service_of(request).settings.decoders_dir)
    return {"items": found, "next_cursor": None, "has_more": False}


@router.get("/decoders/{name}/{version}/report.html", dependencies=[_operates], response_class=HTMLResponse)
async def show_report(request: Request, name: Identity, version: Annotated[int, Path(ge=1, le=999_999)]) -> Response:
    """Show a decoder's validity report as a page, where it has been written (`rlhb fit` and `rlhb report` do)."""
    settings = service_of(request).settings
    page = await run_in_threadpool(report_page, settings.data_dir / "reports", settings.decoders_dir, name, version)
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"})


@router.get("/profiles", dependencies=[_operates])
async def list_profiles() -> dict[str, Any]:
    """List the shipped hardware profiles."""
    found = await run_in_threadpool(lambda: [load_profile(name).model_dump(mode="json") for name in profile_names()])
    return {"items": found, "next_cursor": None, "has_more": False}


@router.get("/schemas")
async def list_schemas() -> dict[str, Any]:
    """List the JSON Schemas."""
    return {"items": sorted(_SCHEMAS), "next_cursor": None, "has_more": False}


@router.get("/schemas/{name}")
async def show_schema(name: str) -> dict[str, Any]:
    """Show the JSON Schema of the label row or of a websocket's messages."""
    if name not in _SCHEMAS:
        raise NotFound(f"There is no schema '{name[:100]}'.", f"There are: {', '.join(sorted(_SCHEMAS))}.")
    return _SCHEMAS[name].json_schema(mode="serialization")
