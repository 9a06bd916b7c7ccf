"""Snapshots: found, waited for, and downloaded so that every byte is the manifest's."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rlhb_client.errors import ClientError, DamagedError, UnreadableError
from rlhb_client.files import need
from rlhb_client.retrying import PassingFault, Retrying, check_answer

ASK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file of a snapshot."""

    path: str
    format: str
    split: str
    rows: int
    bytes: int
    sha256: str


class Snapshot:
    """Labels of one moment as files; immutable.

    Attributes
    ----------
    manifest : dict
        As the server gives it.
    """

    def __init__(self, http: httpx.Client, retrying: Retrying, manifest: Mapping[str, Any]) -> None:
        self._http, self._retrying = http, retrying
        self.manifest = dict(manifest)
        if not isinstance(self.manifest.get("snapshot_id"), str):
            raise UnreadableError("A snapshot without `snapshot_id` came. Give the address of an rlhb server.")

    @property
    def snapshot_id(self) -> str:
        """Its identity."""
        return str(self.manifest["snapshot_id"])

    @property
    def revoked_since(self) -> tuple[str, ...]:
        """Labels in it that were held or revoked since it was made: leave them out. `refresh` asks again."""
        return tuple(self.manifest.get("revoked_since", ()))

    @property
    def files(self) -> tuple[SnapshotFile, ...]:
        """Its files."""
        names = SnapshotFile.__slots__
        return tuple(SnapshotFile(**{name: entry[name] for name in names}) for entry in self.manifest["files"])

    def refresh(self) -> "Snapshot":
        """Ask for the manifest again."""

        def attempt() -> Any:
            answer = self._http.get(f"/snapshots/{self.snapshot_id}")
            check_answer(answer)
            return answer.json()

        self.manifest = dict(self._retrying.run(attempt))
        return self

    def whole(self) -> "Snapshot":
        """Wait until it is built.

        Raises
        ------
        ClientError
            The server could not build it.
        """
        while self.manifest.get("state") == "building":
            time.sleep(ASK_EVERY_S)
            self.refresh()
        if self.manifest.get("state") == "failed":
            raise ClientError(f"The server could not build the snapshot: {self.manifest.get('problem')}. Make room on its disk, and ask again.")
        return self

    def download(self, folder: Path | str, formats: tuple[str, ...] | None = None) -> list[Path]:
        """Bring the files onto this disk; one that is there already with the right bytes is not fetched again.

        Parameters
        ----------
        folder : Path or str
            The files come to ``{folder}/{snapshot_id}/{format}/…``.
        formats : tuple of str or None
            Only these.

        Returns
        -------
        list of Path

        Raises
        ------
        DamagedError
            The server gives other bytes than its manifest promises.
        GoneError
            The snapshot was withdrawn.
        """
        found = []
        for file in self.files:
            if formats is None or file.format in formats:
                place = Path(folder) / self.snapshot_id / file.path
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists() or _sha256(place) != file.sha256:
                    self._fetch(file, place)
                found.append(place)
        return found

    def _fetch(self, file: SnapshotFile, place: Path) -> None:
        part = place.with_name(f".{place.name}.part")

        def attempt() -> None:
            have = part.stat().st_size if part.exists() else 0
            if have >= file.bytes:
                have = 0
            headers = {"Range": f"bytes={have}-", "If-Range": f'"{file.sha256}"'} if have else {}
            with self._http.stream("GET", f"/snapshots/{self.snapshot_id}/{file.path}", headers=headers) as answer:
                check_answer(answer)
                with part.open("ab" if answer.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as out:
                    for piece in answer.iter_bytes():
                        out.write(piece)
                        self._retrying.succeeded()  # it goes on: what fails next is a first failure
            if part.stat().st_size < file.bytes:
                raise PassingFault("the answer ended in the middle")

        self._retrying.run(attempt)
        if _sha256(part) != file.sha256:
            part.unlink()
            what = f"{file.path} of snapshot {self.snapshot_id} came with other bytes than its manifest promises."
            raise DamagedError(f"{what} Fetch it again; if that does not help, the server's disk is damaged.")
        part.replace(place)

    def dataset(self, form: str, folder: Path | str) -> Any:
        """Download a format and return it as a ``datasets.DatasetDict`` of its splits."""
        files = [f for f in self.files if f.format == form and f.path.endswith(".parquet")]
        if not files:
            there = ", ".join(sorted({f.format for f in self.files}))
            raise ClientError(f"Snapshot {self.snapshot_id} has no Parquet files of format '{form}'. It has: {there}.")
        self.download(folder, (form,))
        by_split: dict[str, list[str]] = {}
        for file in [f for f in files if f.rows] or files:  # datasets loads no split without rows
            by_split.setdefault(file.split, []).append(str(Path(folder) / self.snapshot_id / file.path))
        return need("datasets", "datasets").load_dataset("parquet", data_files=by_split)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
