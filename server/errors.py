"""Errors of the server, one small tree, and their one shape on the wire.

- `ServerError`: the server cannot do its work (port taken, database away)

  - `Problem`: a request cannot be granted; becomes RFC 9457 ``application/problem+json`` with a remedy, or a websocket refusal

    - `BadRequest` 400, `Unauthorized` 401, `Forbidden` 403, `NotFound` 404, `Conflict` 409, `TooLarge` 413
"""

import json
from http import HTTPStatus
from typing import ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

PROBLEM_JSON = "application/problem+json"


class ServerError(Exception):
    """Root of the errors of this room; the message holds the value, the limit and the remedy."""


class Problem(ServerError):  # noqa: N818 - the word of RFC 9457
    """A request that cannot be granted.

    Parameters
    ----------
    detail : str
        What is wrong, with the value.
    remedy : str
        What to do about it.
    """

    status: ClassVar[int] = 500

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail} {remedy}")
        self.detail = detail
        self.remedy = remedy
        self.headers: dict[str, str] = {}
        self.more: dict[str, str | None] = {}
        """Further members of the answer, for programs."""


class BadRequest(Problem):
    """The request itself is wrong."""

    status = 400


class Unauthorized(Problem):
    """No token, or one that does not count."""

    status = 401


class Forbidden(Problem):
    """A token without the scope that is needed, or a page from elsewhere."""

    status = 403


class NotFound(Problem):
    """There is no such thing."""

    status = 404


class Conflict(Problem):
    """The request does not fit the present state."""

    status = 409


class TooLarge(Problem):
    """More bytes than are taken at once."""

    status = 413


def problem_response(status: int, detail: str, remedy: str, headers: dict[str, str] | None = None, more: dict[str, str | None] | None = None) -> Response:
    """Build the one error shape of the REST interface."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "remedy": remedy, **(more or {})}
    every = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        every["WWW-Authenticate"] = 'Bearer realm="rlhb"'
    return Response(json.dumps(body, ensure_ascii=False), status_code=status, media_type=PROBLEM_JSON, headers=every)


def validation_sentence(error: ValidationError | RequestValidationError) -> str:
    """Say in one sentence what does not fit; values are cut short, so that no message grows without bound."""
    parts = []
    for found in list(error.errors())[:5]:
        place = ".".join(str(p) for p in found["loc"])
        parts.append(f"{place or 'message'}: {str(found['msg'])[:200]}")
    return "; ".join(parts) + "."


_REMEDIES = {
    404: "Look the address up in /api/v1/openapi.json.",
    405: "Look the methods of this address up in /api/v1/openapi.json.",
    413: "Send less at once.",
}


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error.status, error.detail, error.remedy, error.headers, error.more)


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    remedy = _REMEDIES.get(error.status_code, "Correct the request; /api/v1/openapi.json describes it.")
    return problem_response(error.status_code, f"{error.detail}.", remedy, headers)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(422, validation_sentence(error), "Correct the named fields; /api/v1/openapi.json describes them.")


async def _on_anything(_: Request, error: Exception) -> Response:
    return problem_response(500, f"The server failed while answering ({type(error).__name__}).", "Try again; the server's log holds the cause.")


def install_error_shape(app: FastAPI) -> None:
    """Give every error of an application the one shape."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Exception, _on_anything)
