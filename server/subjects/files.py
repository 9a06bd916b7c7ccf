"""A subject's files in the data folder: recordings, checkpoints and exports."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

FOLDERS = ("recordings", "checkpoints", "exports")
"""Parts of the data folder where the names of files that hold EEG begin with their recording's name."""


def files_of(data_dir: Path, subject: str, recording_ids: Iterable[str]) -> list[Path]:
    """Find what the data folder holds of a subject.

    Parameters
    ----------
    data_dir : Path
    subject : str
        Exports as BIDS have a folder of the subject, named by the letters and digits of the pseudonym.
    recording_ids : iterable of str
        A recording's name is followed by a dot or an underscore: ``session-1`` does not stand for ``session-10``.
    """
    names = re.compile("|".join(re.escape(i) for i in sorted(recording_ids, key=len, reverse=True)) or r"(?!)")
    folder_of_subject = f"sub-{_plain(subject)}"
    found = []
    for folder in FOLDERS:
        for path in sorted((data_dir / folder).rglob("*")) if (data_dir / folder).is_dir() else ():
            begins = names.match(path.name)
            named = begins is not None and path.name[begins.end() :][:1] in ("", ".", "_")
            if named or (folder == "exports" and path.name == folder_of_subject):
                found.append(path)
    return [path for path in found if not any(parent in found for parent in path.parents)]


def erase_files(data_dir: Path, subject: str, recording_ids: Iterable[str]) -> list[str]:
    """Remove what the data folder holds of a subject; returns what was removed, as paths in it.

    Raises
    ------
    OSError
        Something cannot be removed; what was removed before stays so, and the next call goes on.
    """
    removed = []
    for path in files_of(data_dir, subject, recording_ids):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        removed.append(str(path.relative_to(data_dir)))
    for table in (data_dir / "exports").rglob("participants.tsv") if removed else ():
        lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
        table.write_text("".join(line for line in lines if line.split("\t")[0] != f"sub-{_plain(subject)}"), encoding="utf-8")
    return removed


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name)
