"""Tables of numbers in text files: every row complete, every number a number, or a sentence that names the line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.files import open_file

_COPY_AGAIN = "Copy it again from where it was recorded, or delete the damaged line"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows and columns of a text file are wanted."""

    delimiter: str
    n_columns: int
    """Columns that every row must have."""
    wanted: Sequence[int]
    """Columns to read as numbers, from 0."""
    skipped_lines: int = 0
    """Lines of header before the first row."""


def open_text(path: Path) -> IO[str]:
    """Open a text file for reading its lines.

    Raises
    ------
    RecordingError
        The path is missing, a folder, empty or may not be opened.
    """
    return open(open_file(path), encoding="utf-8", newline="")  # noqa: PTH123 - a descriptor, checked before


def whole_lines(path: Path, file: IO[str], first_number: int = 1) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines without their ends; empty lines are passed over.

    Raises
    ------
    RecordingError
        The last line has no end (the file was cut), or bytes are no text.
    """
    try:
        for number, line in enumerate(file, first_number):
            if not line.endswith("\n"):
                raise RecordingError(f"Text recording {path} is cut: its line {number} has no end. {_COPY_AGAIN}.")
            if stripped := line.rstrip("\r\n"):
                yield number, stripped
    except UnicodeDecodeError as error:
        raise RecordingError(f"Text recording {path} is damaged: {error.reason} in the text. {_COPY_AGAIN}.") from error


def read_table(path: Path, layout: Layout) -> NDArray[np.float64]:
    """Read the wanted columns of all rows.

    Returns
    -------
    (n_rows, n_wanted) float64

    Raises
    ------
    RecordingError
        There is no row, a row has another number of columns, or a cell is no number; the message names the line.
    """
    with open_text(path) as file:
        for _ in range(layout.skipped_lines):
            file.readline()
        rows = _checked_rows(path, file, layout)
        first = next(rows, None)
        if first is None:
            raise RecordingError(f"Text recording {path} holds no samples: nothing follows its header. Choose another file.")
        try:
            return np.loadtxt(_with_first(first, rows), delimiter=layout.delimiter, usecols=tuple(layout.wanted), comments=None, ndmin=2)
        except ValueError as error:
            said = " ".join(str(error).split())[:200].rstrip(".")
            raise RecordingError(f"Text recording {path} is damaged: {said} (rows counted without the header). {_COPY_AGAIN}.") from error


def _with_first(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _checked_rows(path: Path, file: IO[str], layout: Layout) -> Iterator[str]:
    for number, line in whole_lines(path, file, layout.skipped_lines + 1):
        n_columns = line.count(layout.delimiter) + 1
        if n_columns != layout.n_columns:
            raise RecordingError(f"Text recording {path} is damaged: line {number} has {n_columns} columns, not {layout.n_columns}. {_COPY_AGAIN}.")
        yield line
