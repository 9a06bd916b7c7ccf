"""`rlhb report`: a decoder's validity report as a page."""

import webbrowser
from datetime import datetime
from pathlib import Path
from typing import Annotated, Optional

import typer

from decoders.registry import Registry
from rlhb.cli import settings
from rlhb.decoder_choice import parse_reference
from rlhb.errors import CommandError
from rlhb.options import DataDir
from rlhb.progress import progress_bar


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(report)


def report(
    decoder: Annotated[str, typer.Argument(help="Decoder of the registry, NAME or NAME@VERSION.")],
    out: Annotated[Optional[Path], typer.Option(help="HTML file to write; default: reports in the data folder.")] = None,  # noqa: UP045 - Typer
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write a decoder's validity report as one page with pictures, to be looked at and printed."""
    chosen = settings(data_dir=data_dir)
    with progress_bar() as tell:
        tell("drawing the report", 0.3)
        path = write_report(Registry(chosen.decoders_dir), chosen.decoders_dir, decoder, out or chosen.data_dir / "reports")
    typer.echo(str(path))
    if show:
        webbrowser.open(path.resolve().as_uri())


def write_report(registry: Registry, decoders_dir: Path, text: str, place: Path) -> Path:
    """Write the page of a decoder to a file, or into a folder as ``NAME-VERSION.html``.

    Raises
    ------
    RegistryError
        There is no such decoder.
    CommandError
        The file cannot be written.
    """
    from rlhb.report_page import report_html

    found = registry.load(*parse_reference(text))
    statement = found.statement
    path = place if place.suffix == ".html" else place / f"{statement.name}-{statement.version}.html"
    fitted_at = datetime.fromtimestamp((decoders_dir / statement.name / str(statement.version) / "decoder.json").stat().st_mtime).astimezone()
    page = report_html(found, fitted_at.strftime("%Y-%m-%d %H:%M %Z"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_text(page, "utf-8")
        aside.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}. Choose another with --out.") from error
    return path
