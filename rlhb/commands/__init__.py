"""The commands, one module for each group; only the one that is called is loaded, so that a process starts quickly."""

from importlib import import_module
from typing import Annotated

import typer

MODULES = {
    "up": "service",
    "serve": "service",
    "acquire": "lab",
    "replay": "lab",
    "decode": "lab",
    "latency": "latency",
    "fit": "decoding",
    "evaluate": "decoding",
    "relabel": "decoding",
    "report": "reporting",
    "export": "exporting",
    "labels": "labels",
    "token": "tokens",
    "subject": "subjects",
    "account": "accounts",
    "train": "training",
    "emulate": "emulate",
    "bench": "benchmarking",
    "doctor": "inspection",
    "profiles": "inspection",
    "protocols": "protocols",
}


def register(app: typer.Typer, arguments: list[str]) -> None:
    """Add the command that the arguments name; all of them for help, or a name that is none."""
    if arguments[:1] == ["--version"]:
        app.callback()(_together)
        return
    called = next((word for word in arguments if not word.startswith("-")), None)
    names = [MODULES[called]] if called in MODULES else list(dict.fromkeys(MODULES.values()))
    for name in names:
        import_module(f"rlhb.commands.{name}").register(app)
    app.callback()(_together)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rlhb {version('rlhb')}")
        raise typer.Exit


def _together(
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Tell the version.")] = False,
) -> None:
    """Word-by-word neural rewards for language models, decoded from EEG while a person reads."""
