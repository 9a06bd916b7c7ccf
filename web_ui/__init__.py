"""The operator console and the subject page: TypeScript, built into one static bundle."""

from pathlib import Path

_DIST = Path(__file__).resolve().parent / "dist"


def static_dir() -> Path | None:
    """Find the built page.

    Returns
    -------
    pathlib.Path or None
        Folder with ``index.html`` and ``assets/``; None when the page has not been built (``npm ci && npm run build`` in ``web_ui``).

    Notes
    -----
    Every page address (``/``, ``/operator/ID``, ``/subject/ID``) is answered with the same ``index.html``; the page reads its
    own path.
    """
    return _DIST if (_DIST / "index.html").is_file() else None


__all__ = ["static_dir"]
