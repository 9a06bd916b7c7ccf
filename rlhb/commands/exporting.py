"""`rlhb export`: a recording in one of the field's formats."""

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from recordings.errors import RecordingError
from recordings.export.exporting import ExportFormat, export_recording
from recordings.log import LogReader
from recordings.recording import read_recording
from rlhb.cli import settings
from rlhb.errors import CommandError
from rlhb.options import BoardProfile, DataDir, board_profile
from rlhb.progress import progress_bar

_LISTED = 10


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(export)


def export(
    session: Annotated[str, typer.Argument(help="A recording's path, or the name of a session in the data folder.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="Format to write.")],
    out: Annotated[Optional[Path], typer.Option(help="Folder to write to; default: exports in the data folder.")] = None,  # noqa: UP045 - Typer
    with_text: Annotated[bool, typer.Option("--with-text", help="Let events hold the shown texts, which may be private.")] = False,
    profile: BoardProfile = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Write a recording as XDF, BIDS, EDF+, BDF or FIF: samples, events, gaps, channel types and set-up."""
    chosen = settings(data_dir=data_dir)
    path = recording_named(session, chosen.recordings_dir)
    folder = out if out is not None else chosen.data_dir / "exports"
    with progress_bar() as tell:
        tell(f"reading {path.name}", 0.0)
        recording = read_recording(path, board_profile(profile))
        tell(f"writing {form.value}", 0.5)
        written = export_recording(recording, form, folder, with_text=with_text)
    remarks = [*recording.remarks, *written.remarks]
    if as_json:
        typer.echo(json.dumps({"path": str(written.path), "format": form.value, "remarks": remarks}))
        return
    typer.echo(str(written.path))
    for remark in remarks:
        typer.echo(remark, err=True)


def recording_named(session: str, folder: Path) -> Path:
    """Find a recording by its path, its recording's name or its session's name.

    Raises
    ------
    CommandError
        There is none; the message lists those in the data folder.
    """
    if Path(session).exists() or "/" in session:
        return Path(session)
    there = sorted(folder.glob("*.xdf"))
    named = [p for p in there if p.stem == session] or [p for p in there if _session_of(p) == session]
    if len(named) == 1:
        return named[0]
    if named:
        raise CommandError(f"Session '{session}' has {len(named)} recordings: {', '.join(map(str, named[:_LISTED]))}. Give the path of one.")
    listed = ", ".join(p.stem for p in there[-_LISTED:]) or "none"
    raise CommandError(f"There is no recording or session '{session}'. Recordings in {folder}: {listed}. Give one of them, or a path.")


def _session_of(path: Path) -> str | None:
    try:
        with LogReader(path) as reader:
            return reader.header.session_id
    except RecordingError:
        return None
