"""Snapshots by their identity: made once, found again, retired only when what they hold was erased."""

import asyncio
import hashlib
import json
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.words import ReleaseState
from server import clock
from server.database import Database, insert_new
from server.errors import BadRequest, Conflict, NotFound, Problem
from server.labels.query import LabelFilter, of_decoder, read_head
from server.snapshots.building import Build
from server.snapshots.request import SnapshotRequest
from server.snapshots.selection import fitting
from server.snapshots.tokenizing import load_tokenizer
from server.tables import labels, snapshot_keys, snapshots

log = logging.getLogger(__name__)

REVOKED_AT_MOST = 10_000
"""Label ids that the manifest lists; more are counted."""
WAIT_S = 10.0
"""`POST` waits this long for a snapshot to be whole before it answers that it is being built."""


class Gone(Problem):
    """What it held was erased."""

    status = 410


@dataclass(slots=True)
class Builds:
    """What this process is building, or has failed to build, since it started."""

    running: dict[str, Build] = field(default_factory=dict)

    async def stop(self) -> None:
        """End what is being built; nothing half-made stays."""
        tasks = [build.task for build in self.running.values() if build.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SnapshotStore:
    """Makes and finds snapshots.

    Parameters
    ----------
    database : Database
    folder : Path
        Where they lie, one folder for each.
    tokenizers : Path
        Folder of tokenizers.
    builds : Builds
    """

    def __init__(self, database: Database, folder: Path, tokenizers: Path, builds: Builds) -> None:
        self._database, self._folder, self._tokenizers, self._builds = database, folder, tokenizers, builds

    async def make(self, request: SnapshotRequest, key: str | None, who: str) -> tuple[str, bool]:
        """Build a snapshot, or find the one that holds the same.

        Parameters
        ----------
        request : SnapshotRequest
        key : str or None
            Idempotency key: the same key and request give the same snapshot, however far the log has grown meanwhile.
        who : str
            Name of the token.

        Returns
        -------
        str, bool
            Its identity, and whether it is whole.

        Raises
        ------
        Conflict
            The key was used for another request.
        BadRequest
            `until` lies beyond the end of the log.
        """
        tokenizer = None if request.tokenizer is None else await asyncio.to_thread(load_tokenizer, request.tokenizer, self._tokenizers)
        until, log_id, server_salt = await self._moment(request, key)
        salt = request.salt or server_salt
        asked = [log_id, until, request.model_dump(mode="json", exclude={"until", "salt"}), salt, tokenizer.sha256 if tokenizer else None]
        snapshot_id = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
        if await self._row(snapshot_id) is not None:
            return snapshot_id, True
        build = self._builds.running.get(snapshot_id)  # nothing is awaited from here to the start: one build for two requests
        if build is None or build.problem is not None:
            build = Build(snapshot_id, request, until, salt, tokenizer)
            self._builds.running[snapshot_id] = build
            build.task = asyncio.create_task(self._run(build, who))
        assert build.task is not None
        await asyncio.wait([build.task], timeout=WAIT_S)
        if build.problem is not None:
            raise Conflict(f"The snapshot could not be built: {build.problem}.", "Make room on the disk, or ask for less; then send the request again.")
        return snapshot_id, build.task.done()

    async def _moment(self, request: SnapshotRequest, key: str | None) -> tuple[int, str, str]:
        """Watermark, identity of the log and the server's salt; an idempotency key keeps the watermark of its first use."""
        async with self._database.write() as connection:
            high, log_id = await read_head(connection)
            if request.until is not None and request.until > high:
                raise BadRequest(f"`until` is {request.until}, the log ends at {high}.", f"Give at most {high}, or leave it out.")
            until = high if request.until is None else request.until
            if key is not None:
                kept = {"idempotency_key": key, "request_sha256": request.sha256, "until": until, "created_at": clock.utc_now()}
                await insert_new(connection, snapshot_keys, [kept])
                first = (await connection.execute(sa.select(snapshot_keys).where(snapshot_keys.c.idempotency_key == key))).mappings().one()
                if first["request_sha256"] != request.sha256:
                    raise Conflict(f"The Idempotency-Key '{key[:64]}' was used for another request.", "Send another key, or the request it was used for.")
                until = int(first["until"])
        return until, log_id, hashlib.sha256(f"{log_id}\nsplits".encode()).hexdigest()

    async def _run(self, build: Build, who: str) -> None:
        try:
            manifest = await build.run(self._database, self._folder)
            row = {
                "snapshot_id": build.snapshot_id, "until": build.until, "request": build.request.model_dump(mode="json"), "manifest": manifest,
                "made_by": who, "created_at": manifest["created_at"], "gone_at": None, "gone_reason": None, "successor": None,
            }  # fmt: skip
            async with self._database.write() as connection:
                await insert_new(connection, snapshots, [row])
            self._builds.running.pop(build.snapshot_id, None)
        except (OSError, sa.exc.SQLAlchemyError, ValueError) as error:
            log.exception("Snapshot %s could not be built.", build.snapshot_id)
            build.problem = str(getattr(error, "strerror", None) or type(error).__name__)

    async def _row(self, snapshot_id: str) -> Any:
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(snapshots).where(snapshots.c.snapshot_id == snapshot_id))).mappings().first()
        if row is not None and row["gone_at"] is not None:
            successor = f"Its successor is {row['successor']}." if row["successor"] else "It has no successor; make another with POST /api/v1/snapshots."
            gone = Gone(f"Snapshot {snapshot_id} is gone since {row['gone_at']}: {row['gone_reason']}.", successor)
            gone.more["successor"] = row["successor"]
            raise gone
        return row

    async def manifest(self, snapshot_id: str) -> dict[str, Any]:
        """Return the manifest with what was revoked since; of one that is being built, how far it is.

        Raises
        ------
        NotFound
            There is none.
        Gone
            What it held was erased.
        """
        build = self._builds.running.get(snapshot_id)  # looked for first: it goes when its row is there
        row = await self._row(snapshot_id)
        if row is not None:
            async with self._database.read() as connection:
                revoked, n_revoked = await revoked_since(connection, SnapshotRequest.model_validate(row["request"]), row["until"])
            return {"state": "ready", **row["manifest"], "revoked_since": revoked, "n_revoked_since": n_revoked}
        if build is None:
            raise NotFound(
                f"There is no snapshot '{snapshot_id[:64]}'.",
                "GET /api/v1/snapshots lists them; one whose server was stopped while it was built is asked for again.",
            )
        if build.problem is not None:
            return {"state": "failed", "snapshot_id": snapshot_id, "problem": build.problem}
        return {"state": "building", "snapshot_id": snapshot_id, "done": build.done, "high_watermark": build.until}

    async def file(self, snapshot_id: str, path: str) -> tuple[Path, dict[str, Any]]:
        """Find a file of a snapshot, and its entry in the manifest.

        Raises
        ------
        NotFound, Gone
            No such snapshot or file; or it is gone.
        """
        row = await self._row(snapshot_id)
        if row is None:
            raise NotFound(f"There is no snapshot '{snapshot_id[:64]}' to read from.", "GET /api/v1/snapshots lists those that are whole.")
        entries = row["manifest"]["files"]
        entry = next((e for e in entries if e["path"] == path), None)
        if entry is None:
            raise NotFound(f"Snapshot {snapshot_id} has no file '{path[:100]}'.", f"It has: {', '.join(e['path'] for e in entries[:40])}.")
        place = self._folder / snapshot_id / path
        if not place.is_file():
            raise NotFound(f"The file {path} of snapshot {snapshot_id} is not on this server's disk.", "Put the folder back, or ask for the snapshot again.")
        return place, entry

    async def listed(self, limit: int, after: str | None) -> list[dict[str, Any]]:
        """List snapshots, the newest first; one row more than `limit` tells that there are more."""
        shown = [snapshots.c[name] for name in ("snapshot_id", "created_at", "made_by", "until", "gone_at", "gone_reason", "successor")]
        query = sa.select(*shown).order_by(snapshots.c.created_at.desc(), snapshots.c.snapshot_id.desc()).limit(limit + 1)
        async with self._database.read() as connection:
            if after is not None:
                last = (await connection.execute(sa.select(snapshots.c.created_at).where(snapshots.c.snapshot_id == after))).scalar_one_or_none()
                if last is None:
                    raise BadRequest(f"The cursor '{after[:64]}' is none of this list.", "Begin again without `after`.")
                query = query.where(sa.tuple_(snapshots.c.created_at, snapshots.c.snapshot_id) < (last, after))
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def retire(self, snapshot_id: str, successor: str | None, reason: str) -> None:
        """Answer 410 from now on, and remove the files: what the snapshot held was erased.

        Parameters
        ----------
        snapshot_id : str
        successor : str or None
            The snapshot to use instead.
        reason : str
            In words, without a stop.
        """
        async with self._database.write() as connection:
            change = sa.update(snapshots).where(snapshots.c.snapshot_id == snapshot_id)
            await connection.execute(change.values(gone_at=clock.utc_now(), gone_reason=reason, successor=successor))
        await asyncio.to_thread(shutil.rmtree, self._folder / snapshot_id, ignore_errors=True)


async def revoked_since(connection: AsyncConnection, request: SnapshotRequest, until: int) -> tuple[list[str], int]:
    """Find labels of a snapshot that are held or revoked now: their ids (at most `REVOKED_AT_MOST`), and how many."""
    deciding = LabelFilter(decoder=request.decoder)
    later, newest = labels.alias("now"), labels.alias("newest")
    newer = sa.select(newest.c.seq).where(newest.c.label_id == later.c.label_id, newest.c.seq > later.c.seq, of_decoder(newest, deciding)).exists()
    inside = sa.select(labels.c.label_id).where(fitting(request, until), labels.c.label_id == later.c.label_id).exists()
    stale = sa.and_(later.c.seq > until, later.c.release != ReleaseState.OK.value, of_decoder(later, deciding), ~newer, inside)
    n = int((await connection.execute(sa.select(sa.func.count()).select_from(later).where(stale))).scalar_one())
    ids = [] if n == 0 else list((await connection.execute(sa.select(later.c.label_id).where(stale).order_by(later.c.seq).limit(REVOKED_AT_MOST))).scalars())
    return ids, n
