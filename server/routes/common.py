"""What the routes share: the service, and the check of who calls."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from server.callers import Caller, Scope
from server.service import Service


def service_of(request: Request) -> Service:
    """Find the service of the application that a request came to."""
    found: Service = request.app.state.service
    return found


def needs(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """Make a dependency that lets only callers with a scope through."""

    async def check(request: Request) -> Caller:
        changes = request.method not in ("GET", "HEAD")
        return await service_of(request).gatekeeper.need(request, scope, changes=changes)

    return check


def page_of(rows: list[dict[str, Any]], limit: int, key: str) -> dict[str, Any]:
    """Cut a list of `limit` + 1 rows into a page; the cursor is the last row's key."""
    items = rows[:limit]
    more = len(rows) > limit
    return {"items": items, "next_cursor": str(items[-1][key]) if more else None, "has_more": more}
