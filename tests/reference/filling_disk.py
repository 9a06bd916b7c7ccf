"""Records until there is no room, waits, and goes on when there is: run as a process on a disk of its own or under a size limit.

``python -m tests.reference.filling_disk FOLDER disk|limit`` prints what it saw as JSON. With ``disk`` the folder becomes a tmpfs of
256 KiB, which needs a mount namespace (``unshare --user --map-root-user --mount``); with ``limit`` no file may grow beyond 128 KiB.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from messaging.records import Record
from recordings.errors import RecordingFullError
from recordings.log import read_log
from recordings.writer import LogWriter
from tests.reference.random_logs import chunk, header, profile, same_log, unit

NAMES = tuple(f"E{i}" for i in range(64))
LIMIT_BYTES = 128 * 1024


def record(ordinal: int) -> Record:
    return unit(ordinal, "word", ordinal) if ordinal % 5 == 0 else chunk(ordinal, 40 * ordinal, n_samples=8, n_channels=64)


def main(folder: Path, kind: str) -> dict[str, Any]:
    filler, path = folder / "filler", folder / "a.xdf"
    if kind == "disk":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
        filler.write_bytes(bytes(120_000))
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
    writer = LogWriter.create(path, header(profile(NAMES)))
    records: list[Record] = [writer.header]
    refused: RecordingFullError | None = None
    while refused is None:
        try:
            writer.write(record(len(records) + 1))
            records.append(record(len(records) + 1))
        except RecordingFullError as error:
            refused = error
    before = path.read_bytes()
    again = 0
    for _ in range(5):
        try:
            writer.write(record(len(records) + 1))
        except RecordingFullError:
            again += 1
    seen = {
        "sentence": str(refused),
        "refused_again": again,
        "unchanged": path.read_bytes() == before,
        "ends_with_a_whole_record": path.stat().st_size == writer.size_bytes and same_log(list(read_log(path)), records),
        "free_bytes": os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize,
    }
    if kind == "disk":
        seen["created_on_the_full_disk"] = _create_refused(folder)
        filler.unlink()
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.sync()
    for ordinal in range(len(records) + 1, len(records) + 20):
        writer.write(record(ordinal))
        records.append(record(ordinal))
    writer.close()
    return {**seen, "went_on": same_log(list(read_log(path)), records), "records": len(records), "files": sorted(p.name for p in folder.iterdir())}


def _create_refused(folder: Path) -> bool:
    while True:  # fill what is left over of the last page, so that nothing at all fits
        try:
            with (folder / "filler").open("ab", buffering=0) as file:
                file.write(bytes(512))
        except OSError:
            break
    try:
        LogWriter.create(folder / "b.xdf", header(profile(NAMES)))
    except RecordingFullError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
