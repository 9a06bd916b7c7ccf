"""`/sessions/{id}/labels/{label_id}/epoch`: the EEG of one label beside the averages of its session, for looking at."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from recordings.errors import RecordingError
from server.errors import BadRequest, NotFound
from server.labels.holds import latest_current
from server.recorded_windows import AFTER_MS, BEFORE_MS, MOST_WINDOWS, Average, Windows, average_of, read_windows
from server.routes.common import service_of
from server.routes.sessions import Operator
from server.sessions.store import session_row
from server.tables import labels

router = APIRouter(tags=["sessions"])


@router.get("/sessions/{session_id}/labels/{label_id}/epoch")
async def show_epoch(request: Request, session_id: str, label_id: str, caller: Operator) -> dict[str, Any]:
    """Show the EEG window of a label, and the averages of the words of its session that the decoder took for errors and for good ones."""
    service = service_of(request)
    async with service.database.read() as connection:
        session = await session_row(connection, session_id)
        found = latest_current(session_id).where(~labels.c.erased).subquery()
        rows = [json.loads(text) for text in (await connection.execute(sa.select(found.c.row).order_by(found.c.seq))).scalars()]
    label = next((row for row in rows if row["label_id"] == label_id), None)
    if label is None:
        raise NotFound(
            f"The session {session_id[:128]} has no label '{label_id[:128]}'.", f"GET /api/v1/labels?session={session_id[:128]}&release=any lists them."
        )
    if label["sample_index"] is None:
        raise NotFound("This label has no place in the recording.", "Only labels with a `sample_index` have a window.")
    same = [row for row in rows if row["signal"] == label["signal"] and row["sample_index"] is not None and row["label_id"] != label_id]
    # Evenly over the session where there are too many: the averages do not change by it, the time does.
    chosen = [label, *same[:: max(1, -(-len(same) // (MOST_WINDOWS - 1)))]]
    path = _path_of(service.settings.recordings_dir, str(session["recording_id"]))
    try:
        windows = await run_in_threadpool(_windows, path, _size(path), tuple(sorted({row["sample_index"] for row in chosen})))
    except RecordingError as error:
        raise NotFound(f"The recording cannot be read: {error}", "`rlhb doctor` and `rlhb export` say more.") from error
    return await run_in_threadpool(_answer, label, chosen, windows)


def _path_of(folder: Path, recording_id: str) -> Path:
    path = (folder / f"{recording_id}.xdf").resolve()
    if not path.is_relative_to(folder.resolve()):
        raise BadRequest("The name of the recording leaves the folder of recordings.", "Rename the recording.")
    return path


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@lru_cache(maxsize=2)
def _windows(path: Path, size: int, onsets: tuple[int, ...]) -> tuple[tuple[int, ...], Windows]:
    """Read the windows once for all labels of a session; `size` makes a recording that has grown another one."""
    return onsets, read_windows(path, onsets)


def _answer(label: dict[str, Any], rows: list[dict[str, Any]], found: tuple[tuple[int, ...], Windows]) -> dict[str, Any]:
    onsets, windows = found
    at = {onset: k for k, onset in enumerate(onsets)}
    error = [at[row["sample_index"]] for row in rows if row["reward"] is not None and row["reward"] < 0]
    good = [at[row["sample_index"]] for row in rows if row["reward"] is not None and row["reward"] >= 0]
    return {
        "label_id": label["label_id"],
        "recording_id": label["recording_id"],
        "signal": label["signal"],
        "channels": list(windows.channel_names),
        "times_ms": [round(float(t), 2) for t in windows.times_ms],
        "window_ms": label["window_ms"] or [-BEFORE_MS, AFTER_MS],
        "epoch_uv": _plain(windows.values_uv[at[label["sample_index"]]]),
        "error": _average(average_of(windows.values_uv[error])),
        "good": _average(average_of(windows.values_uv[good])),
    }


def _average(average: Average) -> dict[str, Any]:
    return {"n_windows": average.n_windows, "mean_uv": _plain(average.mean_uv), "sem_uv": _plain(average.sem_uv)}


def _plain(values: NDArray[np.float32]) -> list[list[float | None]]:
    """Round to hundredths of a microvolt; null where nothing was recorded."""
    return [[round(v, 2) if np.isfinite(v) else None for v in channel] for channel in values.astype(np.float64).tolist()]
