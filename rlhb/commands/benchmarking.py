"""`rlhb bench`: our figures beside the peers', in one run on this machine."""

import json
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console

from rlhb.errors import CommandError
from rlhb.progress import progress_bar


class Benchmark(StrEnum):
    """What can be measured."""

    ACQUISITION = "acquisition"
    ACCURACY = "accuracy"
    DECODERS = "decoders"
    FILTERS = "filters"
    RECORDING = "recording"
    STOPPING = "stopping"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(bench)


def _module(name: Benchmark) -> Any:
    try:
        return import_module(f"benchmarks.{name.value}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "benchmarks":
            raise CommandError("The benchmarks are not part of the installed package: run this from a checkout of the source.") from error
        if error.name == "mne_lsl":
            raise CommandError("mne-lsl, which this benchmark measures beside us, is missing: run `pip install mne-lsl`.") from error
        raise


def bench(
    name: Annotated[Benchmark, typer.Argument(help="What to measure.")],
    seconds: Annotated[float, typer.Option(min=0.05, max=3600, help="How long each part runs.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure this machine: our figures beside a peer's, in one run."""
    module = _module(name)
    with progress_bar() as tell:
        report = module.run(seconds, tell)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        Console(width=150).print(report.as_table())
