"""`/score`: the neural value of a text so far."""

from typing import Any

from fastapi import APIRouter, Depends, Request

from server.callers import Scope
from server.routes.common import needs, service_of
from server.scores import ScoreRequest, score

router = APIRouter(tags=["labels"])


@router.post("/score", dependencies=[Depends(needs(Scope.LABELS_READ))])
async def score_text(request: Request, body: ScoreRequest) -> dict[str, Any]:
    """Give a text's units with their rewards so far, all readers together; held and revoked labels never count. No reader yet: no responses."""
    async with service_of(request).database.read() as connection:
        return await score(connection, body)
