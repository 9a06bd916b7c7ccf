"""`rlhb doctor` and `rlhb profiles`: what is there, what is missing, and how to get it."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlhb.cli import settings
from rlhb.commands.profiles import app as profiles_app

STYLES = {"ok": "[green]ok[/]", "hint": "[yellow]hint[/]", "missing": "[red]missing[/]"}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(doctor)
    app.add_typer(profiles_app)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Answer for programs.")] = False) -> None:
    """Tell what is missing on this machine and how to get it; exit status 1 when something is."""
    from rlhb.doctor import State, checks

    found = {name: check() for name, check in checks(settings()).items()}
    if as_json:
        typer.echo(json.dumps({name: {"ok": c.state is not State.MISSING, "state": c.state, "sentence": c.sentence} for name, c in found.items()}))
    else:
        table = Table("", "what", "found")
        for name, check in found.items():
            table.add_row(STYLES[check.state], name, check.sentence)
        Console().print(table)
    if any(c.state is State.MISSING for c in found.values()):
        raise typer.Exit(1)
