"""`rlhb token`: API tokens of a running session server."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlhb.connection import BearerToken, ServerAddress, connected, granted

app = typer.Typer(name="token", no_args_is_help=True, help="API tokens of a session server.")
AsJson = Annotated[bool, typer.Option("--json", help="Answer for programs.")]


def register(root: typer.Typer) -> None:
    """Add these commands."""
    root.add_typer(app)


@app.command()
def create(
    scope: Annotated[
        list[str], typer.Option("--scope", help="labels:read, snapshots:create, rewards:read, rewards:publish, lab:connect, sessions:operate, admin.")
    ],
    name: Annotated[str, typer.Option(help="What it is for; shown in the list.")] = "command line",
    days: Annotated[float, typer.Option(min=0.0007, max=3650, help="Days until it runs out.")] = 30.0,
    server: ServerAddress = None,
    token: BearerToken = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; it is printed this once, and the server keeps only its hash. Needs the scope admin."""
    ends = datetime.now(UTC) + timedelta(days=days)
    with connected(server, token) as client:
        made = granted(client.post("/tokens", json={"name": name, "scopes": scope, "expires_at": ends.isoformat()})).json()
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(made["token"])
    typer.echo(f"id {made['token_id']}, for {', '.join(made['scopes'])}, until {made['expires_at']}. It is not shown again.", err=True)


@app.command("list")
def list_tokens(server: ServerAddress = None, token: BearerToken = None, as_json: AsJson = False) -> None:
    """List tokens, without the tokens themselves."""
    with connected(server, token) as client:
        found = granted(client.get("/tokens")).json()["items"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("id", "name", "scopes", "made", "until", "revoked")
    for row in found:
        table.add_row(
            row["token_id"], row["name"], ", ".join(row["scopes"]), row["created_at"][:16], (row["expires_at"] or "")[:16], (row["revoked_at"] or "")[:16]
        )
    Console().print(table)


@app.command()
def revoke(token_id: Annotated[str, typer.Argument(help="Its id, from `rlhb token list`.")], server: ServerAddress = None, token: BearerToken = None) -> None:
    """Revoke a token: it counts no more. Doing it again is harmless."""
    with connected(server, token) as client:
        granted(client.delete(f"/tokens/{token_id}"))
    typer.echo(f"token {token_id} is revoked")
