"""Checkpoints: the whole decoder state keyed by ordinal, so that a restarted worker publishes the same rewards."""

import json
import logging
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after a record."""

    ordinal: int
    epoch: int
    values: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    cut: str | None = None
    """Last cut of the log that it stands behind (`messaging.bus.Bus.cut`)."""


def checkpoint_path(data_dir: Path, recording_id: str) -> Path:
    """Where the checkpoint of a recording lies."""
    return data_dir / "checkpoints" / f"{recording_id}.npz"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically: the old checkpoint stays until the new one is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    head = json.dumps({"ordinal": checkpoint.ordinal, "epoch": checkpoint.epoch, "values": checkpoint.values, "cut": checkpoint.cut})
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, head=np.frombuffer(head.encode("utf-8"), dtype=np.uint8), **{f"a_{k}": v for k, v in checkpoint.arrays.items()})
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None when there is none, or when it is damaged (then everything is decoded again from the recording)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            head = json.loads(bytes(file["head"]).decode("utf-8"))
            arrays = {name[2:]: file[name] for name in file.files if name.startswith("a_")}
        return Checkpoint(ordinal=int(head["ordinal"]), epoch=int(head["epoch"]), values=head["values"], arrays=arrays, cut=head.get("cut"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("Checkpoint %s cannot be used (%s). The recording is decoded again from its start.", path, error)
        return None
