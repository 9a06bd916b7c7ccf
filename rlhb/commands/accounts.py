"""`rlhb account`: people who sign in, on a running session server or in this machine's database."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from rlhb.cli import settings
from rlhb.connection import BearerToken, ServerAddress, connected, granted
from rlhb.errors import CommandError
from rlhb.options import DataDir

app = typer.Typer(name="account", no_args_is_help=True, help="Accounts of a session server.")
Name = Annotated[str, typer.Argument(help="Lower case letters, digits, '_' and '-'.")]
PasswordFile = Annotated[Optional[Path], typer.Option(help="File whose first line is the password; asked for without it.")]  # noqa: UP045
AsJson = Annotated[bool, typer.Option("--json", help="Answer for programs.")]


def register(root: typer.Typer) -> None:
    """Add these commands."""
    root.add_typer(app)


@app.command()
def create(
    name: Name,
    role: Annotated[str, typer.Option(help="operator or admin.")] = "operator",
    password_file: PasswordFile = None,
    here: Annotated[bool, typer.Option("--here", help="Write into this machine's database, without a server: for the first admin.")] = False,
    data_dir: DataDir = None,
    server: ServerAddress = None,
    token: BearerToken = None,
) -> None:
    """Make an account."""
    secret = _password(password_file)
    if here:
        asyncio.run(_create_here(name, role, secret, data_dir))
    else:
        with connected(server, token) as client:
            granted(client.post("/accounts", json={"name": name, "role": role, "password": secret}))
    typer.echo(f"account {name} ({role}) is made")


@app.command("list")
def list_accounts(server: ServerAddress = None, token: BearerToken = None, as_json: AsJson = False) -> None:
    """List accounts."""
    with connected(server, token) as client:
        found = granted(client.get("/accounts")).json()["items"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("name", "role", "made", "disabled")
    for row in found:
        table.add_row(row["name"], row["role"], row["created_at"][:16], (row["disabled_at"] or "")[:16])
    Console().print(table)


@app.command()
def password(name: Name, password_file: PasswordFile = None, server: ServerAddress = None, token: BearerToken = None) -> None:
    """Set a new password; the account is signed out everywhere."""
    _change(name, {"password": _password(password_file)}, server, token)
    typer.echo(f"account {name} has a new password")


@app.command()
def disable(name: Name, server: ServerAddress = None, token: BearerToken = None) -> None:
    """Let an account sign in no more; it is signed out everywhere."""
    _change(name, {"disabled": True}, server, token)
    typer.echo(f"account {name} is disabled")


@app.command()
def enable(name: Name, server: ServerAddress = None, token: BearerToken = None) -> None:
    """Let a disabled account sign in again."""
    _change(name, {"disabled": False}, server, token)
    typer.echo(f"account {name} is enabled")


def _change(name: str, change: dict[str, Any], server: str | None, token: str | None) -> None:
    with connected(server, token) as client:
        granted(client.patch(f"/accounts/{name}", json=change))


def _password(path: Path | None) -> str:
    if path is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The password file {path} cannot be read: {error}. Give a UTF-8 text file whose first line is the password.") from error
    if not lines or not lines[0]:
        raise CommandError(f"The first line of {path} is empty. Write the password there.")
    return lines[0]


async def _create_here(name: str, role: str, secret: str, data_dir: Path | None) -> None:
    from pydantic import TypeAdapter, ValidationError

    from server.accounts.store import AccountName, Role, create_account
    from server.database import Database, database_url
    from server.errors import ServerError

    try:
        known, kind = TypeAdapter(AccountName).validate_python(name), Role(role)
    except (ValidationError, ValueError):
        raise CommandError(f"'{name}' as {role} is no account: a name has a-z, 0-9, '_' and '-', a role is operator or admin.") from None
    try:
        database = Database(database_url(settings(data_dir=data_dir)))
        try:
            await database.open()
            await create_account(database, known, kind, secret, "command line")
        finally:
            await database.close()
    except (ServerError, OSError) as error:
        raise CommandError(str(error)) from error
