"""`/healthz`, `/readyz`, `/metrics`."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from server.callers import Scope
from server.labels.query import read_head
from server.routes.common import needs, service_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None, responses={503: {"description": "Something is missing; `reasons` says what.", "content": {"application/json": {}}}})
async def readyz(request: Request) -> Response:
    """Say whether labels can be taken, and if not, what is missing."""
    service = service_of(request)
    reasons: dict[str, str] = {}
    try:
        async with service.database.read() as connection:
            await read_head(connection)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        reasons["database"] = f"The database does not answer ({type(error).__name__})."
    if service.switchboard.lab is None:
        reasons["lab"] = "No acquisition daemon is connected; `rlhb acquire` starts one."
    if not service.switchboard.workers:
        reasons["worker"] = "No decoder worker is connected. One that runs connects with the first recording; `rlhb decode` starts one."
    body: dict[str, Any] = {"ready": not reasons, "reasons": reasons}
    return JSONResponse(body, status_code=503 if reasons else 200)


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(needs(Scope.LABELS_READ))])
async def metrics(request: Request) -> Response:
    """Give the numbers for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4")
