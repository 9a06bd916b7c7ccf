"""Label rows as files and tables: NDJSON by itself; Arrow, pandas and datasets where they are installed."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from rlhb_client.errors import MissingExtraError, UnreadableError
from rlhb_client.rows import Row, read_row


def read_ndjson(path: Path | str) -> Iterator[Row]:
    """Read rows of a file that `Client.save_ndjson`, ``rlhb labels pull`` or ``curl`` wrote.

    Yields
    ------
    Label or Superseded

    Raises
    ------
    UnreadableError
        There is no such file, or a line is not a row; the message names it.
    """
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, f"{path}, line {number}")
    except OSError as error:
        raise UnreadableError(f"The file {path} cannot be read: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"The file {path} is not UTF-8. Pull the labels again.") from error


def _row(line: str, where: str) -> Row:
    try:
        raw = json.loads(line)
    except ValueError as error:
        raise UnreadableError(f"{where}: this is no JSON ({error}). A cut last line is mended by pulling again.") from error
    if not isinstance(raw, dict):
        raise UnreadableError(f"{where}: this is no JSON object. Give a file of label rows.")
    try:
        return read_row(raw)
    except UnreadableError as error:
        raise UnreadableError(f"{where}: {error}") from error


def last_seq(path: Path) -> int:
    """Return the `seq` of the last whole line of a file and cut what follows it; 0 for none.

    Raises
    ------
    UnreadableError
        A whole line is not a row.
    """
    if not path.exists():
        return 0
    kept, seq = 0, 0
    with path.open("rb+") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            kept += len(line)
            if line.strip():
                seq = _row(line.decode("utf-8", errors="replace"), f"{path}, line {number}").seq
        file.truncate(kept)
    return seq


def need(package: str, extra: str) -> Any:
    """Import an optional package.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(f"This needs {package}, which is not installed. Install it with: pip install 'rlhb-client[{extra}]'") from error
