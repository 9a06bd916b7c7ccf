"""`rlhb protocols`: how responses are put before a subject, shipped and the lab's own."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlhb.cli import settings
from rlhb.errors import CommandError
from rlhb.options import DataDir
from server.errors import Problem
from server.sessions.protocols import Damaged, Protocol, all_protocols, protocol, read_protocol

protocols = typer.Typer(no_args_is_help=True, help="How responses are put before a subject.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(protocols, name="protocols")


@protocols.command("list")
def list_protocols(data_dir: DataDir = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the shipped protocols and those of the data folder."""
    found = all_protocols(settings(data_dir=data_dir).protocols_dir)
    if as_json:
        rows = [p.model_dump(mode="json") if isinstance(p, Protocol) else {"name": p.name, "damaged": p.reason} for p in found.values()]
        typer.echo(json.dumps(rows))
        return
    table = Table("protocol", "task", "items", "SOA", "")
    for p in found.values():
        if isinstance(p, Damaged):
            table.add_row(p.name, "", "", "", f"cannot be used: {p.reason}")
        else:
            table.add_row(p.name, p.task, p.item_set, f"{p.soa_ms:g} ± {p.jitter_ms:g} ms", p.title)
    Console().print(table)


@protocols.command()
def show(name: str, data_dir: DataDir = None) -> None:
    """Print a protocol as TOML: a beginning for one's own."""
    try:
        found = protocol(name, settings(data_dir=data_dir).protocols_dir)
    except Problem as error:
        raise CommandError(f"{error.detail} {error.remedy}") from error
    for key, value in found.model_dump(exclude_none=True).items():
        typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


@protocols.command()
def check(file: Annotated[Path, typer.Argument(help="TOML file.")]) -> None:
    """Tell whether a file is a protocol, and what is wrong with it."""
    found = read_protocol(file)
    if isinstance(found, Damaged):
        raise CommandError(f"{found.reason} `rlhb protocols show token_rsvp` prints one that is right.")
    typer.echo(f"{found.name}: {found.title}. {found.soa_ms:g} ± {found.jitter_ms:g} ms, items {found.item_set}, decoders for {found.task}.")
