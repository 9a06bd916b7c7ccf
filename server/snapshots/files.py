"""The files of a snapshot: parts of at most so many rows, each with its hash, in a folder that gets its name when it is whole."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from server.snapshots.request import Container

ROWS_PER_FILE = 100_000
ROWS_PER_GROUP = 10_000


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file, as the manifest lists it."""

    path: str
    """``{format}/{split}-{n}.{jsonl|parquet}``, under the snapshot's address."""
    format: str
    split: str
    rows: int
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """Fields by name."""
        return asdict(self)


class Part:
    """Rows of one format and split, in one kind of file, cut into files.

    Parameters
    ----------
    folder : Path
        Of the snapshot.
    form, split : str
    container : Container
    schema : pyarrow.Schema
    """

    def __init__(self, folder: Path, form: str, split: str, container: Container, schema: pa.Schema) -> None:
        self._folder, self._form, self._split, self._container, self._schema = folder, form, split, container, schema
        self._rows: list[Any] = []
        self._n_in_file = 0
        self._file: IO[bytes] | None = None
        self._parquet: pq.ParquetWriter | None = None
        self._path: Path | None = None
        self.entries: list[FileEntry] = []

    @property
    def container(self) -> Container:
        """Kind of file."""
        return self._container

    def add(self, rows: Iterable[dict[str, Any]], lines: Iterable[str] | None = None) -> None:
        """Write rows; `lines` are the same ones as JSON, where that is at hand."""
        if self._container is Container.JSONL:
            self._rows += lines if lines is not None else (json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False) for row in rows)
        else:
            self._rows += rows
        while len(self._rows) >= ROWS_PER_GROUP:
            self._flush(ROWS_PER_GROUP)

    def _flush(self, n: int) -> None:
        if self._path is None:
            self._open()
        group, self._rows = self._rows[:n], self._rows[n:]
        if self._file is not None:
            self._file.write("".join(f"{line}\n" for line in group).encode())
        elif self._parquet is not None:
            self._parquet.write_table(pa.Table.from_pylist(group, schema=self._schema))
        self._n_in_file += len(group)
        if self._n_in_file >= ROWS_PER_FILE:
            self._close()

    def _open(self) -> None:
        self._path = self._folder / self._form / f"{self._split}-{len(self.entries)}.{self._container}"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._container is Container.JSONL:
            self._file = self._path.open("xb")
        else:
            self._parquet = pq.ParquetWriter(self._path, self._schema, compression="zstd", store_schema=True)

    def _close(self) -> None:
        assert self._path is not None
        if self._parquet is not None:
            self._parquet.close()
        if self._file is not None:
            self._file.close()
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        relative = self._path.relative_to(self._folder).as_posix()
        self.entries.append(FileEntry(relative, self._form, self._split, self._n_in_file, self._path.stat().st_size, digest))
        self._file = self._parquet = self._path = None
        self._n_in_file = 0

    def finish(self) -> list[FileEntry]:
        """Write what is left; a part without rows has one empty file, so that every split can be loaded."""
        if self._rows or not self.entries:
            self._flush(len(self._rows))
        if self._path is not None:
            self._close()
        return self.entries


def give_name(building: Path, folder: Path) -> None:
    """Give a whole folder its name; one that is there already holds the same."""
    if folder.exists():
        shutil.rmtree(building, ignore_errors=True)
        return
    building.rename(folder)
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
