"""The API's own description: beside each route's answers, the refusals that every route can give, in their one shape."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.errors import PROBLEM_JSON

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with what to do about it.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, with the value."},
        "remedy": {"type": "string", "description": "What to do about it."},
    },
    "required": ["type", "title", "status", "detail", "remedy"],
}
REFUSALS = {
    "400": "The request itself is wrong.",
    "401": "No token, or one that does not count.",
    "403": "The token lacks the scope, or the page is not this server's.",
    "404": "What is asked for is not there.",
    "409": "It does not fit the state of things.",
    "413": "The body is too large.",
    "421": "The server does not answer under this name.",
    "422": "A field is missing, wrong or unknown.",
}
_METHODS = {"get", "post", "put", "patch", "delete", "head"}


def describe(app: FastAPI) -> None:
    """Let an application describe itself with the refusals."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_refusals(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_refusals(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape, which nobody gets here
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"bearer": []}]
    for path in schema["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                operation["responses"] |= {status: _refusal(meaning) for status, meaning in REFUSALS.items() if not _own(operation, status)}
    return schema


def _own(operation: dict[str, Any], status: str) -> bool:
    """Whether a route says of a status more than FastAPI does by itself."""
    return status != "422" and status in operation["responses"]


def _refusal(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
