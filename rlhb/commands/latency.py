"""`rlhb latency`: how long after the page's frame the light of the screen changes."""

import json
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from rich.console import Console

from acquisition.display_latency import ENOUGH_EDGES, DisplayLatency, measure_display_latency
from rlhb.cli import settings
from rlhb.commands.exporting import recording_named
from rlhb.errors import CommandError
from rlhb.options import DataDir

BARS = 40
MOST_BINS = 30


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(latency)


def latency(
    recording: Annotated[Optional[str], typer.Argument(help="A recording made with a photodiode on the screen.")] = None,  # noqa: UP045 - Typer
    session: Annotated[Optional[str], typer.Option(help="Instead: a session of the data folder.")] = None,  # noqa: UP045
    channel: Annotated[Optional[str], typer.Option(help="The photodiode's channel, where the profile does not say it.")] = None,  # noqa: UP045
    picture: Annotated[Optional[Path], typer.Option(help="Draw the histogram into this file (.png, .svg, .pdf).")] = None,  # noqa: UP045
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Measure the display latency of a set-up; says the two lines for its profile."""
    named = recording or session
    if named is None or (recording and session):
        raise CommandError("Name one recording: `rlhb latency RECORDING`, or `rlhb latency --session ID`.")
    path = recording_named(named, settings(data_dir=data_dir).recordings_dir)
    found = measure_display_latency(path, channel)
    if picture is not None:
        draw(found, picture)
    if as_json:
        typer.echo(json.dumps(as_fields(found, path)))
        return
    show(found, Console())


def as_fields(found: DisplayLatency, path: Path) -> dict[str, object]:
    """Figures for programs."""
    return {
        "recording": str(path),
        "channel": found.channel,
        "n_units": found.n_units,
        "n_edges": len(found.latency_ms),
        "display_latency_ms": round(found.mean_ms, 3),
        "display_latency_sd_ms": round(found.sd_ms, 3),
        "median_ms": round(float(np.median(found.latency_ms)), 3),
        "sampling_sd_ms": round(found.sampling_sd_ms, 3),
        "latency_ms": [round(float(x), 3) for x in found.latency_ms],
    }


def bins(latency_ms: np.ndarray) -> np.ndarray:
    """Edges of the histogram's bins: whole milliseconds."""
    low, high = np.floor(latency_ms.min()), np.ceil(latency_ms.max()) + 1
    return np.arange(low, high + 1, max(1.0, np.ceil((high - low) / MOST_BINS)))


def show(found: DisplayLatency, console: Console) -> None:
    """Print histogram, figures and the lines for the profile."""
    edges = bins(found.latency_ms)
    counts, _ = np.histogram(found.latency_ms, edges)
    for low, count in zip(edges, counts, strict=False):
        console.print(f"{low:6.0f} ms {'█' * round(BARS * count / counts.max())} {count}", highlight=False)
    n = len(found.latency_ms)
    console.print(
        f"{n} of {found.n_units} units have an edge on channel {found.channel}: latency {found.mean_ms:.2f} ms, sd {found.sd_ms:.2f} ms", highlight=False
    )
    if n < ENOUGH_EDGES:
        console.print(f"{n} edges are few; {ENOUGH_EDGES} or more make the figure good.", highlight=False)
    console.print("For the profile:\n")
    console.print(found.profile_lines, highlight=False, markup=False)


def draw(found: DisplayLatency, path: Path) -> None:
    """Draw the histogram.

    Raises
    ------
    CommandError
        The file cannot be written, or its ending is no picture's.
    """
    from matplotlib.figure import Figure  # about a second: only where a picture is asked for

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(found.latency_ms, bins(found.latency_ms).tolist(), color="#4477aa")
    axes.axvline(found.mean_ms, color="black", linewidth=1)
    axes.set(xlabel="photodiode edge after the page's frame (ms)", ylabel="units", title=f"display latency {found.mean_ms:.2f} ± {found.sd_ms:.2f} ms")
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise CommandError(f"The picture {path} cannot be written: {error}. Choose another file, ending in .png, .svg or .pdf.") from error
