"""`/snapshots`: labels of one moment as files for training."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import FileResponse, JSONResponse, Response

from server.callers import Caller, Scope
from server.errors import problem_response
from server.routes.common import needs, page_of, service_of
from server.snapshots.request import SnapshotRequest
from server.snapshots.store import SnapshotStore

router = APIRouter(tags=["snapshots"])
_MEDIA = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
_FIRST_BYTE = re.compile(r"bytes=(\d+)-")


def _store(request: Request) -> SnapshotStore:
    service = service_of(request)
    folder = service.settings.data_dir
    return SnapshotStore(service.database, folder / "snapshots", folder / "tokenizers", service.builds)


@router.post("/snapshots", status_code=201, responses={200: {}, 202: {}})
async def make_snapshot(
    request: Request,
    body: SnapshotRequest,
    caller: Annotated[Caller, Depends(needs(Scope.SNAPSHOTS_CREATE))],
    idempotency_key: Annotated[str | None, Header(max_length=128, description="The same key and body give the same snapshot.")] = None,
) -> Response:
    """Make a snapshot, or find the one that holds the same. 201: whole; 202: it is being built, ask again at `Location`."""
    store = _store(request)
    snapshot_id, whole = await store.make(body, idempotency_key, caller.name)
    place = {"Location": f"/api/v1/snapshots/{snapshot_id}"}
    return JSONResponse(await store.manifest(snapshot_id), status_code=201 if whole else 202, headers=place)


@router.get("/snapshots", dependencies=[Depends(needs(Scope.LABELS_READ))])
async def list_snapshots(
    request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[str | None, Query(max_length=64)] = None
) -> dict[str, Any]:
    """List snapshots, the newest first."""
    return page_of(await _store(request).listed(limit, after), limit, "snapshot_id")


@router.get("/snapshots/{snapshot_id}", dependencies=[Depends(needs(Scope.LABELS_READ))])
async def show_snapshot(request: Request, snapshot_id: str) -> dict[str, Any]:
    """Show the manifest: files with hashes, what was asked for, the watermark, and what was revoked since."""
    return await _store(request).manifest(snapshot_id)


@router.head("/snapshots/{snapshot_id}/{form}/{name}", dependencies=[Depends(needs(Scope.LABELS_READ))], include_in_schema=False)
@router.get("/snapshots/{snapshot_id}/{form}/{name}", dependencies=[Depends(needs(Scope.LABELS_READ))])
async def read_file(request: Request, snapshot_id: str, form: str, name: str) -> Response:
    """Give a file, or a range of it; its ETag is its SHA-256."""
    path, entry = await _store(request).file(snapshot_id, f"{form}/{name}")
    etag = f'"{entry["sha256"]}"'
    headers = {"ETag": etag, "Cache-Control": "private, immutable, max-age=31536000"}
    asked = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if etag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    first = _FIRST_BYTE.match(request.headers.get("range", ""))
    if first is not None and int(first.group(1)[:20]) >= entry["bytes"]:
        size = {"Content-Range": f"bytes */{entry['bytes']}"}
        return problem_response(416, f"The file has {entry['bytes']} bytes.", "Ask for a range inside it.", size)
    return FileResponse(path, media_type=_MEDIA[name.rpartition(".")[2]], headers=headers)
