"""Building a snapshot: pages of the log in, files out, beside the event loop."""

import asyncio
import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from messaging.words import LabelKind
from server import clock
from server.database import Database
from server.labels.arrow import ARROW_SCHEMA
from server.labels.row import LABEL_SCHEMA
from server.snapshots.evidence import Counted, Label, label_of, responses_of
from server.snapshots.files import Part, give_name
from server.snapshots.formats import form_of
from server.snapshots.formats.form import Material
from server.snapshots.request import Container, Format, SnapshotRequest
from server.snapshots.selection import CALIBRATION, ShownText, count_fitting, fitting_pages, read_responses, read_texts, with_text
from server.snapshots.splitting import RULE, split_of_row
from server.snapshots.tokenizing import NamedTokenizer

MANIFEST_SCHEMA = "rlhb.snapshot.v1"
SOFTWARE = ("rlhb", "pyarrow", "numpy")


@dataclass(slots=True)
class Build:
    """One snapshot being built.

    Parameters
    ----------
    snapshot_id : str
    request : SnapshotRequest
    until : int
        Last `seq` that is looked at.
    salt : str
    tokenizer : NamedTokenizer or None
    """

    snapshot_id: str
    request: SnapshotRequest
    until: int
    salt: str
    tokenizer: NamedTokenizer | None = None
    done: float = 0.0
    problem: str | None = None
    task: "asyncio.Task[None] | None" = None
    _labels: dict[str, list[Label]] = field(default_factory=lambda: defaultdict(list))
    _texts: dict[str, ShownText] = field(default_factory=dict)
    _counted: Counted = field(default_factory=Counted)
    _consents: set[str] = field(default_factory=set)
    _protocols: set[str] = field(default_factory=set)

    async def run(self, database: Database, folder: Path) -> dict[str, Any]:
        """Write the files and return the manifest.

        Parameters
        ----------
        database : Database
        folder : Path
            Where snapshots lie. What is being built has a name that begins with a dot, and is removed when anything fails.
        """
        building = folder / f".building-{self.snapshot_id}"
        await asyncio.to_thread(_fresh, building)
        try:
            parts = await self._rows(database, building)
            others = await self._others(database)
            entries = [entry.as_json() for part in parts for entry in await asyncio.to_thread(part.finish)]
            for split in self.request.fractions:
                entries += await asyncio.to_thread(self._split, split, others, building)
            manifest = self._manifest(entries)
            await asyncio.to_thread((building / "manifest.json").write_text, json.dumps(manifest, ensure_ascii=False, indent=2), "utf-8")
            await asyncio.to_thread(give_name, building, folder / self.snapshot_id)
        finally:
            await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)
        self.done = 1.0
        return manifest

    async def _rows(self, database: Database, building: Path) -> list[Part]:
        """Read the log; format `labels` is written on the way, and what the others need is kept."""
        wanted = Format.LABELS in self.request.formats
        containers = self.request.containers if wanted else ()
        parts = {(s, c): Part(building, Format.LABELS, s, c, ARROW_SCHEMA) for s in self.request.fractions for c in containers}
        async with database.read() as connection:
            n_rows, seen = max(1, await count_fitting(connection, self.request, self.until)), 0
            async for page in fitting_pages(connection, self.request, self.until):
                missing = {row.text_id for row in page if row.text_id is not None and row.text_id not in self._texts}
                self._texts |= await read_texts(connection, missing)
                await asyncio.to_thread(self._take, page, parts)
                seen += len(page)
                self.done = 0.7 * seen / n_rows
        return list(parts.values())

    def _take(self, page: Sequence[Any], parts: Mapping[tuple[str, Container], Part]) -> None:
        taken: dict[str, tuple[list[dict[str, Any]], list[str]]] = defaultdict(lambda: ([], []))
        keeps = any(f is not Format.LABELS for f in self.request.formats)
        for _, text, text_id in page:
            row: dict[str, Any] = json.loads(text)
            if str(row["protocol"]).startswith(CALIBRATION) and not self.request.include_calibration:
                self._counted.left_out["calibration"] += 1
                continue
            item = row["item_id"] or row["response_id"] or row["label_id"]
            split = split_of_row(str(item), str(row["subject"]), self.salt, self.request.split_by, self.request.fractions)
            if split is None:
                self._counted.left_out["between_splits"] += 1
                continue
            self._consents.add(str(row["consent"]))
            self._protocols.add(str(row["protocol"]))
            if keeps:
                self._labels[split].append(label_of(row, text_id))
            if parts:
                rows, lines = taken[split]
                shown = self._texts.get(text_id or "")
                line = text if shown is None else with_text(text, shown, generator=self.request.include_generator)
                lines.append(line)
                rows.append(json.loads(line))
        for (split, _), part in parts.items():
            if split in taken:
                part.add(*taken[split])

    async def _others(self, database: Database) -> dict[tuple[str, str, str], str]:
        """Texts of the other responses of labelled pairs."""
        wanted = {
            (label.item_id, label.response_id_b) for labels in self._labels.values() for label in labels
            if label.kind == LabelKind.PAIR and label.response_id_b
        }  # fmt: skip
        if not wanted:
            return {}
        async with database.read() as connection:
            return await read_responses(connection, wanted)

    def _split(self, split: str, others: dict[tuple[str, str, str], str], building: Path) -> list[dict[str, Any]]:
        kinds = [f for f in self.request.formats if f is not Format.LABELS]
        if not kinds:
            return []
        material = self._material(self._labels.get(split, []), others)
        entries: list[dict[str, Any]] = []
        for kind in kinds:
            form = form_of(kind, self.request)
            containers = (Container.PARQUET,) if kind is Format.VERL else self.request.containers
            parts = [Part(building, kind, split, container, form.arrow) for container in containers]
            for rows in _batches(form.rows(material), 1000):
                for part in parts:
                    part.add(rows)
            entries += [entry.as_json() for part in parts for entry in part.finish()]
        return entries

    def _material(self, labels: list[Label], others: dict[tuple[str, str, str], str]) -> Material:
        request, texts = self.request, self._texts
        per_subject = request.pool == "subject"

        def of(kind: LabelKind) -> list[Any]:
            return responses_of(labels, texts, kind, per_subject=per_subject, correlation=request.correlation, counted=self._counted)

        units = of(LabelKind.UNIT)
        known = {(e.response_id, e.signal, e.subjects) for e in units}
        units += [e for e in of(LabelKind.RESPONSE) if (e.response_id, e.signal, e.subjects) not in known]
        units.sort(key=lambda e: (e.item_id, e.response_id, e.signal, e.subjects))
        return Material(
            responses=units,
            steps=of(LabelKind.STEP),
            pairs=[label for label in labels if label.kind == LabelKind.PAIR],
            other_responses=others,
            prompts={text_id: (shown.prompt, shown.response) for text_id, shown in texts.items()},
            request=request,
            tokenizer=self.tokenizer,
            counted=self._counted,
        )

    def _manifest(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        request = self.request
        content = hashlib.sha256(json.dumps([(e["path"], e["sha256"]) for e in entries]).encode()).hexdigest()
        return {
            "schema": MANIFEST_SCHEMA,
            "snapshot_id": self.snapshot_id,
            "content_sha256": content,
            "high_watermark": self.until,
            "label_schema": LABEL_SCHEMA,
            "filter": request.stated(),
            "split_by": request.split_by,
            "fractions": request.fractions,
            "split_rule": RULE,
            "salt_sha256": hashlib.sha256(self.salt.encode()).hexdigest(),
            "tokenizer": None if self.tokenizer is None else {"name": self.tokenizer.name, "sha256": self.tokenizer.sha256},
            "protocols": sorted(self._protocols),
            "consents": sorted(self._consents - {"None"}),
            "licence": request.licence,
            "left_out": dict(sorted(self._counted.left_out.items())),
            "versions": {name: version(name) for name in SOFTWARE},
            "created_at": clock.utc_now(),
            "files": entries,
        }


def _fresh(building: Path) -> None:
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)


def _batches(rows: Iterator[dict[str, Any]], n: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == n:
            yield batch
            batch = []
    if batch:
        yield batch
