"""One recording, one format, one name that appears only when everything behind it is written."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recordings.errors import RecordingError
from recordings.export.bids_folder import write_bids
from recordings.export.edf_file import write_edf
from recordings.export.mne_raw import write_fif
from recordings.export.xdf_file import write_xdf
from recordings.files import sync_folder
from recordings.recording import Recording


class ExportFormat(StrEnum):
    """Formats that a recording can be exported to."""

    XDF = "xdf"
    BIDS = "bids"
    EDF = "edf"
    BDF = "bdf"
    FIF = "fif"


_ENDINGS = {ExportFormat.XDF: ".xdf", ExportFormat.BIDS: "_bids", ExportFormat.EDF: ".edf", ExportFormat.BDF: ".bdf", ExportFormat.FIF: "_raw.fif"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    """The file, or for BIDS the dataset's folder."""
    remarks: tuple[str, ...]


def export_recording(recording: Recording, form: ExportFormat, folder: Path, *, with_text: bool = False) -> Exported:
    """Write a recording in one of the field's formats.

    Parameters
    ----------
    recording : Recording
        Own, or any other that can be read.
    form : ExportFormat
    folder : Path
        Where to; made if it is missing. A file or dataset of the same name is never replaced.
    with_text : bool
        Let events hold the text of units and annotations, which may be private.

    Returns
    -------
    Exported

    Raises
    ------
    RecordingError
        There is one of that name, the folder cannot be written to, or the format cannot hold the recording. Nothing is left then.
    """
    if recording.n_samples == 0:
        raise RecordingError(f"{recording.path} holds no samples: there is nothing to export.")
    target = folder / f"{recording.path.stem.removesuffix('_raw')}{_ENDINGS[form]}"
    if target.exists():
        raise RecordingError(f"{target} is there already. Remove it, or choose another folder with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
            made = Path(unfinished) / target.name
            remarks = _WRITERS[form](recording, made, with_text)
            # a FIF beyond 2 GB is several files; the one with the name is moved last
            for part in sorted(Path(unfinished).iterdir(), key=lambda p: p == made):
                shutil.move(part, folder / part.name)
        sync_folder(folder)
    except OSError as error:
        raise RecordingError(f"{target} cannot be written: {error.strerror or error}. Check the folder and the disk, or choose another with --out.") from error
    return Exported(target, remarks)


_Writer = Callable[[Recording, Path, bool], tuple[str, ...]]
_WRITERS: dict[ExportFormat, _Writer] = {
    ExportFormat.XDF: lambda recording, path, text: write_xdf(recording, path, with_text=text),
    ExportFormat.BIDS: lambda recording, path, text: write_bids(recording, path, with_text=text),
    ExportFormat.EDF: lambda recording, path, text: write_edf(recording, path, bdf=False, with_text=text),
    ExportFormat.BDF: lambda recording, path, text: write_edf(recording, path, bdf=True, with_text=text),
    ExportFormat.FIF: lambda recording, path, text: write_fif(recording, path, with_text=text),
}
