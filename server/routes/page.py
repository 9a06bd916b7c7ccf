"""The web page: one `index.html` for every address that the page routes by itself, and its assets."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, PlainTextResponse, Response

from server.errors import NotFound
from web_ui import static_dir

router = APIRouter(include_in_schema=False)
_NOT_BUILT = """The page has not been built. Run `make setup`, or `npm ci && npm run build` in web_ui/, and reload.
The REST interface works without it: /api/v1/openapi.json
"""


def _index() -> Response:
    folder = static_dir()
    if folder is None:
        return PlainTextResponse(_NOT_BUILT, status_code=503)
    # The bundle's names change with its content; the page that names them must be asked for again.
    return FileResponse(folder / "index.html", headers={"Cache-Control": "no-cache"})


@router.api_route("/", methods=["GET", "HEAD"])
@router.api_route("/subject/{rest:path}", methods=["GET", "HEAD"])
@router.api_route("/operator/{rest:path}", methods=["GET", "HEAD"])
@router.api_route("/sessions", methods=["GET", "HEAD"])
@router.api_route("/sessions/{rest:path}", methods=["GET", "HEAD"])
@router.api_route("/decoders", methods=["GET", "HEAD"])
@router.api_route("/protocols", methods=["GET", "HEAD"])
@router.api_route("/items", methods=["GET", "HEAD"])
@router.api_route("/access", methods=["GET", "HEAD"])
def page() -> Response:
    """Give the page."""
    return _index()


@router.api_route("/assets/{name:path}", methods=["GET", "HEAD"])
@router.api_route("/favicon.svg", methods=["GET", "HEAD"])
@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
def asset(name: str | None = None) -> Response:
    """Give a file of the bundle; nothing outside its folder."""
    folder = static_dir()
    if folder is not None and name is not None:
        path = Path(folder, "assets", name).resolve()
        if path.is_relative_to((folder / "assets").resolve()) and path.is_file():
            return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})
    raise NotFound("There is no such file.", "Reload the page.")
